"""Checkpoints: HDF5 with a checksum, and no pickle."""

import os

import h5py
import numpy as np
import pytest

import wilks
from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.checkpoint_manager import CheckpointManager
from wilks.facades.homodyne.exceptions import NLSQCheckpointError

STATE = {
    "iteration": 42,
    "step": np.float64(0.5),
    "damping": np.inf,
    "hessian": np.arange(6.0).reshape(2, 3),
    "counts": np.array([1, 2], dtype=np.int32),
    "nested": {"flags": [True, None, "text"], "empty": np.empty(0)},
}


def test_example_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = np.array([0.3, 1.0])
    manager = CheckpointManager("./checkpoints", checkpoint_frequency=10)
    # Save checkpoint
    path = manager.save_checkpoint(
        batch_idx=10,
        parameters=params,
        optimizer_state={"iteration": 42},
        loss=0.123,
    )
    # Load checkpoint
    data = manager.load_checkpoint(path)
    params = data["parameters"]
    batch_idx = data["batch_idx"]

    assert path.name == "homodyne_state_batch_0010.h5"
    assert (batch_idx, params.tolist(), data["loss"]) == (10, [0.3, 1.0], 0.123)
    assert data["optimizer_state"] == {"iteration": 42}
    assert data["metadata"] == {}
    assert data["version"] == wilks.__version__
    assert data["timestamp"] == pytest.approx(path.stat().st_mtime, abs=60)


@pytest.mark.parametrize("compress", [True, False])
def test_a_nested_state_comes_back_as_it_was(tmp_path, compress):
    manager = CheckpointManager(tmp_path, enable_compression=compress)
    found = manager.load_checkpoint(manager.save_checkpoint(1, [1, 2], STATE, np.float64(3), {"note": "äÅ" * 50_000}))
    state = found["optimizer_state"]
    assert found["metadata"]["note"] == "äÅ" * 50_000
    assert (state["iteration"], state["step"], state["damping"]) == (42, 0.5, np.inf)
    np.testing.assert_array_equal(state["hessian"], STATE["hessian"])
    assert state["counts"].dtype == np.int32
    assert state["nested"]["flags"] == [True, None, "text"]
    assert state["nested"]["empty"].shape == (0,)
    assert isinstance(found["loss"], float)


def test_nan_survives(tmp_path):
    manager = CheckpointManager(tmp_path)
    found = manager.load_checkpoint(manager.save_checkpoint(0, [np.nan], {"a": float("nan")}, float("nan")))
    assert np.isnan([found["parameters"][0], found["optimizer_state"]["a"], found["loss"]]).all()


def test_latest_and_cleanup_go_by_the_number_of_the_batch(tmp_path):
    manager = CheckpointManager(tmp_path, keep_last_n=2)
    assert manager.find_latest_checkpoint() is None
    paths = {k: manager.save_checkpoint(k, [k], {}, 0.0) for k in (20, 10_000, 9, 9999)}
    (tmp_path / "notes.txt").write_text("not mine")
    assert manager.find_latest_checkpoint() == paths[10_000]
    paths[10_000].write_bytes(b"cut off")
    assert manager.find_latest_checkpoint() == paths[9999]
    assert manager.cleanup_old_checkpoints() == [paths[20], paths[9]]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "homodyne_state_batch_10000.h5",
        "homodyne_state_batch_9999.h5",
        "notes.txt",
    ]


def test_the_same_batch_is_replaced_and_nothing_is_left_behind(tmp_path):
    manager = CheckpointManager(tmp_path)
    manager.save_checkpoint(1, [1], {}, 0.0)
    path = manager.save_checkpoint(1, [2], {}, 0.0)
    assert manager.load_checkpoint(path)["parameters"].tolist() == [2.0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["arrays/0"].write_direct(np.array([9.0])),
        lambda file: file["loss"].write_direct(np.array(9.0)),
        lambda file: file["batch_idx"].write_direct(np.array(9)),
        lambda file: file["checksum"].write_direct(np.array(b"0" * 64, dtype=object)),
        lambda file: file["arrays"].pop("1"),
    ],
)
def test_a_changed_file_is_refused(tmp_path, change):
    manager = CheckpointManager(tmp_path, enable_compression=False)
    path = manager.save_checkpoint(1, [1.0], {"a": np.ones(2)}, 0.5)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(NLSQCheckpointError, match=r"checksum is wrong|damaged") as caught:
        manager.load_checkpoint(path)
    assert caught.value.operation in ("load", "validate")
    assert not manager.validate_checkpoint(path)


def test_other_files_are_refused(tmp_path):
    manager, path = CheckpointManager(tmp_path), tmp_path / "homodyne_state_batch_0001.h5"
    with pytest.raises(NLSQCheckpointError, match="no such checkpoint"):
        manager.load_checkpoint(path)
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(NLSQCheckpointError, match="damaged, or no checkpoint"):
            manager.load_checkpoint(path)
    with h5py.File(path, "w") as file:
        file["format"] = "wilks checkpoint 2"
        file["checksum"] = "0"
        file.create_group("arrays")
    with pytest.raises(NLSQCheckpointError, match="Expected the format 'wilks checkpoint 1'"):
        manager.load_checkpoint(path)


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array(["a"]), 1j, {"__array__": 0}, {"f": len}])
def test_what_cannot_be_held_is_said_before_anything_is_written(tmp_path, value):
    with pytest.raises(NLSQCheckpointError, match=r"optimizer_state\['x'\].*convert it") as caught:
        CheckpointManager(tmp_path).save_checkpoint(1, [1.0], {"x": value}, 0.0)
    assert caught.value.operation == "save"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NLSQCheckpointError, match="No folder"):
        CheckpointManager(tmp_path / "file" / "below")
    manager = CheckpointManager(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")  # noqa: PTH106 - the folder goes away behind its back
    with pytest.raises(NLSQCheckpointError, match="not written") as caught:
        manager.save_checkpoint(1, [1.0], {}, 0.0)
    assert isinstance(caught.value.io_error, OSError)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    taken = tmp_path / "homodyne_state_batch_0001.h5"
    taken.mkdir()
    with pytest.raises(NLSQCheckpointError, match="not written"):
        CheckpointManager(tmp_path).save_checkpoint(1, [1.0], {}, 0.0)
    assert list(tmp_path.iterdir()) == [taken]


def test_frequency_and_wrong_options(tmp_path):
    manager = CheckpointManager(tmp_path, checkpoint_frequency=10)
    assert [k for k in range(25) if manager.is_due(k)] == [0, 10, 20]
    for wrong in ({"checkpoint_frequency": 0}, {"keep_last_n": 0}):
        with pytest.raises(InvalidConfigurationError, match="expected an integer >= 1, got 0"):
            CheckpointManager(tmp_path, **wrong)
