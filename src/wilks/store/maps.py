"""A profile map for other programs: a netCDF file, an archive of NumPy arrays, a table.

Everywhere parameters appear as their values: choices of a `Categorical` by name. Only in netCDF variables with gaps
a choice is a number with ``flag_values`` and ``flag_meanings``, since text there has no missing value.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wilks.core.cells import CellStatus
from wilks.core.parameter import Categorical, Grid, Integer, Real
from wilks.store.conventions import VERSION, flags, members, names_beside, set_attributes, variable_names
from wilks.store.files import written_whole
from wilks.store.hdf5 import hdf5_file
from wilks.store.tables import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from wilks.core.domain import Domain, Value
    from wilks.core.result import Provenance
    from wilks.core.space import Space
    from wilks.core.status import Status

_MISSING = -1
"""Number that stands for no choice in netCDF."""


class FinishedMap(Protocol):
    """What is written of a result of `wilks.profile`."""

    @property
    def space(self) -> Space: ...  # noqa: D102 - the attributes of `wilks.profiles.result.ProfileResult`
    @property
    def status(self) -> Status: ...  # noqa: D102
    @property
    def best(self) -> Mapping[str, Value]: ...  # noqa: D102
    @property
    def log_likelihood(self) -> float: ...  # noqa: D102
    @property
    def n_evaluations(self) -> int: ...  # noqa: D102
    @property
    def provenance(self) -> Provenance: ...  # noqa: D102
    @property
    def over(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def axes(self) -> Mapping[str, NDArray[np.float64]]: ...  # noqa: D102
    @property
    def log_likelihood_map(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def in_roi(self) -> NDArray[np.bool_]: ...  # noqa: D102
    @property
    def argmax(self) -> Mapping[str, NDArray[np.float64]]: ...  # noqa: D102
    @property
    def cell_status(self) -> NDArray[np.int8]: ...  # noqa: D102
    @property
    def roi_threshold(self) -> float: ...  # noqa: D102
    def summary(self) -> str: ...  # noqa: D102


def to_dataframe(result: FinishedMap) -> pd.DataFrame:
    """One row for each visited cell; see ``ProfileResult.to_dataframe``."""
    import pandas as pd

    visited = np.nonzero(result.cell_status != CellStatus.UNVISITED)
    parameters: dict[str, list[Any] | NDArray[Any]] = {}
    for name, index in zip(result.over, visited, strict=True):
        parameters[name] = _objects(_domain(result, name), result.axes[name][index])
    nuisances = {
        name: _objects(_domain(result, name), values[visited])
        for name, values in result.argmax.items()
        if name not in parameters
    }
    extras = {
        "log_likelihood": result.log_likelihood_map[visited],
        "in_roi": result.in_roi[visited],
        "status": [name_of(CellStatus, code) for code in result.cell_status[visited].tolist()],
    }
    taken = [*parameters, *nuisances]
    named = dict(zip(names_beside(taken, list(extras)), extras.values(), strict=True))
    first = next(iter(named))
    return pd.DataFrame(parameters | {first: named.pop(first)} | nuisances | named)


def _domain(result: FinishedMap, name: str) -> Domain | None:
    """Domain of a parameter; None for a quantity that is no parameter of the space."""
    return result.space[name] if name in result.space.free else None


def _objects(domain: Domain | None, thetas: NDArray[np.float64]) -> list[Any] | NDArray[Any]:
    """Values in the user's terms; None, or NaN among numbers, where there is none."""
    if isinstance(domain, Categorical):
        return [None if np.isnan(theta) else domain.decode(theta) for theta in thetas.tolist()]
    return values(domain, thetas)


def values(domain: Domain | None, thetas: NDArray[np.float64]) -> NDArray[Any]:
    """Values as an array of numbers or of text, never of objects; "" or NaN where there is none.

    Examples
    --------
    >>> values(Categorical(["red", "blue"]), np.array([1.0, 0.0])).tolist()
    ['blue', 'red']
    """
    if domain is None or isinstance(domain, (Real, Grid)):
        return thetas
    if isinstance(domain, Integer):
        return thetas if np.isnan(thetas).any() else np.rint(thetas).astype(np.int64)
    known = ~np.isnan(thetas)
    positions, choices = np.unique(thetas[known], return_inverse=True)
    decoded = [domain.decode(position) for position in positions.tolist()]
    if is_numeric(domain):
        numbers = np.full(thetas.shape, np.nan)
        numbers[known] = np.array(decoded, dtype=float)[choices]
        whole = known.all() and all(isinstance(value, int) for value in decoded)
        return numbers.astype(np.int64) if whole else numbers
    texts = np.array([str(value) for value in decoded], dtype=np.str_)
    found = np.full(thetas.shape, "", dtype=texts.dtype if len(texts) else np.dtype("<U1"))
    found[known] = texts[choices] if len(texts) else ""
    return found


def is_numeric(domain: Domain | None) -> bool:
    """Are the values numbers? True and False are none here."""
    if not isinstance(domain, Categorical):
        return domain is None or isinstance(domain, (Real, Grid, Integer))
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in domain.values)


def _facts(result: FinishedMap) -> dict[str, Any]:
    """What belongs to the whole map: names, units, the best point, and where it comes from."""
    origin = asdict(result.provenance)
    return {
        "problem": result.provenance.problem,
        "over": list(result.over),
        "log_likelihood": result.log_likelihood if np.isfinite(result.log_likelihood) else None,
        "roi_threshold": result.roi_threshold,
        "best": dict(result.best),
        "units": {name: result.space[name].unit for name in result.space.free if result.space[name].unit},
        "labels": {name: result.space[name].label for name in result.space.free if result.space[name].label},
        "n_evaluations": result.n_evaluations,
        "status": result.status.message,
        "summary": result.summary(),
        "provenance": origin,
    }


def write_npz(result: FinishedMap, path: str | Path) -> Path:
    """Write the map as arrays; see ``ProfileResult.to_npz``."""
    path = Path(path)
    arrays: dict[str, Any] = {
        "over": np.array(result.over, dtype=np.str_),
        "nuisances": np.array(list(result.argmax), dtype=np.str_),
        "log_likelihood": result.log_likelihood_map,
        "in_roi": result.in_roi,
        "cell_status": result.cell_status,
        "cell_status_values": np.array([int(status) for status in CellStatus], dtype=np.int8),
        "cell_status_meanings": np.array([status.name.lower() for status in CellStatus], dtype=np.str_),
        "maximum": np.array(result.log_likelihood),
        "roi_threshold": np.array(result.roi_threshold),
        "metadata": np.array(json.dumps(_facts(result), ensure_ascii=False)),
    }
    arrays |= {f"axis_{name}": values(_domain(result, name), nodes) for name, nodes in result.axes.items()}
    arrays |= {f"argmax_{name}": values(_domain(result, name), found) for name, found in result.argmax.items()}
    arrays |= {f"best_{name}": _plain(value) for name, value in result.best.items()}
    with written_whole(path, overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def _plain(value: Value) -> NDArray[Any]:
    """A value as an array of no dimension, text for what is neither a number nor True or False."""
    return np.array(value if isinstance(value, (bool, int, float)) else str(value))


def write_csv(result: FinishedMap, path: str | Path) -> Path:
    """Write the table of the visited cells as text with a header."""
    path = Path(path)
    with written_whole(path, overwrite=True) as temporary:
        to_dataframe(result).to_csv(temporary, index=False)
    return path


def write_netcdf(result: FinishedMap, path: str | Path) -> Path:
    """Write the map as a netCDF-4 file; see ``ProfileResult.to_netcdf``."""
    path = Path(path)
    nuisances = [name for name in result.argmax if name not in result.over]
    names = variable_names([*result.over, *nuisances])
    title, inside, ended = names_beside(names, ("log_likelihood", "in_roi", "cell_status"))
    # Creation order is what the netCDF library looks for.
    with written_whole(path, overwrite=True) as temporary, hdf5_file(temporary, "w", track_order=True) as file:
        set_attributes(file, **_global_attributes(result))
        scales = [_add_axis(file, variable, result, name) for variable, name in zip(names, result.over, strict=False)]
        notes: dict[str, Any] = {"long_name": "profile log-likelihood", "_FillValue": np.float64(np.nan)}
        _add(file, title, result.log_likelihood_map, scales, notes)
        notes = flags("in the region of interest", np.array([0, 1], dtype=np.int8), ("no", "yes")) | {"dtype": "bool"}
        _add(file, inside, result.in_roi.astype(np.int8), scales, notes)
        _add(file, ended, result.cell_status.astype(np.int8), scales, members("how the cell ended", CellStatus))
        for variable, name in zip(names[len(result.over) :], nuisances, strict=True):
            array, notes = _with_gaps(_domain(result, name), result.argmax[name])
            _add(file, variable, array, scales, _parameter(result, name) | notes)
    return path


def _global_attributes(result: FinishedMap) -> dict[str, Any]:
    facts = _facts(result)
    attributes: dict[str, Any] = {
        "Conventions": VERSION,
        "title": f"Profile log-likelihood of {facts['problem']} over {', '.join(facts['over'])}",
        "history": f"{result.provenance.started} wilks.profile",
    }
    for name in ("log_likelihood", "roi_threshold"):
        attributes[name] = np.float64(getattr(result, name))
    attributes["n_evaluations"] = np.int64(facts["n_evaluations"])
    attributes |= {name: facts[name] for name in ("problem", "status", "summary")}
    return attributes | {name: json.dumps(facts[name], ensure_ascii=False) for name in ("best", "provenance")}


def _parameter(result: FinishedMap, name: str) -> dict[str, Any]:
    """Attributes of a variable that holds a parameter."""
    domain = _domain(result, name)
    attributes: dict[str, Any] = {"long_name": (domain.label if domain else "") or name}
    if domain is not None and domain.unit:
        attributes["units"] = domain.unit
    if isinstance(domain, Real) and domain.scale == "log":
        attributes["scale"] = "log"
    if name in result.best:
        value = _plain(result.best[name])
        attributes["best"] = str(value) if value.dtype.kind in "Ub" else value[()]
    return attributes


def _with_gaps(domain: Domain | None, thetas: NDArray[np.float64]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Values of a nuisance parameter and the attributes that say how they are written."""
    if isinstance(domain, Categorical) and not is_numeric(domain):
        codes = np.arange(len(domain.values), dtype=np.int32)
        notes = flags("", codes, [str(value) for value in domain.values])
        del notes["long_name"]
        gaps = np.where(np.isnan(thetas), _MISSING, thetas).astype(np.int32)
        return gaps, notes | {"_FillValue": np.int32(_MISSING)}
    return values(domain, thetas).astype(float), {"_FillValue": np.float64(np.nan)}


def _add_axis(file: Any, variable: str, result: FinishedMap, name: str) -> Any:  # noqa: ANN401 - h5py has no types
    import h5py

    nodes = values(_domain(result, name), result.axes[name])
    if nodes.dtype.kind == "U":
        scale = file.create_dataset(variable, data=nodes.astype(object), dtype=h5py.string_dtype(), track_order=True)
    else:
        scale = file.create_dataset(variable, data=nodes, track_order=True)
    scale.make_scale(variable)
    set_attributes(scale, **_parameter(result, name))
    return scale


def _add(
    file: Any,  # noqa: ANN401 - h5py has no types
    variable: str,
    array: NDArray[Any],
    scales: Sequence[Any],
    attributes: Mapping[str, Any],
) -> None:
    dataset = file.create_dataset(variable, data=array, track_order=True)
    for axis, scale in enumerate(scales):
        dataset.dims[axis].attach_scale(scale)
    set_attributes(dataset, **attributes)
