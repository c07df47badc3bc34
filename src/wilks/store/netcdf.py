"""A log as a netCDF-4 file of the classic model, written through HDF5.

Such a file is an HDF5 file that keeps to some rules: one dimension scale for the dimension, which every variable is
attached to, only the number types of classic netCDF, attributes as plain text or numbers, and a mark on the root.
Choices, phases, statuses and stages are numbers with the attributes ``flag_values`` and ``flag_meanings`` of the CF
conventions, where meanings are separated by blanks, so that a blank within one becomes an underscore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.proposal import EvaluationStatus, Phase
from wilks.store import tables
from wilks.store.conventions import VERSION, flags, members, set_attributes, unused, variable_names
from wilks.store.hdf5 import hdf5_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wilks.core.parameter import Domain
    from wilks.core.space import Space
    from wilks.store.log import EvaluationLog

_CHUNK_ROWS = 16_384
_COLUMNS = ("log_likelihoods", "phases", "statuses", "seconds", "workers", "stages")
_TYPES = ("<f8", "<i1", "<i1", "<f4", "<i4", "<i4")


def write(log: EvaluationLog, space: Space, path: Path) -> None:
    """Write all evaluations of a log."""
    n_rows = len(log)
    names = variable_names(tables.column_names(space.free))
    stages = log.stages()
    # Creation order is what the netCDF library looks for.
    with hdf5_file(path, "w", track_order=True) as file:
        set_attributes(
            file, _nc3_strict=np.int32(1), Conventions=VERSION, title=f"Evaluations of {log.header['problem']}"
        )
        dimension = file.create_dataset(unused("evaluation", names), (n_rows,), "<i4", track_order=True)
        dimension.make_scale(dimension.name.lstrip("/"))
        set_attributes(dimension, long_name="number of the evaluation, in the order of the log")
        variables = []
        for name, kind, attributes in _variables(space, names, [stage.title for stage in stages]):
            chunks = (min(_CHUNK_ROWS, n_rows),) if n_rows else None
            variable = file.create_dataset(name, (n_rows,), kind, chunks=chunks, track_order=True)
            variable.dims[0].attach_scale(dimension)
            set_attributes(variable, **attributes)
            variables.append(variable)
        start = 0
        for block in log.iter_batches():
            stop = min(start + len(block["stages"]), n_rows)  # a run that goes on may have grown meanwhile
            dimension[start:stop] = np.arange(start, stop)
            columns = [*block["thetas"].T, *(block[name] for name in _COLUMNS)]
            for variable, column in zip(variables, columns, strict=True):
                variable[start:stop] = column[: stop - start]
            start = stop


def _variables(space: Space, names: Sequence[str], titles: Sequence[str]) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Name, type and attributes of every variable."""
    for name, variable in zip(space.free, names, strict=False):
        yield variable, *_parameter(name, space[name])
    notes: tuple[dict[str, Any], ...] = (
        {"long_name": "natural logarithm of the likelihood, up to a constant"},
        members("part of the algorithm that asked", Phase),
        members("how the evaluation ended", EvaluationStatus),
        {"long_name": "time of the call", "units": "s"},
        {"long_name": "process that made the call"},
        flags("stage of the run", np.arange(len(titles), dtype=np.int32), titles),
    )
    yield from zip(names[space.dimension :], _TYPES, notes, strict=True)


def _parameter(name: str, domain: Domain) -> tuple[str, dict[str, Any]]:
    attributes: dict[str, Any] = {"long_name": domain.label or name}
    if domain.unit:
        attributes["units"] = domain.unit
    n_values = domain.n_values
    if n_values is not None and not isinstance(domain.decode(float(domain.from_unit(np.array(0.0)))), float):
        first, last = (float(domain.from_unit(np.array(end))) for end in (0.0, 1.0))
        small = first >= -(2**31) and last < 2**31
        if hasattr(domain, "values"):
            texts = [str(value) for value in domain.values]
            return "<i4", attributes | flags(name, np.arange(n_values, dtype=np.int32), texts)
        return "<i4" if small else "<f8", attributes
    return "<f8", attributes
