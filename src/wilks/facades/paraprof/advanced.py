"""The options of `advanced_config` and `volume_sampling`: their defaults, what they may be, and what becomes of them.

An option that steers a part which the method of wilks does not have is checked like any other; asking for something
else than its default is said in a warning, so that nothing is ignored in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wilks.facades.gfo.options import guess
from wilks.facades.paraprof import checks
from wilks.facades.paraprof.exceptions import ConfigurationError

if TYPE_CHECKING:
    from wilks.facades.paraprof.checks import Check


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    default
        Its value in paraprof when it is not given.
    check
        Returns a value that can be used, or raises.
    has_effect
        Does it steer anything in wilks?
    """

    default: Any
    check: Check
    has_effect: bool = False


_SEVERAL = checks.whole(1)
_POSITIVE = checks.real(above=0.0)
_SHARE = checks.real(0.0, most=1.0)

ADVANCED: dict[str, Option] = {
    "memory_size": Option(None, checks.optional(_SEVERAL)),
    "convergence_threshold": Option(1e-6, _POSITIVE, has_effect=True),
    "de.convergence_window": Option(3, _SEVERAL),
    "de.allow_early_DE_exit": Option(True, checks.flag, has_effect=True),
    "de.num_generations": Option(100_000, _SEVERAL),
    "de.max_num_to_evolve": Option(None, checks.optional(_SEVERAL)),
    "lbfgsb.ftol": Option(1e-9, checks.real(0.0)),
    "lbfgsb.gradient_method": Option("forward", checks.one_of("forward", "central")),
    "clustering.method": Option("dbscan", checks.one_of("dbscan", "hierarchical", "kmeans")),
    "clustering.eps": Option(None, checks.optional(_POSITIVE)),
    "clustering.min_samples": Option(None, checks.optional(_SEVERAL)),
    "clustering.eps_multiplier": Option(3.0, _POSITIVE),
    "clustering.projection_weight": Option(1.0, checks.real(0.0)),
    "cross_projection.proximity_warm_start": Option(True, checks.flag),
    "cross_projection.pool_seeded_initial_maxima": Option(True, checks.flag, has_effect=True),
    "suspect_recheck.enabled": Option(True, checks.flag),
    "suspect_recheck.max_waves": Option(10, checks.whole(0)),
    "suspect_recheck.param_k": Option(3.0, _POSITIVE),
    "suspect_recheck.max_fraction": Option(0.25, _SHARE),
    "suspect_recheck.seeds_k_ring": Option(3, checks.whole(0)),
    "suspect_recheck.seeds_from_pool": Option(3, checks.whole(0)),
    "suspect_recheck.polish_threshold": Option(1e-3, checks.real(0.0)),
    "basin_detection.batch_size": Option(None, checks.optional(_SEVERAL)),
    "basin_detection.undiscovered_threshold": Option(0.5, checks.real(0.0)),
    "basin_detection.min_starts": Option(None, checks.optional(checks.whole(0))),
}
"""Section and name, with a dot between them -> option."""

VOLUME: dict[str, Option] = {
    "n_walkers": Option(1000, checks.whole(1), has_effect=True),
    "n_steps": Option(30, checks.whole(1), has_effect=True),
    "eval_budget": Option(None, checks.optional(_SEVERAL), has_effect=True),
    "sigma_frac": Option(0.1, checks.real(above=0.0, most=1.0), has_effect=True),
    "roi_threshold": Option(None, checks.optional(_POSITIVE), has_effect=True),
    "partner_level_window": Option(None, checks.optional(_POSITIVE), has_effect=True),
    "warm_start": Option(True, checks.flag, has_effect=True),
    "output_file": Option("volume_samples.csv", checks.sample_file, has_effect=True),
    "summary_file": Option(None, checks.optional(checks.path), has_effect=True),
}
"""Name -> option of the volume-sampling stage."""

_SECTIONS = tuple(dict.fromkeys(name.partition(".")[0] for name in ADVANCED if "." in name))


def read_advanced(given: Any) -> dict[str, Any]:  # noqa: ANN401 - checked here
    """Check `advanced_config`, and return what was given under the names of `ADVANCED`.

    Raises
    ------
    ConfigurationError
        If an option does not exist or its value cannot be used.
    """
    found: dict[str, Any] = {}
    for key, value in checks.dictionary("advanced_config", {} if given is None else given).items():
        if key in _SECTIONS:
            section = checks.dictionary(f"advanced_config[{key!r}]", value)
            for name, entry in section.items():
                found[_known(f"{key}.{name}", str(name), f"advanced_config[{key!r}]")] = entry
        else:
            found[_known(str(key), str(key), "advanced_config")] = value
    return {name: ADVANCED[name].check(f"advanced_config: {name}", value) for name, value in found.items()}


def _known(full_name: str, name: str, where: str) -> str:
    """The name of an option, if there is one; else say where the one of that name belongs."""
    if full_name in ADVANCED and ("." not in name):
        return full_name
    section = full_name.partition(".")[0]
    places = [known for known in ADVANCED if known == name or known.partition(".")[2] == name]
    if places:
        head, _, tail = places[0].partition(".")
        layout = f"{{{head!r}: {{{tail!r}: ...}}}}" if tail else f"{{{head!r}: ...}}"
        hint = f"it is given as {layout}"
    elif section in _SECTIONS:
        hint = guess(name, [known.partition(".")[2] for known in ADVANCED if known.startswith(f"{section}.")])
    else:
        hint = guess(name, [*(known for known in ADVANCED if "." not in known), *_SECTIONS])
    raise ConfigurationError(f"{where}: no option {name!r}; {hint}", "advanced_config", name)


def read_volume(given: Any, n_parameters: int) -> dict[str, Any] | None:  # noqa: ANN401 - checked here
    """Check `volume_sampling`, and return all of its options, by default where not given; None for None.

    Parameters
    ----------
    given
        What the user gave.
    n_parameters
        Number of parameters of the problem, which says how many walkers there are at least.

    Raises
    ------
    ConfigurationError
        If an option does not exist or its value cannot be used.
    """
    if given is None:
        return None
    options = checks.dictionary("volume_sampling", given)
    checks.known_keys("volume_sampling", options, VOLUME)
    found = {
        name: option.check(f"volume_sampling: {name}", options[name]) if name in options else option.default
        for name, option in VOLUME.items()
    }
    checks.whole(2 * (n_parameters + 1))("volume_sampling: n_walkers", found["n_walkers"])
    return found


def without_effect(given: dict[str, Any], options: dict[str, Option]) -> list[str]:
    """Names of the options that were given another value than their default and have no effect here."""
    return [name for name, value in given.items() if not options[name].has_effect and value != options[name].default]
