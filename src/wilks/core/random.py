"""Random generators that are keyed, not drawn from one stream.

A generator made from ``(seed, key...)`` gives the same numbers whatever was drawn before it, so the
answer of an algorithm does not depend on the order in which its evaluations come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def keyed_generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator that belongs to a seed and a key of integers.

    Examples
    --------
    >>> a, b = keyed_generator(1, 7), keyed_generator(1, 7)
    >>> bool(a.random() == b.random())
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=key)))


def latin_hypercube(generator: np.random.Generator, n: int, dimension: int) -> NDArray[np.float64]:
    """Return points of the unit box, shape (n, dimension): each of n equal slices of every axis holds one of them.

    McKay, Beckman and Conover 1979. The points are those of ``scipy.stats.qmc.LatinHypercube``, whose import takes
    longer than many a fit; like it, this leaves the generator where it was, but for its count of children.

    Examples
    --------
    >>> points = latin_hypercube(np.random.default_rng(1), 4, 2)
    >>> sorted((4 * points[:, 0]).astype(int).tolist())
    [0, 1, 2, 3]
    """
    (child,) = generator.spawn(1)
    within = child.uniform(size=(n, dimension))
    slices = np.tile(np.arange(1, n + 1), (dimension, 1))
    for axis in slices:
        child.shuffle(axis)
    return np.asarray((slices.T - within) / n)


def resolve_seed(seed: int | None) -> int:
    """Return `seed`, or a fresh one from the operating system when it is None (it is recorded in the result).

    Raises
    ------
    InvalidConfigurationError
        If `seed` is not a non-negative integer.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InvalidConfigurationError(f"seed: expected a non-negative integer or None, got {seed!r}")
    return int(seed)
