"""Options that cannot be used are refused, with what was expected."""

import numpy as np
import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.core.loss import Loss
from wilks.xpcs.options import FitOptions, ShearWeights
from wilks.xpcs.scaling import Shrinkage


def test_defaults_are_least_squares_from_a_multi_start():
    options = FitOptions()
    assert (options.method, options.loss, options.weights) == ("multi_start", Loss("linear"), None)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "multistart", "expected one of 'multi_start', .*did you mean 'multi_start'"),
        ("design", "sobel", "did you mean 'sobol'"),
        ("kernel", "jax", "expected one of 'auto', 'numpy', 'numba', got 'jax'"),
        ("n_starts", 0, "n_starts: expected an integer >= 1, got 0"),
        ("n_refined", 2.5, "n_refined: expected an integer >= 1, got 2.5"),
        ("max_iterations", True, "max_iterations: expected an integer >= 1, got True"),
        ("n_threads", -1, "n_threads: expected an integer >= 1, got -1"),
        ("tolerance", 0.0, "expected 0 < tolerance < 1, got 0.0"),
        ("tolerance", float("nan"), "expected 0 < tolerance < 1"),
        ("tolerance", "1e-6", "expected 0 < tolerance < 1, got '1e-6'"),
        ("loss", "hubber", "did you mean 'huber'"),
        ("weights", (1.0, 0.0), "expected positive numbers, one for each angle"),
        ("weights", (1.0, float("inf")), "expected positive numbers"),
        ("weights", 2.0, "expected positive numbers"),
        ("weights", (), "expected positive numbers"),
        ("weights", "shear", "expected positive numbers"),
        ("memory_limit", "2XB", "memory_limit: memory_limit must be a number of bytes.*but it is '2XB'"),
        ("memory_limit", -1, "memory_limit must be a number of bytes"),
        ("regularisation", 0.1, r"expected Shrinkage\(...\) or None, got 0.1"),
    ],
)
def test_what_cannot_be_used(option, value, message):
    with pytest.raises(InvalidConfigurationError, match=message):
        FitOptions(**{option: value})


def test_what_can():
    options = FitOptions(loss="huber", weights=np.array([1, 2]), n_threads=2, regularisation=Shrinkage(0.1))
    assert options.loss == Loss("huber")
    assert options.weights == (1.0, 2.0)
    assert FitOptions(loss=Loss("cauchy", 2.0)).loss.scale == 2.0
    assert FitOptions(weights=ShearWeights()).weights == ShearWeights()


@pytest.mark.parametrize("phi0", [-7.0, 10.0])
def test_shear_weights(phi0):
    phi = np.array([phi0, phi0 + 60, phi0 - 60, phi0 + 90, phi0 + 180])
    found = ShearWeights(2.0, 0.1).of(phi, phi0)
    assert found.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(found / found[0], [1.0, 0.25, 0.25, 0.1, 1.0], rtol=1e-12)
    assert ShearWeights(0.0).of(phi, phi0).tolist() == [1.0] * 5


@pytest.mark.parametrize("numbers", [(-1.0, 0.3), (1.0, -0.1), (1.0, 1.1), (float("nan"), 0.3)])
def test_shear_weights_that_cannot_be(numbers):
    with pytest.raises(InvalidConfigurationError, match="exponent >= 0 and 0 <= minimum <= 1"):
        ShearWeights(*numbers)


def test_shear_weights_without_any():
    """With the least weight zero, angles across the flow still count for something."""
    assert (ShearWeights(1.0, 0.0).of(np.array([0.0, 90.0]), 0.0) > 0).all()
