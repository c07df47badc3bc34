"""Simulated data: model, noise, storage, and what is refused."""

import numpy as np
import pytest

from tests.unit.xpcs import brute_force
from wilks.core.errors import InvalidConfigurationError
from wilks.xpcs.convention import Convention
from wilks.xpcs.model import Geometry
from wilks.xpcs.simulation import simulate

VALUES = {
    "D0": 2000.0, "alpha": -0.6, "D_offset": 3.0,
    "gamma_dot_0": 2e-3, "beta": -0.2, "gamma_dot_offset": 1e-4, "phi0": -5.0,
}  # fmt: skip
STATIC = {name: VALUES[name] for name in ("D0", "alpha", "D_offset")}


def geometry(n_t=10, phi=(80.0, -5.0, 20.0), convention=None):
    return Geometry(0.1 * np.arange(n_t), 0.1, 0.0054, 2e6, phi, convention or Convention())


def matrices(data):
    return np.array([data.read_c2(k) for k in range(data.n_phi)])


@pytest.mark.parametrize("mode", ["static", "laminar_flow"])
@pytest.mark.parametrize("convention", [Convention(), Convention.homodyne()])
def test_without_noise_it_is_the_model(mode, convention):
    values, where = STATIC if mode == "static" else VALUES, geometry(convention=convention)
    contrast, offset = [0.3, 0.25, 0.35], [1.0, 1.01, 0.99]
    data = simulate(values, where, mode=mode, contrast=contrast, offset=offset)
    np.testing.assert_allclose(matrices(data), brute_force.c2(values, where, contrast, offset), rtol=1e-12)
    assert data.sigma is None


def test_data_know_their_geometry():
    where = geometry()
    data = simulate(VALUES, where, sigma=[0.01, 0.02, 0.03], seed=1)
    assert (data.t.tolist(), data.phi.tolist()) == (where.t.tolist(), where.phi.tolist())
    assert (data.q, data.gap, data.dt) == (where.q, where.gap, where.dt)
    assert np.asarray(data.sigma).tolist() == [0.01, 0.02, 0.03]


def test_noise_has_its_size_and_differs_between_angles():
    where = geometry(n_t=200)
    sigma = np.array([0.01, 0.02, 0.05])
    clean = matrices(simulate(VALUES, where))
    noise = matrices(simulate(VALUES, where, sigma=sigma, storage="independent", seed=3)) - clean
    z = noise / sigma[:, None, None]
    # 40 000 values an angle: four standard errors of a mean, of a standard deviation and of a correlation.
    np.testing.assert_allclose(z.mean(axis=(1, 2)), 0, atol=4 / 200)
    np.testing.assert_allclose(z.std(axis=(1, 2)), 1, atol=4 / 200 / np.sqrt(2))
    np.testing.assert_allclose(np.corrcoef(z.reshape(3, -1)) - np.eye(3), 0, atol=4 / 200)
    assert abs((z * z.transpose(0, 2, 1))[:, np.triu_indices(200, 1)[0], np.triu_indices(200, 1)[1]].mean()) < 4 / 200
    assert np.abs(np.diagonal(z, axis1=1, axis2=2)).mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.1)


def test_mirrored_noise_is_that_of_one_half():
    mirrored, upper, independent = (
        matrices(simulate(VALUES, geometry(), sigma=0.02, storage=storage, seed=5))
        for storage in ("mirrored", "upper", "independent")
    )
    assert (mirrored == mirrored.transpose(0, 2, 1)).all()
    assert not (independent == independent.transpose(0, 2, 1)).all()
    assert not np.tril(upper, -1).any()
    assert (np.triu(mirrored) == upper).all()
    assert (np.triu(independent) == upper).all()


def test_seed_gives_the_same_noise_for_any_number_of_angles():
    few = simulate(VALUES, geometry(phi=(80.0, -5.0)), sigma=0.02, seed=7)
    many = simulate(VALUES, geometry(), sigma=0.02, seed=7)
    other = simulate(VALUES, geometry(), sigma=0.02, seed=8)
    assert (matrices(few) == matrices(many)[:2]).all()
    assert not (matrices(other) == matrices(many)).any()


def test_some_angles_without_noise():
    data = simulate(VALUES, geometry(), sigma=[0.02, 0.0, 0.02], seed=1)
    assert data.sigma is None
    assert (matrices(data)[1] == matrices(simulate(VALUES, geometry()))[1]).all()


def test_single_precision():
    double = matrices(simulate(VALUES, geometry(), sigma=0.02, seed=1))
    single = matrices(simulate(VALUES, geometry(), sigma=0.02, seed=1, dtype=np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": {**VALUES, "D_0": 1.0}}, "unknown D_0"),
        ({"values": STATIC}, "missing gamma_dot_0, beta, gamma_dot_offset, phi0"),
        ({"mode": "static"}, "mode 'static' takes D0, alpha, D_offset; unknown gamma_dot_0"),
        ({"mode": "turbulent"}, "mode: expected"),
        ({"storage": "half"}, "storage: expected one of mirrored, independent, upper, got 'half'"),
        ({"sigma": -0.1}, "sigma: expected numbers >= 0"),
        ({"contrast": [0.1, 0.2]}, "contrast: expected a finite number, or one for each of the 3 angles"),
        ({"offset": np.nan}, "offset: expected a finite number"),
        ({"dtype": int}, "dtype: expected float32 or float64, got int64"),
        ({"values": {**VALUES, "alpha": -1e4}}, "values: the model is not finite"),
    ],
)
def test_argument_is_refused(change, message):
    given = {"values": VALUES, "geometry": geometry(), **change}
    with pytest.raises(InvalidConfigurationError, match=message):
        simulate(**given)
