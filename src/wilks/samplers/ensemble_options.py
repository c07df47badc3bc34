"""What belongs to the affine-invariant ensemble."""

from __future__ import annotations

from dataclasses import dataclass

from wilks.core.errors import InvalidConfigurationError

_FEWEST_WALKERS = 32
_OPTIONAL = ("n_walkers", "n_draws")
_LEAST = {"n_walkers": 8, "n_ensembles": 2, "n_draws": 100, "max_steps": 20}


@dataclass(frozen=True)
class Ensemble:
    """An affine-invariant ensemble of walkers, for posteriors without gradients.

    Walkers move by the positions of others, so that no step and no scale is to be set: the stretch move of Goodman and
    Weare (2010), differential evolution and snooker moves (ter Braak and Vrugt 2008). The warmup ends where it is
    measured to end; the run ends after 50 autocorrelation times, when R-hat and the effective sizes are good enough.

    Parameters
    ----------
    n_walkers
        Walkers of each ensemble; None for 32, or four per parameter if that is more. An odd number is raised by one.
    n_ensembles
        Independent ensembles, each of which becomes a chain of the result. The walkers of one ensemble lead each other,
        astray too, so that only a second ensemble can tell whether they have seen everything.
    n_draws
        About how many draws are kept, of all ensembles together; None for as many as the verb is asked for.
    max_steps
        Most steps of a walker; a step is one evaluation or none.

    Raises
    ------
    InvalidConfigurationError
        If a number is out of its range.

    Examples
    --------
    >>> Ensemble().walkers_for(3), Ensemble().walkers_for(10)
    (32, 40)
    """

    n_walkers: int | None = None
    n_ensembles: int = 2
    n_draws: int | None = None
    max_steps: int = 10_000

    def __post_init__(self) -> None:
        """Check the values."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidConfigurationError(f"Ensemble: {name}: expected an integer >= {least}, got {value!r}")

    def walkers_for(self, dimension: int) -> int:
        """Number of walkers in each ensemble for so many parameters.

        Raises
        ------
        InvalidConfigurationError
            If fewer than 2 d + 2 walkers are asked for: a half must span the space.
        """
        if self.n_walkers is None:
            return max(_FEWEST_WALKERS, 4 * dimension)
        if self.n_walkers < 2 * dimension + 2:
            raise InvalidConfigurationError(
                f"Ensemble: n_walkers: expected at least {2 * dimension + 2} for {dimension} parameters, since each "
                f"half must span the space, got {self.n_walkers}"
            )
        return self.n_walkers + self.n_walkers % 2
