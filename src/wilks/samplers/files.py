"""Draws of a posterior in files of other programs.

``csv`` and ``parquet`` have a row for each draw, with chain, draw, values, log-likelihood and log-prior. ``hdf5`` has
an array of shape (chain, draw) for each of these, choices as the number of their value, with units as attributes.
``netcdf`` is the tree that ArviZ reads, with `arviz.from_netcdf` or `xarray.open_datatree`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError, MissingDependencyError
from wilks.samplers.arviz import to_arviz
from wilks.store.conventions import flags, set_attributes, variable_names
from wilks.store.files import written_whole
from wilks.store.hdf5 import hdf5_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wilks.samplers.result import Posterior


def write_draws(posterior: Posterior, path: Path, format: str, *, overwrite: bool = False) -> Path:  # noqa: A002 - the word that the command line uses
    """Write the draws to a file, and return its path; it appears only when it is complete.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    path
        The file.
    format
        A key of `WRITERS`.
    overwrite
        Replace a file of that name.

    Raises
    ------
    InvalidConfigurationError
        If the format is unknown, or the file exists and `overwrite` is False.
    MissingDependencyError
        If the format needs a package that is not installed.
    CheckpointError
        If the file cannot be written.
    """
    if format not in WRITERS:
        raise InvalidConfigurationError(f"format: expected one of {', '.join(WRITERS)}, got {format!r}")
    with written_whole(path, overwrite=overwrite) as temporary:
        WRITERS[format](posterior, temporary)
    return path


def _write_csv(posterior: Posterior, path: Path) -> None:
    posterior.to_dataframe().to_csv(path, index=False)


def _write_parquet(posterior: Posterior, path: Path) -> None:
    try:
        import pyarrow  # noqa: F401, ICN001 - pandas needs it
    except ImportError:
        raise MissingDependencyError("parquet export", "pyarrow", "parquet") from None
    posterior.to_dataframe().to_parquet(path, index=False)


def _write_hdf5(posterior: Posterior, path: Path) -> None:
    columns = (*posterior.names, "log_likelihood", "log_prior")
    arrays = [*posterior.draws.values(), posterior.log_likelihoods, posterior.log_priors]
    with hdf5_file(path, "w", track_order=True) as file:
        set_attributes(
            file,
            title=f"Draws from the posterior of {posterior.provenance.problem}, shape (chain, draw)",
            method=posterior.method,
            certificate=posterior.certificate.message or "every check holds",
            wilks_version=posterior.provenance.versions.get("wilks", ""),
            seed=posterior.provenance.seed,
        )
        for column, name, values in zip(columns, variable_names(columns), arrays, strict=True):
            dataset = file.create_dataset(name, data=values, track_order=True)
            set_attributes(dataset, **_attributes(posterior, column))


def _attributes(posterior: Posterior, name: str) -> dict[str, object]:
    if name not in posterior.names:
        return {"long_name": f"natural logarithm of the {name.removeprefix('log_')}"}
    domain = posterior.space[name]
    found: dict[str, object] = {"long_name": domain.label or name}
    if domain.unit:
        found["units"] = domain.unit
    if hasattr(domain, "values"):
        texts = [str(value) for value in domain.values]
        found |= flags(name, np.arange(len(texts), dtype=np.int32), texts)
    return found


def _write_netcdf(posterior: Posterior, path: Path) -> None:
    tree = to_arviz(posterior)
    try:
        tree.to_netcdf(path, engine="h5netcdf")
    except ImportError:
        raise MissingDependencyError("netCDF export of draws", "h5netcdf", "sample") from None


WRITERS: dict[str, Callable[[Posterior, Path], None]] = {
    "csv": _write_csv,
    "hdf5": _write_hdf5,
    "parquet": _write_parquet,
    "netcdf": _write_netcdf,
}
"""Format -> writer."""
