"""What is known of noise factor, contrast and offset when the physical parameters are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conditional:
    """Distribution of the noise factor on nodes, and moments of contrast and offset at each of them.

    Offsets are less the centre of their angle (`AngleSums.centres`).

    Attributes
    ----------
    s, p
        Noise factors and their probabilities, shape (n, n_angles, n_nodes).
    b, o, bb, bo, oo
        Means of contrast, offset, and their products at each node, the same shape.
    """

    s: Array
    p: Array
    b: Array
    o: Array
    bb: Array
    bo: Array
    oo: Array

    def mean(self, values: Array) -> Array:
        """Mean over the nodes, shape (n, n_angles)."""
        return np.asarray((self.p * values).sum(axis=-1))

    def slopes(self) -> tuple[Array, Array, Array]:
        """Means of b / s^2, b o / s^2 and b^2 / s^2, shape (n, n_angles): what a gradient is made of."""
        inverse = self.s**-2.0
        return self.mean(self.b * inverse), self.mean(self.bo * inverse), self.mean(self.bb * inverse)

    def mean_and_variance(self) -> tuple[Array, Array, Array, Array]:
        """Mean and variance of the contrast, and of the offset, shape (n, n_angles)."""
        b, o = self.mean(self.b), self.mean(self.o)
        spread_b = self.mean(self.bb - self.b**2 + (self.b - b[..., None]) ** 2)
        spread_o = self.mean(self.oo - self.o**2 + (self.o - o[..., None]) ** 2)
        return b, np.maximum(spread_b, 0.0), o, np.maximum(spread_o, 0.0)


class Marginal(Protocol):
    """A likelihood with contrast, offset and noise integrated out.

    Every array of products holds the matrices S of `wilks.xpcs.projection.AngleSums` over [1, f, y], shape
    (n, n_angles, 3, 3).
    """

    def log_likelihood(self, products: Array) -> Array:
        """Log of the marginal likelihood, shape (n,)."""
        ...

    def conditional(self, products: Array) -> Conditional:
        """Moments of what was integrated out."""
        ...

    def draw(self, products: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """One contrast, offset (less its centre) and noise factor for every angle, each of shape (n, n_angles)."""
        ...

    def mass_outside(self, products: Array) -> Array:
        """Probability that contrast or offset of an angle lie outside their box, shape (n,); 0 where that is cut."""
        ...
