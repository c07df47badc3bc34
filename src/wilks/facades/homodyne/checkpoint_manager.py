"""Checkpoints of a loop of one's own: one HDF5 file for each, with a checksum, and no pickle.

`wilks.EvaluationLog` keeps the evaluations of every verb of wilks, so that an interrupted fit goes on by itself.

A file holds the parameters, and two trees (state of the optimiser, metadata) as JSON in which arrays are references to
data sets. The checksum is SHA-256 of all of it, so a file that was cut off or changed is refused; a file is written
beside its final name and renamed, so a crash while it is written leaves the earlier ones whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.exceptions import NLSQCheckpointError
from wilks.store.hdf5 import hdf5_file

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CheckpointManager"]

_FORMAT = "wilks checkpoint 1"
_NAME = re.compile(r"homodyne_state_batch_(\d+)\.h5")
_TREES = ("optimizer_state", "metadata")
_ARRAY = "__array__"


class CheckpointManager:
    """Writes, finds, reads and removes checkpoints in a folder.

    Parameters
    ----------
    checkpoint_dir
        The folder; it is made if it does not exist.
    checkpoint_frequency
        A checkpoint is due every so many batches; `is_due` says when.
    keep_last_n
        Checkpoints that `cleanup_old_checkpoints` leaves.
    enable_compression
        Compress arrays.

    Examples
    --------
    >>> import tempfile
    >>> manager = CheckpointManager(tempfile.mkdtemp(), checkpoint_frequency=10)
    >>> path = manager.save_checkpoint(
    ...     batch_idx=10, parameters=np.array([0.3, 1.0]), optimizer_state={"iteration": 42}, loss=0.123
    ... )
    >>> data = manager.load_checkpoint(path)
    >>> data["batch_idx"], data["parameters"].tolist(), data["optimizer_state"]
    (10, [0.3, 1.0], {'iteration': 42})
    """

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        checkpoint_frequency: int = 10,
        keep_last_n: int = 3,
        enable_compression: bool = True,
    ) -> None:
        for name, value in (("checkpoint_frequency", checkpoint_frequency), ("keep_last_n", keep_last_n)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidConfigurationError(f"{name}: expected an integer >= 1, got {value!r}")
        self.checkpoint_dir = Path(checkpoint_dir)
        self.checkpoint_frequency, self.keep_last_n = checkpoint_frequency, keep_last_n
        self.enable_compression = bool(enable_compression)
        try:
            self.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NLSQCheckpointError(f"No folder for checkpoints: {error}", checkpoint_dir, "save", error) from error

    def is_due(self, batch_idx: int) -> bool:
        """Is it time for a checkpoint after this batch?"""
        return batch_idx % self.checkpoint_frequency == 0

    def save_checkpoint(
        self,
        batch_idx: int,
        parameters: ArrayLike,
        optimizer_state: Mapping[str, Any],
        loss: float,
        metadata: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a checkpoint; one of the same batch is replaced.

        Parameters
        ----------
        batch_idx
            Number of the batch, from 0.
        parameters, loss
            The point reached.
        optimizer_state, metadata
            Dictionaries of numbers, text, lists, dictionaries and arrays of numbers, nested as need be.

        Raises
        ------
        NLSQCheckpointError
            If the state holds something else, or the file cannot be written.
        """
        path = self.checkpoint_dir / f"homodyne_state_batch_{batch_idx:04d}.h5"
        arrays: list[NDArray[Any]] = [np.asarray(parameters, dtype=float)]
        texts = [
            json.dumps(_tree(name, given, arrays, path))
            for name, given in zip(_TREES, (dict(optimizer_state), dict(metadata or {})), strict=True)
        ]
        head = {"format": _FORMAT, "version": version("wilks"), "batch_idx": int(batch_idx), "loss": float(loss)}
        head |= {"timestamp": time.time(), **dict(zip(_TREES, texts, strict=True))}
        partial = path.with_suffix(".partial")
        try:
            with hdf5_file(partial, "w") as file:
                for key, value in head.items():
                    # Not an attribute: those have a limit of 64 kB.
                    file[key] = value
                for k, array in enumerate(arrays):
                    compressed = {"compression": "gzip"} if self.enable_compression and array.ndim else {}
                    file.create_dataset(f"arrays/{k}", data=array, **compressed)
                file["checksum"] = _checksum(head, arrays)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise NLSQCheckpointError(f"The checkpoint was not written: {error}", path, "save", error) from error
        return path

    def load_checkpoint(self, checkpoint_path: str | os.PathLike[str]) -> dict[str, Any]:
        """Read a checkpoint, and check that it is whole.

        Returns
        -------
        dict
            ``batch_idx``, ``parameters``, ``optimizer_state``, ``loss``, ``metadata``, ``version`` and ``timestamp``.

        Raises
        ------
        NLSQCheckpointError
            If the file is missing, no checkpoint, of another format, or its checksum is wrong.
        """
        import h5py

        path = Path(checkpoint_path)
        if not path.is_file():
            raise NLSQCheckpointError("There is no such checkpoint", path, "load")
        try:
            with h5py.File(path, "r") as file:
                head = {key: _scalar(file[key][()]) for key in file if key not in ("arrays", "checksum")}
                arrays = [file[f"arrays/{k}"][()] for k in range(len(file["arrays"]))]
                stored = _scalar(file["checksum"][()])
        except (OSError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise NLSQCheckpointError(f"The file is damaged, or no checkpoint: {error}", path, "load", error) from error
        if head.get("format") != _FORMAT:
            raise NLSQCheckpointError(
                f"Expected the format {_FORMAT!r}, got {head.get('format')!r}: use the version that wrote it",
                path,
                "load",
            )
        if stored != _checksum(head, arrays):
            raise NLSQCheckpointError("The checksum is wrong: the file was changed or damaged", path, "validate")
        trees = {name: _untree(json.loads(head.pop(name)), arrays) for name in _TREES}
        return {"batch_idx": head["batch_idx"], "parameters": arrays[0], "loss": head["loss"], **trees} | {
            key: head[key] for key in ("version", "timestamp")
        }

    def find_latest_checkpoint(self) -> Path | None:
        """The checkpoint of the last batch that can be read; None if there is none."""
        return next((path for path in self._newest_first() if self.validate_checkpoint(path)), None)

    def validate_checkpoint(self, checkpoint_path: str | os.PathLike[str]) -> bool:
        """Can it be read?"""
        try:
            self.load_checkpoint(checkpoint_path)
        except NLSQCheckpointError:
            return False
        return True

    def cleanup_old_checkpoints(self) -> list[Path]:
        """Remove all but the last `keep_last_n` checkpoints, and return what was removed."""
        old = self._newest_first()[self.keep_last_n :]
        for path in old:
            path.unlink(missing_ok=True)
        return old

    def _newest_first(self) -> list[Path]:
        found = {path: _NAME.fullmatch(path.name) for path in self.checkpoint_dir.iterdir()}
        numbered = [(int(match.group(1)), path) for path, match in found.items() if match]
        return [path for _, path in sorted(numbered, reverse=True)]


def _tree(where: str, value: Any, arrays: list[NDArray[Any]], path: Path) -> Any:  # noqa: ANN401 - a nested value
    """A nested value as JSON has it; arrays go to `arrays`."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return _tree(where, value.item(), arrays, path)
    if isinstance(value, Mapping) and all(isinstance(key, str) and key != _ARRAY for key in value):
        return {key: _tree(f"{where}[{key!r}]", each, arrays, path) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(f"{where}[{k}]", each, arrays, path) for k, each in enumerate(value)]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, np.generic):
        number = float(value)
        return number if math.isfinite(number) else _tree(where, np.asarray(number), arrays, path)
    raise NLSQCheckpointError(
        f"{where} is a {type(value).__name__}; a checkpoint holds numbers, text, lists, dictionaries with text as "
        "keys, and arrays of numbers: convert it",
        path,
        "save",
    )


def _untree(value: Any, arrays: list[NDArray[Any]]) -> Any:  # noqa: ANN401 - a nested value
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            found = arrays[value[_ARRAY]]
            return float(found) if np.ndim(found) == 0 and np.asarray(found).dtype.kind == "f" else found
        return {key: _untree(each, arrays) for key, each in value.items()}
    return [_untree(each, arrays) for each in value] if isinstance(value, list) else value


def _scalar(value: Any) -> Any:  # noqa: ANN401 - what h5py returns
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _checksum(head: Mapping[str, Any], arrays: list[NDArray[Any]]) -> str:
    """SHA-256 of everything: texts and numbers by name, arrays with their types and shapes."""
    digest = hashlib.sha256(json.dumps(sorted(head.items())).encode())
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
