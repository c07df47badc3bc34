"""What belongs to the No-U-Turn sampler; importable without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from wilks.core.errors import InvalidConfigurationError

_LEAST = {"n_chains": 1, "n_warmup": 50, "n_draws": 8, "max_tree_depth": 1, "max_retries": 0}


@dataclass(frozen=True)
class Nuts:
    """The No-U-Turn sampler of NumPyro, for posteriors whose likelihood has a gradient.

    Hoffman and Gelman 2014, JMLR 15, 1593; with the multinomial choice of Betancourt 2017, arXiv:1701.02434. The
    gradient is that of JAX for a likelihood written with ``jax.numpy``, otherwise the one that the problem offers.

    Parameters
    ----------
    n_chains
        Number of chains.
    n_warmup, n_draws
        Draws of every chain: those that step size and mass matrix are adapted with, which are dropped, and those kept.
    target_accept
        Mean acceptance rate that the step size is adapted to: nearer to 1 means smaller steps.
    max_tree_depth
        A trajectory has at most 2 to the power of this many steps.
    dense_mass
        Are correlations adapted to as well, not scales alone?
    max_retries
        How often to go on when the chains diverge (with a higher `target_accept`), are in different places (R-hat
        from 1.05, with a longer warmup), or are too short (with as many draws again).

    Raises
    ------
    InvalidConfigurationError
        If a number is out of its range.

    Examples
    --------
    >>> Nuts(n_draws=2000).n_chains
    4
    """

    n_chains: int = 4
    n_warmup: int = 500
    n_draws: int = 1000
    target_accept: float = 0.85
    max_tree_depth: int = 10
    dense_mass: bool = True
    max_retries: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidConfigurationError(f"Nuts: {name}: expected an integer >= {least}, got {value!r}")
        accept = self.target_accept
        if isinstance(accept, bool) or not isinstance(accept, (int, float)) or not 0.0 < accept < 1.0:
            raise InvalidConfigurationError(
                f"Nuts: target_accept: expected a number between 0 and 1, such as 0.85, got {accept!r}"
            )
        if not isinstance(self.dense_mass, bool):
            raise InvalidConfigurationError(f"Nuts: dense_mass: expected True or False, got {self.dense_mass!r}")
