"""All pictures of one posterior, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wilks.core.errors import InvalidConfigurationError
from wilks.plots import style
from wilks.plots.posterior import panels
from wilks.plots.posterior.autocorrelation import posterior_autocorrelation
from wilks.plots.posterior.energy import posterior_energy, without_energies
from wilks.plots.posterior.ess import posterior_ess
from wilks.plots.posterior.forest import posterior_forest
from wilks.plots.posterior.pair import posterior_pair
from wilks.plots.posterior.rank import posterior_rank
from wilks.plots.posterior.trace import posterior_trace
from wilks.plots.posterior.weights import posterior_weights, without_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.figure import Figure

    from wilks.samplers.result import Posterior
    from wilks.solvers.result import FitResult

PICTURES = ("pair", "forest", "trace", "rank", "autocorrelation", "ess", "energy", "weights")
"""Names of all pictures of a posterior."""

_OF_CHAINS = ("trace", "rank", "autocorrelation")


def posterior_pictures(
    posterior: Posterior, pictures: Sequence[str] | None = None, *, fit: FitResult | None = None
) -> dict[str, Figure]:
    """Draw everything that there is to see of a posterior.

    Parameters
    ----------
    posterior
        What `wilks.sample` returned.
    pictures
        Names of those to draw, out of ``"pair"``, ``"forest"``, ``"trace"``, ``"rank"``, ``"autocorrelation"``,
        ``"ess"``, ``"energy"`` and ``"weights"``; by default those that say something of its method. In the place of
        another one is a figure that says why there is nothing to draw.
    fit
        A fit of the same problem, for the pair and the forest picture.

    Returns
    -------
    dict
        Name -> figure.

    Raises
    ------
    InvalidConfigurationError
        If a name is not one of these.

    Examples
    --------
    >>> import wilks
    >>> problem = wilks.LikelihoodProblem(wilks.Space(a=wilks.Real(-9, 9)), lambda v: -0.5 * v["a"] ** 2)
    >>> posterior = wilks.sample(problem, n_draws=500, seed=1)
    >>> list(wilks.plots.posterior_pictures(posterior))
    ['pair', 'forest', 'ess', 'weights']
    """
    return {name: draw() for name, draw in posterior_drawings(posterior, pictures, fit=fit)}


def posterior_drawings(
    posterior: Posterior, pictures: Sequence[str] | None = None, *, fit: FitResult | None = None
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield the name of every picture with what draws it, as `posterior_pictures` does."""
    unknown = [name for name in pictures or () if name not in PICTURES]
    if unknown:
        raise InvalidConfigurationError(
            f"pictures: expected names out of {', '.join(PICTURES)}, got {', '.join(map(repr, unknown))}"
        )
    drawings: dict[str, Callable[[], Figure]] = {
        "pair": partial(posterior_pair, posterior, fit=fit),
        "forest": partial(posterior_forest, posterior, others=None if fit is None else {"fit": fit}),
        "trace": partial(posterior_trace, posterior),
        "rank": partial(posterior_rank, posterior),
        "autocorrelation": partial(posterior_autocorrelation, posterior),
        "ess": partial(posterior_ess, posterior),
        "energy": partial(posterior_energy, posterior),
        "weights": partial(posterior_weights, posterior),
    }
    for name in PICTURES if pictures is None else pictures:
        reason = nothing_to_see(posterior, name)
        if not reason:
            yield name, drawings[name]
        elif pictures is not None:
            yield name, partial(_explanation, name, reason)


def nothing_to_see(posterior: Posterior, picture: str) -> str:
    """Why a picture says nothing of a posterior; empty if it says something."""
    if picture == "energy":
        return without_energies(posterior)
    if picture == "weights":
        return without_weights(posterior)
    if picture in _OF_CHAINS and posterior.weighted is not None:
        return (
            f"expected Markov chains, got draws by {posterior.method}, which are independent and in no order; "
            "draw posterior_weights and posterior_ess instead"
        )
    return ""


def _explanation(name: str, reason: str) -> Figure:
    figure = style.Picture(figsize=(6.0, 1.2), layout="constrained")
    panels.headline(figure, f"{name}: {reason}")
    return figure
