"""Keys of the section ``optimization.cmc``, and which field of `CMCConfig` each of them sets.

The page shows some options in two places (``sharding.backend`` and ``backend_config.name``, for example), and flat
fields: all of its spellings are read. A key that is none of them is an error that says what was meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from wilks.core.errors import InvalidConfigurationError

_PLACE = "optimization.cmc"


def _under(section: str, names: str) -> dict[str, str]:
    return {f"{section}.{name}" if section else name: name for name in names.split()}


KEYS: dict[str, str] = {
    **_under("", "enable min_points_for_cmc per_angle_mode constant_scaling_threshold run_id seed prior_tempering"),
    "sharding.strategy": "sharding_strategy",
    **_under(
        "sharding", "num_shards max_points_per_shard min_points_per_shard min_points_per_param min_angle_coverage"
    ),
    "backend_config.name": "backend_name",
    **_under("backend_config", "enable_checkpoints checkpoint_dir"),
    **_under(
        "per_shard_mcmc",
        "num_warmup num_samples num_chains chain_method target_accept_prob dense_mass adaptive_sampling "
        "max_tree_depth min_warmup min_samples enable_jax_profiling jax_profile_dir",
    ),
    **_under(
        "validation",
        "max_r_hat min_ess max_divergence_rate max_parameter_cv heterogeneity_abort require_nlsq_warmstart "
        "use_nlsq_informed_priors nlsq_prior_width_factor",
    ),
    "combination.method": "combination_method",
    **_under("combination", "min_success_rate min_success_rate_warning"),
    **_under("execution", "per_shard_timeout heartbeat_timeout early_abort_threshold"),
    "reparameterization.enable_d_total": "reparameterization_d_total",
    "reparameterization.enable_log_gamma": "reparameterization_log_gamma",
    **_under("reparameterization", "bimodal_min_weight bimodal_min_separation"),
}
"""Dotted key -> field."""

_AT_THE_TOP = {name: key for key, name in KEYS.items()}
ALIASES: dict[str, str] = {
    **{name: key for name, key in _AT_THE_TOP.items() if name != key},
    "sharding.backend": "backend_config.name",
    "backend": "backend_config.name",
    **{f"backend.{name}": f"backend_config.{name}" for name in ("name", "enable_checkpoints", "checkpoint_dir")},
    **{f"sampler.{key.split('.')[1]}": key for key in KEYS if key.startswith("per_shard_mcmc.")},
    "validation.max_per_shard_rhat": "validation.max_r_hat",
    "validation.min_per_shard_ess": "validation.min_ess",
}
"""Other spellings of a key; every field may also stand at the top."""

SECTIONS = frozenset(key.split(".")[0] for key in (*KEYS, *ALIASES) if "." in key)
"""Keys whose value may be a mapping."""


def flattened(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Fields and values of a nested mapping.

    Raises
    ------
    InvalidConfigurationError
        If a key is unknown, or a section is no mapping.

    Examples
    --------
    >>> dict(flattened({"per_shard_mcmc": {"num_warmup": 200}, "seed": 1}))
    {'num_warmup': 200, 'seed': 1}
    """
    if not isinstance(section, Mapping):
        raise InvalidConfigurationError(f"{_PLACE}: expected a mapping, got {section!r:.80}")
    for key, value in section.items():
        name = f"{above}{key}"
        if not above and name in SECTIONS and (isinstance(value, Mapping) or name not in ALIASES):
            if value is not None:
                yield from flattened(_mapping(name, value), f"{name}.")
        elif ALIASES.get(name, name) in KEYS:
            yield KEYS[ALIASES.get(name, name)], value
        else:
            raise InvalidConfigurationError(f"{_PLACE}: unknown key {name!r}{_hint(name)}")


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested mapping of fields, with the keys of the page.

    Examples
    --------
    >>> nested({"num_warmup": 200, "seed": 1})
    {'per_shard_mcmc': {'num_warmup': 200}, 'seed': 1}
    """
    found: dict[str, Any] = {}
    for name, value in flat.items():
        section, _, last = _AT_THE_TOP[name].rpartition(".")
        (found.setdefault(section, {}) if section else found)[last] = value
    return found


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidConfigurationError(f"{_PLACE}.{name}: expected a mapping, got {value!r:.80}")
    return value


def _hint(name: str) -> str:
    known = sorted({*KEYS, *ALIASES, *SECTIONS})
    near = difflib.get_close_matches(name, known, 1) or difflib.get_close_matches(
        name.rsplit(".", maxsplit=1)[-1], known, 1
    )
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(KEYS))}"
