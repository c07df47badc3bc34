"""A fit in files that other programs read: JSON for its numbers, NPZ and HDF5 with its matrices.

`wilks.xpcs.record` says what a file holds and under which names; this module says how it is written. Matrices are made
and written angle by angle, so that memory for one angle is enough. Files are complete or not there.
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from wilks.store.files import written_whole
from wilks.store.hdf5 import hdf5_file
from wilks.xpcs.record import FORMAT, UNITS, VERSION, record
from wilks.xpcs.summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wilks.xpcs.result import XpcsFit

__all__ = ["summary", "write_hdf5", "write_json", "write_npz", "write_record"]

_NUMBERS = 'null: not known; "inf" and "-inf": without limit'
_MATRICES = {
    "c2": "measured correlation; NaN where nothing was measured",
    "model": "fitted correlation",
    "residual": "(measured - fitted) / sigma; NaN on the diagonal and where the fit used nothing",
}
_NO_DATA = "The result was loaded without its data: c2 and residual are left out; result.with_data(data) has them."
_NO_MODEL = "The fit has no best point: there is no model, and no residual."
_SINGLE = np.dtype("<f4")  # seven digits: far more than any measured correlation has
_CHUNK_BYTES = 1 << 20
_STEP, _ROW = "  ", (dict, list)


def write_json(result: XpcsFit, path: str | Path) -> Path:
    """Write all numbers of a fit and what they mean, without matrices of pixels, and return the path.

    The file is valid JSON, which knows no NaN: ``null`` stands for a number that is not known (a standard error at a
    bound, an angle without data), the texts ``"inf"`` and ``"-inf"`` for one without limit (the standard error of a
    parameter that the data do not determine). ``np.array(list, dtype=float)`` reads all three.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    return write_record(record(result), Path(path))


def write_record(made: dict[str, Any], path: Path) -> Path:
    """Write a record, which is a tree of plain data with its format first, as `write_json` does."""
    head = {name: made.pop(name) for name in ("format", "format_version")}
    text = _json(head | {"numbers": _NUMBERS} | made) + "\n"
    with written_whole(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _json(value: Any, indent: str = "") -> str:  # noqa: ANN401 - any tree of plain data
    """JSON with one line for each number, text, or list of these: long columns stay readable."""
    inner = indent + _STEP
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_json(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, _ROW) for item in value):
        return "[\n" + ",\n".join(inner + _json(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(_without_nan(value), ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - a number, a text, or a list of these
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def write_npz(result: XpcsFit, path: str | Path) -> Path:
    """Write the arrays of a fit for ``numpy.load``, and return the path.

    Matrices are in single precision and not compressed; nothing needs ``allow_pickle``. Without the data of the fit,
    as on a result that was loaded from a file, ``c2`` and ``residual`` are left out, and ``notes`` says so.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    path = Path(path)
    with written_whole(path, overwrite=True) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in _arrays(result).items():
            with _member(archive, name) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
        n_t = len(result.t)
        head = {"descr": _SINGLE.str, "fortran_order": False, "shape": (len(result.phi), n_t, n_t)}
        for name, matrix in _matrices(result):
            with _member(archive, name) as file:
                np.lib.format.write_array_header_1_0(file, head)
                for angle in range(len(result.phi)):
                    file.write(_single(matrix(angle)).tobytes())
    return path


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A file of the archive, with a fixed date: the same result gives the same bytes."""
    return archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)


def _arrays(result: XpcsFit) -> dict[str, Any]:
    """Everything small; texts are arrays of fixed width."""
    made = record(result)
    values = [float(result.best.get(name, math.nan)) for name in result.names]  # type: ignore[arg-type]  # all are real
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "t": result.t,
        **{name: np.array(column) for name, column in made["angles"].items()},
        "q": result.q,
        "dt": result.dt,
        "gap": made["geometry"]["gap"],
        "names": np.array(result.names),
        "values": np.array(values),
        "standard_errors": np.array([result.standard_errors[name] for name in result.names]),
        "covariance": result.covariance,
        "fixed_names": np.array(list(result.space.constants), dtype=str),
        "fixed_values": np.array(list(result.space.constants.values()), dtype=float),
        "chi_squared": result.chi_squared,
        "dof": result.dof,
        "mode": result.mode,
        "quality": result.quality.flag,
        "convention": np.array([made["convention"][name] for name in _FACTORS], dtype=float),
        "convention_names": np.array(_FACTORS),
        "notes": np.array([*result.notes, *_left_out(result)], dtype=str),
    }


_FACTORS = ("diffusion_factor", "shear_argument", "shear_power")


def write_hdf5(result: XpcsFit, path: str | Path) -> Path:
    """Write a fit with its matrices as HDF5, and return the path.

    Groups have the names of the JSON file; single numbers and texts are attributes, columns are datasets, and what has
    a unit says so in the attribute ``units``. ``matrices`` holds ``c2``, ``model`` and ``residual`` of all angles in
    single precision. Without the data of the fit only the model is there, and ``notes`` says so.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    path = Path(path)
    made = record(result)
    made["notes"] += _left_out(result)
    with written_whole(path, overwrite=True) as temporary, hdf5_file(temporary, "w") as file:
        file.attrs["numbers"] = "NaN: not known; infinite: without limit"
        _fill(file, made)
        _column(file["geometry"], "t", result.t)
        _fill_matrices(file.create_group("matrices"), result)
    return path


def _fill(group: Any, made: dict[str, Any]) -> None:  # noqa: ANN401 - h5py has no types
    for name, value in made.items():
        if isinstance(value, dict):
            _fill(group.create_group(name), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            columns = {key: [row[key] for row in value] for key in value[0]}
            _fill(group.create_group(name), columns)
        elif isinstance(value, list) or name in UNITS:
            _column(group, name, value)
        elif value is not None:
            group.attrs[name] = value


def _column(group: Any, name: str, value: Any) -> None:  # noqa: ANN401 - h5py has no types
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if texts:
        import h5py

        dataset = group.create_dataset(name, data=value, shape=(len(value),), dtype=h5py.string_dtype())
    else:
        dataset = group.create_dataset(name, data=value)
    if name in UNITS:
        dataset.attrs["units"] = UNITS[name]


def _fill_matrices(group: Any, result: XpcsFit) -> None:  # noqa: ANN401 - h5py has no types
    n_phi, n_t = len(result.phi), len(result.t)
    rows = min(max(_CHUNK_BYTES // (n_t * _SINGLE.itemsize), 1), n_t)
    smooth = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    makers = dict(_matrices(result))
    for name in makers:  # noise hardly gets smaller, and takes its time
        packing = smooth if name == "model" else {}
        dataset = group.create_dataset(name, (n_phi, n_t, n_t), _SINGLE, chunks=(1, rows, n_t), **packing)
        dataset.attrs.update(units="1", description=_MATRICES[name], axes="angle, t, t")
    for angle in range(n_phi):
        for name, matrix in makers.items():
            group[name][angle] = _single(matrix(angle))


def _matrices(result: XpcsFit) -> Iterator[tuple[str, Callable[[int], NDArray[np.float64]]]]:
    """What there is to write, with what makes it for one angle."""
    if result.data is not None:
        yield "c2", result.data.matrix
    if result.has_best:
        yield "model", result.model
    if result.has_best and result.data is not None:
        yield "residual", result.residuals


def _left_out(result: XpcsFit) -> list[str]:
    return [*([] if result.data is not None else [_NO_DATA]), *([] if result.has_best else [_NO_MODEL])]


def _single(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(matrix, dtype=_SINGLE)
