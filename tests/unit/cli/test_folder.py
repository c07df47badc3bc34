import pytest

import wilks
from wilks.cli.folder import RunFolder
from wilks.core.result import Provenance, Result


def result_of(value):
    space = wilks.Space(a=wilks.Real(0, 1))
    provenance = Provenance({}, 1, "p", "f", (), "serial", "", 0.0)
    return Result(
        space=space,
        status=wilks.Status(wilks.Outcome.CONVERGED),
        best={"a": value},
        log_likelihood=0.0,
        n_evaluations=1,
        stats={},
        provenance=provenance,
    )


def test_a_finished_stage_is_found_by_its_key(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert not folder.is_finished("k1")
    assert folder.result_of("k1") is None
    folder.finish("k1", 1, "fit with w=-1.0", result_of(0.25))
    folder.finish("k2", 2, "Profile of Ω, w!", result_of(0.5))
    assert folder.result_of("k1").best == {"a": 0.25}
    assert folder.result_of("k2").best == {"a": 0.5}
    names = sorted(path.name for path in (tmp_path / "run" / "results").iterdir())
    assert names == ["01-fit-with-w=-1.0.wilks", "02-profile-of-w.wilks", "index.json"]


def test_a_file_belongs_to_one_stage(tmp_path):
    folder = RunFolder(tmp_path)
    folder.finish("old", 1, "fit", result_of(0.1))
    folder.finish("new", 1, "fit", result_of(0.2))
    assert not folder.is_finished("old")
    assert folder.result_of("new").best == {"a": 0.2}


@pytest.mark.parametrize("text", ["{", "[1]", '[{"key": 1}]', "3"])
def test_a_damaged_index(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.finish("k", 1, "fit", result_of(0.1))
    (tmp_path / "results" / "index.json").write_text(text)
    with pytest.raises(wilks.CheckpointError, match="damaged; delete it"):
        folder.is_finished("k")


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    folder = RunFolder(tmp_path / "file" / "run")
    with pytest.raises(wilks.CheckpointError, match="cannot be made"):
        folder.create()
    with pytest.raises(wilks.CheckpointError, match="cannot be written"):
        folder.write_config("x")
