"""Files of a result: ``samples.npz``, ``parameters.json``, ``diagnostics.json`` and ``fitted_data.npz``.

The keys are those of homodyne, so files of either package are read by the other. Numbers that could not be measured are
``null`` in JSON, and no file holds pickled objects. A file is written beside its place and renamed.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.facades.gfo.options import guess
from wilks.facades.homodyne.cmc.convergence import create_diagnostics_dict
from wilks.facades.homodyne.cmc.results import samples_dict_from_array
from wilks.facades.homodyne.cmc.stand_in import posterior_of_draws
from wilks.samplers.arviz import to_arviz

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from numpy.typing import ArrayLike

    from wilks.facades.homodyne.cmc.results import CMCResult

__all__ = [
    "load_samples_npz",
    "samples_to_arviz",
    "save_all_results",
    "save_diagnostics_json",
    "save_fitted_data_npz",
    "save_parameters_json",
    "save_samples_npz",
]

SCHEMA_VERSION = (1, 0)
_90_PERCENT = 1.6448536269514722
_KEYS = (
    "schema_version",
    "posterior_samples",
    "param_names",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "divergences",
    "analysis_mode",
    "n_phi",
    "n_chains",
    "n_samples",
)


def save_samples_npz(result: CMCResult, output_path: str | Path) -> None:
    """Write draws and diagnostics: the keys of the page, each an array."""
    arrays: dict[str, Any] = {
        "schema_version": np.array(SCHEMA_VERSION),
        "posterior_samples": result.get_samples_array(),
        "param_names": np.array(result.param_names),
        "divergences": np.array([result.divergences]),
        "analysis_mode": np.array([result.analysis_mode]),
        "n_phi": np.array([_n_phi(result)]),
        "n_chains": np.array([result.n_chains]),
        "n_samples": np.array([result.n_samples]),
    }
    for key in ("r_hat", "ess_bulk", "ess_tail"):
        arrays[key] = np.array([getattr(result, key).get(name, math.nan) for name in result.param_names])
    _write(_checked(output_path, ".npz"), lambda file: np.savez(file, **arrays))


def load_samples_npz(input_path: str | Path) -> dict[str, Any]:
    """Read what `save_samples_npz` wrote.

    Returns
    -------
    dict
        The keys of the page; names as a list, text and counts as such.

    Raises
    ------
    InvalidDataError
        A ValueError: the path is no npz file, leads out of where it says by ``..``, or the file lacks a key.
    FileNotFoundError
        If there is no such file.
    """
    path = _checked(input_path, ".npz")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; give the path of a samples.npz")
    if not path.is_file():
        raise InvalidDataError(f"{path}: expected a file, it is none")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in _KEYS if key not in file]
            if missing:
                raise InvalidDataError(f"{path}: no {', '.join(missing)}; expected a file of save_samples_npz")
            arrays = {key: file[key] for key in _KEYS}
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InvalidDataError):
            raise
        raise InvalidDataError(f"{path}: cannot be read as arrays: {error}") from error
    found: dict[str, Any] = dict(arrays)
    found["schema_version"] = tuple(arrays["schema_version"].tolist())
    found["param_names"] = arrays["param_names"].tolist()
    found["analysis_mode"] = str(arrays["analysis_mode"].ravel()[0])
    found |= {key: int(arrays[key].ravel()[0]) for key in ("n_phi", "n_chains", "n_samples")}
    return found


def samples_to_arviz(samples_data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an xarray.DataTree
    """The draws of a file as ArviZ knows them.

    Raises
    ------
    InvalidDataError
        If there are no draws in it.
    """
    for key in ("posterior_samples", "param_names"):
        if key not in samples_data:
            raise InvalidDataError(f"samples_data: no {key!r}; {guess(key, map(str, samples_data))}")
    samples = samples_dict_from_array(samples_data["posterior_samples"], list(samples_data["param_names"]))
    return to_arviz(posterior_of_draws(samples))


def save_fitted_data_npz(
    result: CMCResult,
    c2_exp: ArrayLike,
    c2_fitted: ArrayLike,
    c2_fitted_std: ArrayLike,
    t1: ArrayLike,
    t2: ArrayLike,
    phi_angles: ArrayLike,
    q: float,
    output_path: str | Path,
) -> None:
    """Write data, posterior mean and its 90 % band (of a normal distribution), residuals and coordinates."""
    measured, fitted, spread = (np.asarray(given, dtype=float) for given in (c2_exp, c2_fitted, c2_fitted_std))
    if measured.shape != fitted.shape or spread.shape != fitted.shape:
        raise InvalidDataError(
            f"c2_exp, c2_fitted, c2_fitted_std: expected the same shape, got {measured.shape}, {fitted.shape}, "
            f"{spread.shape}"
        )
    arrays: dict[str, Any] = {
        "c2_exp": measured,
        "c2_fitted": fitted,
        "residuals": measured - fitted,
        "c2_fitted_std": spread,
        "c2_fitted_5pct": fitted - _90_PERCENT * spread,
        "c2_fitted_95pct": fitted + _90_PERCENT * spread,
        "q": np.array([float(q)]),
        "phi_angles": np.asarray(phi_angles, dtype=float),
        "t1": np.asarray(t1, dtype=float),
        "t2": np.asarray(t2, dtype=float),
    }
    _write(_checked(output_path, ".npz"), lambda file: np.savez(file, **arrays))


def save_parameters_json(result: CMCResult, output_path: str | Path) -> None:
    """Write the statistics of every parameter."""
    _write_json(output_path, result.get_posterior_stats())


def save_diagnostics_json(result: CMCResult, output_path: str | Path, warnings: list[str] | None = None) -> None:
    """Write diagnostics, and under ``"certificate"`` every check that decided on the status."""
    found = create_diagnostics_dict(
        result.r_hat,
        result.ess_bulk,
        result.ess_tail,
        result.divergences,
        result.convergence_status,
        list(warnings or ([] if result.success else [result.message])),
        result.n_chains,
        result.n_warmup,
        result.n_samples,
        result.warmup_time,
        result.execution_time - result.warmup_time,
        result.num_shards,
    )
    checks = () if result.certificate is None else result.certificate.checks
    found["certificate"] = [
        {"name": check.name, "parameter": check.parameter, "value": check.value, "limit": check.limit, "ok": check.ok}
        for check in checks
    ]
    found["device_info"] = result.device_info
    _write_json(output_path, found)


def save_all_results(
    result: CMCResult,
    output_dir: str | Path,
    c2_exp: ArrayLike | None = None,
    c2_fitted: ArrayLike | None = None,
    c2_fitted_std: ArrayLike | None = None,
    t1: ArrayLike | None = None,
    t2: ArrayLike | None = None,
    phi_angles: ArrayLike | None = None,
    q: float | None = None,
) -> dict[str, Path]:
    """Write all files, that of the fitted data where all of them are given.

    Returns
    -------
    dict
        ``"samples"``, ``"parameters"``, ``"diagnostics"`` and ``"fitted_data"`` -> path.

    Raises
    ------
    InvalidDataError
        If only some of the fitted data are given.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "samples": folder / "samples.npz",
        "parameters": folder / "parameters.json",
        "diagnostics": folder / "diagnostics.json",
    }
    save_samples_npz(result, paths["samples"])
    save_parameters_json(result, paths["parameters"])
    save_diagnostics_json(result, paths["diagnostics"])
    fitted = {
        "c2_exp": c2_exp,
        "c2_fitted": c2_fitted,
        "c2_fitted_std": c2_fitted_std,
        "t1": t1,
        "t2": t2,
        "phi_angles": phi_angles,
        "q": q,
    }
    missing = [name for name, value in fitted.items() if value is None]
    if missing and len(missing) < len(fitted):
        raise InvalidDataError(f"save_all_results: {', '.join(missing)} missing; give all of the fitted data or none")
    if not missing:
        paths["fitted_data"] = folder / "fitted_data.npz"
        save_fitted_data_npz(result, output_path=paths["fitted_data"], **fitted)  # type: ignore[arg-type]  # none is None
    return paths


def _n_phi(result: CMCResult) -> int:
    return sum(name.startswith("contrast_") for name in result.param_names)


def _checked(path: str | Path, suffix: str) -> Path:
    """A path with the right ending that does not go up."""
    found = Path(path)
    if ".." in found.parts:
        raise InvalidDataError(f"{found}: the path leads up by '..'; give the path that is meant")
    if found.suffix != suffix:
        raise InvalidDataError(f"{found}: expected a file name that ends in {suffix}")
    return found


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            write(file)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _write_json(path: str | Path, content: object) -> None:
    text = json.dumps(_plain(content), indent=2, allow_nan=False)
    _write(_checked(path, ".json"), lambda file: file.write(text.encode()))


def _plain(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Plain data; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
