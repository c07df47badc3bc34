from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import wilks
from tests.unit.plots import examples, posteriors
from tests.unit.plots.test_pictures import legend_texts
from wilks import plots
from wilks.loop.mixing import mixing
from wilks.plots import style
from wilks.plots.posterior import density, panels, parts
from wilks.plots.posterior.autocorrelation import autocorrelations, last_lag
from wilks.plots.posterior.collection import PICTURES, nothing_to_see
from wilks.plots.posterior.energy import e_bfmi
from wilks.plots.posterior.ess import growth
from wilks.plots.posterior.rank import rank_shares
from wilks.samplers.certificate import Certificate, Check


@pytest.fixture(scope="module")
def nuts():
    return posteriors.gaussian(n_draws=120)


@pytest.fixture(scope="module")
def weighted():
    return posteriors.importance(n=1200, n_draws=300)


def fit_of(posterior):
    thetas = np.stack([posterior.draws[name].ravel() for name in posterior.names])
    best = {"a": 1.0, "rate": 0.1, "b": 0.0, "scale": 3.0, "model": "flat"}
    return examples.fit(np.cov(thetas), posterior.names, domains=posterior.space, best=best)


def beyond(ax):
    return [bar for bar in ax.patches if bar.get_hatch()]


def test_trace_shows_every_chain_and_where_transitions_diverged(nuts):
    figure = plots.posterior_trace(nuts)
    figure.canvas.draw()
    assert len(figure.axes) == 6
    paths, beside = figure.axes[2:4]
    assert paths.get_ylabel() == "rate [1/s]"
    assert paths.get_yscale() == "log"
    *chains, ticks = paths.lines
    assert [line.get_ydata().tolist() for line in chains] == nuts.draws["rate"].tolist()
    assert ticks.get_xdata().tolist() == np.flatnonzero(nuts.sampling["diverging"].any(axis=0)).tolist()
    assert len(beside.lines) == 4
    assert len({line.get_linestyle() + line.get_color() for line in beside.lines}) == 4
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["chain 1", "chain 2", "chain 3", "chain 4", "6 diverging transitions"]
    assert figure.get_suptitle() == "4 chains of 120 draws by NUTS"


def test_a_density_is_that_of_the_draws_on_the_scale_of_the_axis():
    domain = wilks.Real(1e-3, 10, scale="log")
    draws = 10 ** (-1 + 0.2 * norm.ppf((np.arange(2000) + 0.5) / 2000))
    found = density.density(domain, draws, (0.02, 0.5))
    expected = norm.pdf(np.log10(found.positions), -1, 0.2)
    assert found.heights / found.heights.max() == pytest.approx(expected / expected.max(), abs=0.04)


def test_pictures_of_many_parameters_take_those_that_mix_worst_and_say_so():
    posterior = posteriors.many(10, 2, 60)
    worst = sorted(posterior.ess, key=posterior.ess.get)[:8]
    figure = plots.posterior_trace(posterior)
    assert {ax.get_ylabel() for ax in figure.axes[::2]} == set(worst)
    assert "8 of 10 parameters, those with the fewest effective draws" in figure.get_suptitle().replace("\n", " ")
    figure = plots.posterior_trace(posterior, ("contrast_0",))
    assert figure.get_suptitle() == "2 chains of 60 draws by NUTS"
    with pytest.raises(wilks.InvalidConfigurationError, match="trace: expected parameters that were sampled, got mass"):
        plots.posterior_trace(posterior, ("mass",))


def test_long_chains_are_thinned_and_chains_beyond_eight_look_alike():
    generator = np.random.default_rng(1)
    space = wilks.Space(a=wilks.Real(-9, 9))
    posterior = posteriors.posterior(space, {"a": generator.normal(size=(12, 4100))})
    figure = plots.posterior_trace(posterior)
    assert len(figure.axes[0].lines[0].get_xdata()) == 1367
    assert figure.axes[0].get_xlabel() == "draw, one of 3 shown"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["12 chains"]
    assert len(set(panels.chain_looks(12))) == 1
    assert len({(look.color, look.dashes) for look in panels.chain_looks(8)}) == 8


def test_rank_marks_the_chain_that_stays_in_one_mode():
    figure = plots.posterior_rank(posteriors.bimodal(n_draws=300))
    stuck, mixed = figure.axes
    assert {round(bar.get_y()) for bar in beyond(stuck)} == {4}
    assert not beyond(mixed)
    up = [bar for bar in beyond(stuck) if bar.get_height() < 0]  # the axis points down
    assert min(bar.get_x() for bar in up) > 0.3  # the mode at the right has too many, the one at the left none


def test_equal_draws_get_their_ranks_at_random():
    posterior = posteriors.mixed()
    for name in ("kind", "stuck"):
        shares, band = rank_shares(posterior, posterior.draws[name])
        assert shares.shape == (2, 16)
        assert shares.mean(axis=1) == pytest.approx(1.0)
        assert (np.abs(shares - 1) <= band[:, None]).all()


def test_the_band_of_ranks_is_that_of_chains_that_mix():
    generator = np.random.default_rng(3)
    space = wilks.Space(a=wilks.Real(-9, 9))
    inside = 0
    for _ in range(40):
        chains = posteriors.moving(generator, (4, 400), memory=0.7)
        shares, band = rank_shares(posteriors.posterior(space, {"a": chains}), chains)
        inside += bool((np.abs(shares - 1) <= band[:, None]).all())
    assert inside >= 36


def test_autocorrelation_together_is_not_blind_for_chains_that_disagree():
    generator = np.random.default_rng(2)
    chains = posteriors.moving(generator, (4, 4000), memory=0.5)
    each, together = autocorrelations(chains)
    assert each[:, 0] == pytest.approx(1.0)
    assert together[:4] == pytest.approx([1, 0.5, 0.25, 0.125], abs=0.05)
    direct = chains[0] - chains[0].mean()
    assert each[0, 3] == pytest.approx((direct[3:] * direct[:-3]).sum() / (direct**2).sum())
    assert last_lag(together) == 20
    chains[0] += 6
    each, together = autocorrelations(chains)
    assert each[0, 10] == pytest.approx(0.0, abs=0.1)
    assert together[10] > 0.7
    assert np.isnan(autocorrelations(np.ones((2, 50)))[1]).all()


def test_autocorrelation_draws_every_chain_and_all_together(nuts):
    figure = plots.posterior_autocorrelation(nuts)
    (*chains, together) = figure.axes[0].lines
    assert len(chains) == 4
    assert together.get_color() == "black"
    assert together.get_ydata()[1] == pytest.approx(0.5, abs=0.15)
    stuck = plots.posterior_autocorrelation(posteriors.mixed(n_draws=60), ("stuck",))
    assert [text.get_text() for text in stuck.axes[0].texts] == ["did not move"]


def test_effective_numbers_are_those_of_arviz(nuts, weighted):
    numbers, bulk, tail = growth(nuts, ("a", "b"))["b"]
    assert numbers[-1] == 480
    assert bulk[-1] == pytest.approx(nuts.ess["b"])
    assert tail[-1] == pytest.approx(mixing(nuts.draws["b"], "ess_tail"))
    assert bulk[5] == pytest.approx(mixing(nuts.draws["b"][:, :60], "ess"))
    numbers, bulk, _ = growth(weighted, ("b",))["b"]
    assert numbers[-1] == 1200
    assert bulk[-1] == pytest.approx(weighted.ess["b"])
    assert bulk[5] == pytest.approx(0.5 * bulk[-1], rel=0.2)


def test_ess_draws_growth_and_intervals_with_the_limit_of_the_certificate(nuts):
    asked = Certificate((Check.at_least("bulk ESS", 300.0, 250.0, "draw longer chains"),))
    figure = plots.posterior_ess(replace(nuts, certificate=asked), ("a",))
    left, right = figure.axes
    assert left.lines[1].get_xdata()[-1] == 480
    assert len(right.lines[0].get_xdata()) == 20
    assert all(line.get_ydata()[0] == 250 for line in (left.lines[-1], right.lines[-1]))
    for ax in (left, right):
        assert ax.get_ylim()[1] > 250
    below = (nuts.draws["a"] <= nuts.quantiles("a", 0.05)).astype(float)
    assert right.lines[0].get_ydata()[0] == pytest.approx(parts.effective(nuts, {"x": below})["x"])


def test_energy_shows_the_chain_that_wanders(nuts):
    energy = nuts.sampling["energy"].copy()
    energy[1] = np.cumsum(np.random.default_rng(1).normal(size=energy.shape[1]))
    posterior = replace(nuts, sampling=nuts.sampling | {"energy": energy})
    assert e_bfmi(energy).min() == pytest.approx(mixing(energy, "bfmi"))
    _, right = plots.posterior_energy(posterior).axes
    assert [bar.get_x() + bar.get_width() / 2 for bar in beyond(right)] == [2.0]
    assert [text.get_text() for text in right.texts[:4]] == [f"{value:.2f}" for value in e_bfmi(energy)]
    with pytest.raises(wilks.InvalidConfigurationError, match="energy: expected the energies that NUTS records"):
        plots.posterior_energy(posteriors.bimodal(n_draws=20))


def test_weights_say_how_few_draws_carry_how_much():
    narrow = posteriors.importance(n=1200, n_draws=100, width=0.45)
    figure = plots.posterior_weights(narrow)
    figure.canvas.draw()
    left, right = figure.axes
    weights = np.exp(narrow.weighted.log_weights)
    k_hat = narrow.certificate["Pareto k-hat"]
    assert f"k-hat {k_hat.value:.2f}, at most {k_hat.limit:.2f} expected" in figure.get_suptitle()
    slope, limit = (line for line in left.lines if line.get_color() == style.FIT)
    for line, expected in ((slope, k_hat.value), (limit, k_hat.limit)):
        x, y = np.log(line.get_data())
        assert (y[0] - y[-1]) / (x[-1] - x[0]) == pytest.approx(expected)
        assert len(x) == 104
    needed = int((np.cumsum(np.sort(weights)[::-1]) < 0.5).sum()) + 1
    assert right.texts[0].get_text() == f"50 % from {needed} draws"
    assert right.get_title(loc="left") == f"{1 / (weights**2).sum():,.0f} effective draws of 1,200"
    with pytest.raises(wilks.InvalidConfigurationError, match="weights: expected draws by importance sampling"):
        plots.posterior_weights(posteriors.bimodal(n_draws=20))


def test_forest_draws_the_sets_of_all_and_of_each_chain_and_of_others(nuts):
    fit = fit_of(nuts)
    figure = plots.posterior_forest(nuts, others={"the fit": fit})
    figure.canvas.draw()
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["posterior", "4 chains", "the fit"]
    own = [line for line in ax.lines if line.get_ydata()[0] == 0.0]
    assert own[0].get_xdata() == pytest.approx(nuts.highest_density("a", 0.95)[0])
    assert own[-1].get_xdata() == pytest.approx([nuts.means["a"]])
    assert sum(line.get_marker() == "|" for line in ax.lines) == 4
    outer = next(line for line in ax.lines if line.get_color() == style.FIT)
    assert outer.get_xdata() == pytest.approx(1 + 1.96 * fit.standard_errors["a"] * np.array([-1, 1]), abs=1e-4)
    low, high = figure.axes[1].get_xlim()  # the set of the fit reaches below zero, where a log axis never ends
    assert 3e-3 < low < nuts.draws["rate"].min() < nuts.means["rate"] < high < 1


def test_forest_of_several_modes_of_choices_and_of_populations(weighted):
    ax = plots.posterior_forest(posteriors.bimodal(n_draws=100), ("a",)).axes[0]
    assert sum(line.get_ydata()[0] == 0.0 for line in ax.lines) == 5  # two pieces for each level, and the mean
    posterior = posteriors.mixed(n_chains=1)
    ax = plots.posterior_forest(posterior, ("kind",)).axes[0]
    inner = [line.get_xdata()[0] for line in ax.lines if line.get_linewidth() == 5.0]
    assert inner == pytest.approx([-0.3, 0.7])
    assert ax.lines[-1].get_xdata() == [0.0]
    texts = [text.get_text() for text in plots.posterior_forest(weighted).axes[0].get_yticklabels()]
    assert texts == ["posterior", "2 populations"]


def test_forest_beside_a_profile_and_a_search():
    posterior = posteriors.posterior(
        examples.space(offset=0.0),
        {"omega_m": 0.28 + 0.06 * np.linspace(-2, 2, 90)[None], "w": np.linspace(-1.5, -0.5, 90)[None]},
    )
    figure = plots.posterior_forest(posterior, others={"profile": examples.gaussian_1d(101)})
    lines = [line for line in figure.axes[0].lines if line.get_color() == style.FIT]
    assert lines[0].get_xdata() == pytest.approx([0.28 - 1.96 * 0.06, 0.28 + 1.96 * 0.06], abs=1e-3)
    assert [line.get_marker() for line in figure.axes[1].lines].count("o") == 2  # of w it knows the best value only


def test_pair_adds_prior_sets_divergences_and_fit(nuts):
    figure = plots.posterior_pair(nuts, ("a", "b"), fit=fit_of(nuts))
    figure.canvas.draw()
    marginal, plane = figure.axes[3], figure.axes[2]
    prior = next(line for line in marginal.lines if line.get_color() == "0.45")
    shares, edges, _ = marginal.patches[0].get_data()
    inside = (prior.get_xdata() >= edges[0]) & (prior.get_xdata() <= edges[-1])
    per_bin = prior.get_ydata()[inside].mean() * len(shares)
    assert per_bin == pytest.approx(norm.cdf(edges[-1] / 3) - norm.cdf(edges[0] / 3), rel=0.02)
    sets = [line.get_xdata() for line in marginal.lines if line.get_color() == style.LINE]
    assert sets == [pytest.approx(nuts.highest_density("b", level)[0]) for level in (0.95, 0.68)]
    crosses = next(line for line in plane.lines if line.get_marker() == "x")
    assert crosses.get_xdata().tolist() == nuts.draws["a"][nuts.sampling["diverging"] != 0].tolist()
    assert sum(line.get_color() == style.FIT for line in plane.lines) == 3  # two ellipses and the best point
    texts = legend_texts(figure.axes[1])
    assert texts[:5] == ["68 % region", "95 % region", "best point", "prior", "6 diverging"]
    assert "fit, best point" in texts


def test_pair_of_choices_shows_the_prior_of_every_value():
    ax = plots.posterior_pair(posteriors.mixed(n_draws=100), ("kind",)).axes[0]
    prior = next(line for line in ax.lines if line.get_color() == "0.45")
    assert prior.get_xdata().tolist() == [0, 1, 2]
    assert prior.get_ydata() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (posteriors.gaussian, ["pair", "forest", "trace", "rank", "autocorrelation", "ess", "energy"]),
        (posteriors.bimodal, ["pair", "forest", "trace", "rank", "autocorrelation", "ess"]),
        (posteriors.importance, ["pair", "forest", "ess", "weights"]),
    ],
)
def test_every_method_has_the_pictures_that_say_something_of_it(make, expected):
    posterior = make()
    assert [name for name in PICTURES if not nothing_to_see(posterior, name)] == expected


def test_a_picture_that_says_nothing_explains_why():
    figures = plots.posterior_pictures(posteriors.bimodal(n_draws=30), ("energy", "weights"))
    text = figures["energy"].get_suptitle().replace("\n", " ")
    assert "expected the energies that NUTS records, got draws by ensemble" in text
    assert "weigh the same" in figures["weights"].get_suptitle().replace("\n", " ")
    with pytest.raises(wilks.InvalidConfigurationError, match=r"expected names out of pair, .* got 'corner'"):
        plots.posterior_pictures(posteriors.bimodal(n_draws=30), ("corner",))


def test_all_pictures_of_a_posterior_are_saved(tmp_path, weighted):
    paths = plots.save_all(weighted, tmp_path / "new", dpi=30)
    assert [path.name for path in paths] == ["pair.png", "forest.png", "ess.png", "weights.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.parametrize("picture", ["trace", "rank", "autocorrelation", "ess"])
def test_every_kind_of_parameter_is_drawn(picture):
    figure = plots.posterior_pictures(posteriors.mixed(1, 60), (picture,))[picture]
    figure.canvas.draw()
    assert sum(ax.axison for ax in figure.axes) == (10 if picture in ("trace", "ess") else 5)


def test_a_single_draw_is_drawn():
    one = posteriors.gaussian(1, 1, sampling={})
    for figure in plots.posterior_pictures(one, ("trace", "autocorrelation", "forest")).values():
        figure.canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("n", [1, 60])
def test_one_parameter_and_sixty(picture, n):
    figure = plots.posterior_pictures(posteriors.many(n, 2, 100), (picture,))[picture]
    figure.canvas.draw()
    assert max(figure.get_size_inches()) < 26
