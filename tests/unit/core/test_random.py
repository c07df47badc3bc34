"""Keyed generators and designs."""

import numpy as np
import pytest

from wilks.core.random import latin_hypercube


@pytest.mark.parametrize(("n", "dimension"), [(1, 1), (7, 3), (200, 7)])
def test_a_latin_hypercube_is_that_of_scipy(n, dimension):
    from scipy.stats import qmc

    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(2):
        found = latin_hypercube(ours, n, dimension)
        assert np.array_equal(found, qmc.LatinHypercube(dimension, rng=theirs).random(n))
    assert ours.random() == theirs.random()
