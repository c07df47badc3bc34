"""Sample files, phases and messages under the names of paraprof."""

import logging

import numpy as np
import pytest

from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.core.proposal import Phase
from wilks.facades import (
    PHASE_LEGEND,
    PHASE_SCAN,
    PHASE_UNKNOWN,
    PHASE_VOLUME,
    ConfigurationError,
    combine_samples,
    create_sample_writer,
    get_logger,
    iter_sample_batches,
    paraprof,
    phase_for_job_type,
    read_samples,
    set_log_level,
    setup_logger,
    write_samples,
)
from wilks.facades.paraprof import logger as logger_module

ROWS = np.array([[0.5, -1.25, -3.0, 1.0], [1e-300, 2.0, -np.inf, 0.0], [-0.0, 3.0, 0.25, 4.0]])


@pytest.mark.parametrize("name", ["s.csv", "s.h5", "s.hdf5", "s.he5"])
def test_one_shot_round_trip(tmp_path, name):
    assert write_samples(ROWS, tmp_path / name) == 3
    np.testing.assert_allclose(read_samples(tmp_path / name), ROWS, rtol=1e-10)


def test_a_file_is_not_overwritten_by_accident(tmp_path):
    path = str(tmp_path / "s.csv")
    write_samples(ROWS, path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_samples(ROWS[:1], path)
    assert len(read_samples(path)) == 3
    assert write_samples(ROWS[:1], path, overwrite=True) == 1
    assert len(read_samples(path)) == 1


@pytest.mark.parametrize("name", ["s.csv", "s.h5"])
def test_batches_are_appended(tmp_path, name):
    path = tmp_path / "new folder" / name
    with create_sample_writer(path) as writer:
        assert not path.exists()
        writer.write_batch(ROWS[:2])
        assert len(read_samples(path)) == 2
        writer.write_batch(ROWS[2])
        writer.write_batch(np.empty((0, 4)))
        writer.flush()
    with create_sample_writer(path) as writer:
        writer.write_batch(ROWS)
    assert len(read_samples(path)) == 6
    assert [len(batch) for batch in iter_sample_batches(path, chunk_size=4)] == [4, 2]
    with pytest.raises(ConfigurationError, match="closed"):
        writer.write_batch(ROWS)


def test_rows_of_another_problem_are_not_appended(tmp_path):
    write_samples(ROWS, tmp_path / "s.csv")
    with create_sample_writer(tmp_path / "s.csv") as writer, pytest.raises(InvalidDataError, match="4 columns"):
        writer.write_batch(ROWS[:, 1:])


def test_files_are_combined_over_formats(tmp_path):
    write_samples(ROWS, tmp_path / "a.csv")
    write_samples(ROWS[:1], tmp_path / "b.h5")
    out = tmp_path / "all.h5"
    assert combine_samples([tmp_path / "a.csv", str(tmp_path / "b.h5")], out) == 4
    np.testing.assert_allclose(read_samples(out), np.vstack([ROWS, ROWS[:1]]), rtol=1e-10)
    with pytest.raises(FileExistsError):
        combine_samples([tmp_path / "a.csv"], out)
    assert combine_samples([tmp_path / "a.csv"], out, overwrite=True) == 3
    with pytest.raises(InvalidConfigurationError, match="is one of the files to read"):
        combine_samples([tmp_path / "a.csv", out], out)


@pytest.mark.parametrize("use", [read_samples, iter_sample_batches, create_sample_writer])
def test_unknown_extension(tmp_path, use):
    with pytest.raises(ConfigurationError, match=r"ends in one of \.csv"):
        use(tmp_path / "s.xlsx")


def test_format_must_be_that_of_the_extension(tmp_path):
    assert write_samples(ROWS, tmp_path / "s.csv", fmt="csv") == 3
    with pytest.raises(ConfigurationError, match="the extension stands for the format 'csv', got fmt='hdf5'"):
        read_samples(tmp_path / "s.csv", fmt="hdf5")


def test_submodule_of_the_page():
    assert paraprof.sample_io.iter_sample_batches is iter_sample_batches
    assert paraprof.sample_io.infer_format("x.he5") == "hdf5"


def test_phases_are_those_of_paraprof():
    names = ("INITIAL", "SCAN", "REFINE", "SUSPECT", "VOLUME", "UNKNOWN")
    assert [getattr(paraprof, f"PHASE_{name}") for name in names] == [0, 1, 2, 3, 4, -1]
    assert set(PHASE_LEGEND) == {int(phase) for phase in Phase if phase not in (Phase.SEARCH, Phase.SAMPLE)}
    assert phase_for_job_type("ACTIVATE_GRID_POINT") == PHASE_SCAN
    assert phase_for_job_type("VOLUME") == PHASE_VOLUME
    assert phase_for_job_type("something else") == PHASE_UNKNOWN


@pytest.fixture
def fresh_logger(monkeypatch):
    monkeypatch.setattr(logger_module, "_chosen", {})
    name = "paraprof.test"
    yield name
    for handler in list(logging.getLogger(name).handlers):
        logging.getLogger(name).removeHandler(handler)
        handler.close()


def test_messages_carry_the_rank(fresh_logger, tmp_path, capsys):
    logger = setup_logger(fresh_logger, rank=2, log_file=str(tmp_path / "log.txt"))
    logger.info("hello")
    logger.debug("too much")
    assert capsys.readouterr().err == "[Rank 2] INFO - hello\n"
    assert (tmp_path / "log.txt").read_text() == "[Rank 2] INFO - hello\n"


def test_a_second_set_up_replaces_the_first(fresh_logger, capsys):
    setup_logger(fresh_logger, rank=1)
    setup_logger(fresh_logger, rank=3).warning("once")
    assert capsys.readouterr().err == "[Rank 3] WARNING - once\n"


def test_level_outlives_a_set_up(fresh_logger, capsys):
    set_log_level("warning", fresh_logger)
    get_logger(fresh_logger).info("not shown")
    setup_logger(fresh_logger).info("not shown either")
    setup_logger(fresh_logger, level=logging.INFO).info("shown")
    assert capsys.readouterr().err == "[Rank 0] INFO - shown\n"


@pytest.mark.parametrize("level", ["LOUD", None, 1.5, True])
def test_unknown_level(fresh_logger, level):
    with pytest.raises(ConfigurationError, match="level: got"):
        set_log_level(level, fresh_logger)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        create_sample_writer(tmp_path / "file" / "s.csv") as writer,
        pytest.raises((CheckpointError, InvalidDataError)),
    ):
        writer.write_batch(ROWS)
