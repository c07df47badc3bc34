"""`compare`: agreement where there is one, and every kind of disagreement in words."""

import math
from dataclasses import replace

import pytest

import wilks
from wilks import Integer, LikelihoodProblem, Real, Space, problems

OPTIONS = {"seed": 1, "callbacks": ()}
GAUSS = LikelihoodProblem(
    Space(a=Real(-5, 5), b=Real(-5, 5)), lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2 / 0.25)
)


def both(problem, over, **options):
    return wilks.fit(problem, **OPTIONS), wilks.profile(problem, over=over, audit=0, **OPTIONS, **options)


def test_fit_and_profile_agree_on_a_gaussian():
    fit, profile = both(GAUSS, "a")
    table = wilks.compare(fit, profile)
    assert table.disagreements == ()
    assert table.names == ("a", "b")
    assert table.columns == ("fit", "profile over a")
    one, two = table.entries["a"]
    for level, half in (("68", 0.9945), ("95", 1.9600)):
        for entry in (one, two):
            (piece,) = getattr(entry, f"intervals_{level}")
            assert piece[:2] == pytest.approx((-half, half), abs=2e-3)
    assert one.standard_error == pytest.approx(1.0, rel=1e-4)
    assert math.isnan(two.standard_error)
    assert table.entries["b"][1] is None  # the profile over a says nothing of b
    assert "The results agree." in repr(table)


def test_a_poisson_mean_is_no_parabola():
    """Three counts: the 95 % set is [0.75, 7.78], the standard error makes it [-0.39, 6.39]."""
    problem = LikelihoodProblem(Space(mean=Real(0.01, 30)), lambda v: 3 * math.log(v["mean"]) - v["mean"])
    table = wilks.compare(*both(problem, "mean", grid=(121,)))
    (sentence,) = table.disagreements
    assert sentence.startswith("mean: the ")
    assert "end at 95 % differs by 1.3" in sentence
    assert sentence.endswith(
        "the likelihood is not parabolic (the profile over mean is skewed: 95 % reach 2.25 down and 4.78 up), "
        "quote the profile."
    )


def test_a_banana():
    known = problems.banana()
    table = wilks.compare(*both(known.problem, "y", grid=(81,)))
    assert any(sentence.startswith("y: the ") for sentence in table.disagreements)


def test_two_islands_are_two_pieces():
    known = problems.two_islands(drop=0.1)
    table = wilks.compare(*both(known.problem, "x", grid=(161,)))
    assert "x: the 68 % set of the profile over x has 2 pieces, a standard error has one." in table.disagreements
    assert " or " in repr(table)


def test_a_bound_is_not_a_disagreement():
    """The maximum lies at a = 0: the fit has no error for a, the profile an interval from the bound."""
    problem = LikelihoodProblem(Space(a=Real(0, 5), b=Real(-5, 5)), lambda v: -0.5 * ((v["a"] + 1) ** 2 + v["b"] ** 2))
    table = wilks.compare(*both(problem, "a", grid=(101,)))
    fit, profile = table.entries["a"]
    assert fit.intervals_68 == ()
    assert profile.intervals_68[0].lower == 0.0
    assert table.disagreements == ()


def test_other_fixed_values_are_not_held_against_each_other():
    one, two = (wilks.fit(GAUSS.fix(a=a), **OPTIONS) for a in (0.0, 2.0))
    table = wilks.compare(one, two)
    assert one.log_likelihood - two.log_likelihood > 1
    assert table.disagreements == ()
    assert table.columns == ("fit (a=0)", "fit (a=2)")


def test_a_better_optimum_is_reported():
    known = problems.two_islands()
    local = [
        wilks.fit(known.problem, start={"x": x, "y": 0.0, "nuisance": 0.0}, n_starts=0, **OPTIONS) for x in (-1.0, 1.0)
    ]
    low = min(local, key=lambda result: result.log_likelihood)
    high = wilks.fit(known.problem, **OPTIONS)
    gap = high.log_likelihood - low.log_likelihood
    assert gap == pytest.approx(1.0, abs=1e-3)
    table = wilks.compare(low, high, titles=("local", "global"))
    expected = "The global reaches a log-likelihood 1 above the local: fit again, starting from the better result."
    assert table.disagreements[0] == expected
    assert wilks.compare(high, low, titles=("global", "local")).disagreements[0] == expected
    assert table.log_likelihoods == (low.log_likelihood, high.log_likelihood)


def test_a_difference_within_the_noise_is_none():
    fit = wilks.fit(GAUSS, **OPTIONS)
    nearly = replace(fit, log_likelihood=fit.log_likelihood - 0.04)
    assert wilks.compare(fit, nearly).disagreements == ()
    worse = replace(fit, log_likelihood=fit.log_likelihood - 0.06)
    assert len(wilks.compare(fit, worse, titles=("one", "two")).disagreements) == 1


def test_a_wrong_standard_error_is_found():
    """The limit is a fifth of a standard error at either end."""
    fit, profile = both(GAUSS, "a")
    for factor, found in ((1.1, False), (1.3, True), (0.7, True)):
        wrong = replace(fit, standard_errors={n: e * factor for n, e in fit.standard_errors.items()})
        assert bool(wilks.compare(wrong, profile).disagreements) is found


def test_two_fits_that_differ_are_not_called_not_parabolic():
    fit = wilks.fit(GAUSS, **OPTIONS)
    other = replace(fit, standard_errors={n: 2 * e for n, e in fit.standard_errors.items()})
    table = wilks.compare(fit, other)
    assert table.columns == ("fit 1", "fit 2")
    assert len(table.disagreements) == 2
    assert all("between the fit 1 and the fit 2" in sentence for sentence in table.disagreements)
    assert all(sentence.endswith("at least one of them is wrong.") for sentence in table.disagreements)


def test_levels_below_the_map_are_left_out():
    fit, profile = both(GAUSS, "a", roi_threshold=1.0)
    entry = wilks.compare(fit, profile).entries["a"][1]
    assert entry.intervals_68
    assert entry.intervals_95 == ()


def test_discrete_parameters_have_no_interval_from_a_fit():
    problem = LikelihoodProblem(Space(n=Integer(0, 5), a=Real(-5, 5)), lambda v: -((v["n"] - 3) ** 2) - v["a"] ** 2)
    table = wilks.compare(*both(problem, "n"))
    fit, profile = table.entries["n"]
    assert fit.best == profile.best == 3
    assert fit.intervals_68 == ()
    assert table.disagreements == ()


def test_a_flat_direction_has_no_interval():
    problem = LikelihoodProblem(Space(a=Real(-5, 5), b=Real(-5, 5)), lambda v: -50 * (v["a"] + v["b"]) ** 2)
    table = wilks.compare(*both(problem, "a", grid=(21,)))
    assert table.entries["a"][0].intervals_68 == ()
    assert table.disagreements == ()


def test_text_and_html():
    fit, profile = both(GAUSS, "a")
    table = wilks.compare(fit, profile, titles=("parabola", "map"))
    lines = repr(table).splitlines()
    assert lines[0] == "Comparison"
    assert lines[1].split() == ["parameter", "result", "best", "error", "68", "%", "95", "%"]
    assert [line.split()[:2] for line in lines[2:5]] == [["a", "parabola"], ["a", "map"], ["b", "parabola"]]
    assert lines[5] == "The results agree."
    html = table._repr_html_()
    assert html.startswith("<table><caption>Comparison</caption>")
    assert html.endswith("<p>The results agree.</p>")
    assert "<td>parabola</td>" in html


def test_one_result_is_a_table_too():
    assert wilks.compare(wilks.fit(GAUSS, **OPTIONS)).disagreements == ()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "compare: expected results of wilks, got ()"),
        (({"a": 1.0},), {}, "compare: expected results of wilks, got ({'a': 1.0},)"),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        wilks.compare(*arguments, **options)
    assert str(caught.value) == message


def test_the_number_of_titles():
    fit = wilks.fit(GAUSS, **OPTIONS)
    with pytest.raises(wilks.InvalidConfigurationError) as caught:
        wilks.compare(fit, fit, titles=["one"])
    assert str(caught.value) == "titles: expected 2, one per result, got 1"
