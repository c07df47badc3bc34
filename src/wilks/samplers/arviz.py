"""A posterior as ArviZ knows one: an xarray tree with a group for each kind of quantity.

The groups are those of the ArviZ schema, https://python.arviz.org/en/stable/schema/schema.html:

* ``posterior``: the draws, and what was derived from each;
* ``sample_stats``: what the sampler recorded of every draw, and the log-density ``lp``;
* ``log_likelihood``: of all data together, which is what ``arviz_stats.psense`` scales. The contribution of every datum
  is not known here, so cross-validation (``loo``) has nothing to work on;
* ``log_prior``: of every parameter; ``prior``: draws from it;
* ``constant_data``: the constants of the problem.

A choice is the number of its value, with ``flag_values`` and ``flag_meanings`` as in the CF conventions. Attributes are
text and plain numbers, so that the tree goes into a netCDF file (``tree.to_netcdf(path, engine="h5netcdf")``).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import MissingDependencyError
from wilks.core.parameter import Categorical, Integer
from wilks.core.random import keyed_generator
from wilks.core.versions import installed_version
from wilks.store.conventions import flags, unused, variable_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from wilks.samplers.result import Posterior

    Array = NDArray[Any]

_DIMENSIONS = ("chain", "draw")
_N_PRIOR = 1000
_KEY = 61
_COUNTS = ("tree_depth", "n_steps")


def to_arviz(posterior: Posterior) -> Any:  # noqa: ANN401 - an xarray.DataTree, which is an optional package
    """Return the draws as the tree that ArviZ and xarray work on.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.

    Returns
    -------
    xarray.DataTree
        Names with a slash have an underscore there, as have names that are those of dimensions at their end.

    Raises
    ------
    MissingDependencyError
        If arviz-base is not installed.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    >>> tree = to_arviz(wilks.sample(problem, n_draws=500, seed=1))
    >>> sorted(tree.children)
    ['log_likelihood', 'log_prior', 'posterior', 'prior', 'sample_stats']
    >>> tree["posterior"]["a"].dims
    ('chain', 'draw')
    """
    try:
        import arviz_base
    except ImportError:
        raise MissingDependencyError("an ArviZ tree of a posterior", "arviz-base", "sample") from None
    names = _variables([*posterior.names, *posterior.derived])
    prior = posterior.space.draw(keyed_generator(posterior.provenance.seed, _KEY), _N_PRIOR)
    groups: dict[str, dict[str, Array]] = {
        "posterior": {names[name]: _typed(posterior, name, draws) for name, draws in posterior.draws.items()}
        | {names[name]: np.asarray(values) for name, values in posterior.derived.items()},
        "sample_stats": _sample_stats(posterior),
        "log_likelihood": {"all_data": posterior.log_likelihoods},
        "log_prior": {names[name]: posterior.space[name].log_prior(posterior.draws[name]) for name in posterior.names},
        "prior": {
            names[name]: _typed(posterior, name, prior[:, posterior.space.index(name)][None])
            for name in posterior.names
        },
    }
    constants = posterior.space.constants
    if constants:
        of_constants = _variables(constants)
        groups["constant_data"] = {
            of_constants[name]: np.asarray("None" if value is None else value) for name, value in constants.items()
        }
    dims = {
        names[name]: [f"{names[name]}_dim_{i}" for i in range(values.ndim - len(_DIMENSIONS))]
        for name, values in posterior.derived.items()
    }
    common = {
        "inference_library": "wilks",
        "inference_library_version": installed_version("wilks"),
        "created_at": posterior.provenance.started,
    }
    attributes: dict[str, dict[str, Any]] = {group: dict(common) for group in groups}
    tree = arviz_base.from_dict(groups, dims=dims, attrs=attributes | {"/": common | _record(posterior)})
    for group in ("posterior", "prior"):
        for name in posterior.names:
            tree[group][names[name]].attrs.update(_attributes(posterior, name))
    return tree


def _variables(names: Iterable[str]) -> dict[str, str]:
    """Name -> name of its variable, which must not be that of a dimension."""
    names = list(names)
    return dict(zip(names, variable_names([unused(name, _DIMENSIONS) for name in names]), strict=True))


def _typed(posterior: Posterior, name: str, draws: NDArray[np.float64]) -> Array:
    """Draws as what they are: choices and counts are whole numbers."""
    if isinstance(posterior.space[name], (Integer, Categorical)):
        return np.rint(draws).astype(np.int64)
    return draws


def _sample_stats(posterior: Posterior) -> dict[str, Array]:
    found: dict[str, Array] = {"lp": posterior.log_likelihoods + posterior.log_priors}
    for name, values in posterior.sampling.items():
        if name == "diverging":
            found[name] = np.asarray(values) != 0
        else:
            found[name] = np.rint(values).astype(np.int64) if name in _COUNTS else np.asarray(values)
    return found


def _attributes(posterior: Posterior, name: str) -> dict[str, Any]:
    domain = posterior.space[name]
    title = domain.label or name
    found: dict[str, Any] = {"long_name": title}
    if isinstance(domain, Categorical):
        found = flags(title, np.arange(len(domain.values)), [str(value) for value in domain.values])
    return found | ({"units": domain.unit} if domain.unit else {})


def _record(posterior: Posterior) -> dict[str, Any]:
    """Where the draws come from and what was measured of them; lists as JSON."""
    provenance, certificate = posterior.provenance, posterior.certificate
    return {
        "method": posterior.method,
        "status": posterior.status.message,
        "seed": str(provenance.seed),  # it may be larger than any number of a netCDF file
        "problem": provenance.problem,
        "fingerprint": provenance.fingerprint,
        "executor": provenance.executor,
        "sampling_time": provenance.seconds,
        "n_evaluations": posterior.n_evaluations,
        "log_evidence": posterior.log_evidence,
        "log_evidence_error": posterior.log_evidence_error,
        "certificate_ok": int(certificate.ok),
        "certificate": json.dumps([asdict(check) for check in certificate.checks]),
        "versions": json.dumps(provenance.versions),
        "executed": json.dumps([asdict(step) for step in provenance.executed]),
    }
