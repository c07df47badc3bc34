"""The posterior of an analysis: drawn from its fit, or taken from the folder, written and told."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import wilks
from wilks import xpcs
from wilks.core.status import Outcome
from wilks.xpcs import output_posterior

if TYPE_CHECKING:
    from pathlib import Path

    from wilks.cli.terminal import Terminal
    from wilks.xpcs.configuration import Configuration
    from wilks.xpcs.posterior.result import XpcsPosterior

TITLE = "posterior"
_NO_NETCDF = "posterior.nc is not written: it needs packages that are not here, pip install 'wilks[sample]'"


def draw(configuration: Configuration, fit: xpcs.XpcsFit, path: Path, quiet: dict[str, Any]) -> XpcsPosterior:
    """Draw the posterior that a configuration asks for.

    Parameters
    ----------
    configuration
        With a section `sample`.
    fit
        With its data.
    path
        Log of the draws until they are finished: with other priors it is another problem than that of the fit.
    quiet
        Keywords that silence progress.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; the log has what was made, and the next run goes on from there.
    WilksError
        If it cannot be drawn.
    """
    assert configuration.sample is not None  # noqa: S101 - the caller has looked
    with wilks.EvaluationLog(path) as log:
        found = xpcs.sample(fit, **configuration.sample.arguments(), log=log, seed=configuration.seed, **quiet)
    if found.status.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    return found


def with_fit(posterior: XpcsPosterior, fit: xpcs.XpcsFit) -> XpcsPosterior:
    """A posterior that was loaded, with the fit that has its data."""
    return replace(posterior, fit=fit)


def write(posterior: XpcsPosterior, folder: Path, formats: list[str], terminal: Terminal) -> None:
    """Write the posterior in the formats that were asked for: ``posterior.json``, ``.npz``, ``.nc``."""
    if "json" in formats:
        output_posterior.write_json(posterior, folder / "posterior.json")
    if "npz" in formats:
        output_posterior.write_npz(posterior, folder / "posterior.npz")
    if "hdf5" in formats:
        if all(importlib.util.find_spec(name) for name in ("arviz_base", "h5netcdf")):
            output_posterior.write_netcdf(posterior, folder / "posterior.nc")
        else:
            terminal.line(_NO_NETCDF)


def tell(posterior: XpcsPosterior, terminal: Terminal) -> None:
    """Print summary, certificate, comparison with the fit, and what should be known of it."""
    terminal.heading(f"{TITLE} by {posterior.method}, {posterior.noise} noise")
    if posterior.log_likelihoods.size:
        for table in (
            replace(posterior.summary(), title="Parameters", note=""),
            posterior.certificate.table(),
            posterior.compare_with_fit(),
        ):
            terminal.table(table)
            terminal.line()
    terminal.line(posterior.status.message)
    for remark in posterior.remarks:
        terminal.line(remark)
    terminal.line()
