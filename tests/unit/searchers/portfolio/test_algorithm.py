"""The choice between the methods of a portfolio, its accounts, its batches and its options."""

import math

import pytest

import wilks
from tests.unit.searchers.examples import LABELS, LINE, MIXED, REAL, bowl, play, sphere
from wilks.core.errors import InvalidConfigurationError
from wilks.searchers.designs import Initial
from wilks.searchers.incumbent import Incumbent
from wilks.searchers.portfolio.algorithm import AXES, KICKS, METHODS, POLISH, TEMPERING, Ledger
from wilks.verbs.search import _prepared


def portfolio(budget=None, **options):
    return _prepared(wilks.Portfolio(**options), budget)


def asked_methods(monkeypatch, space, loss, n):
    """Name of the method behind every evaluation after the first points."""
    asked = []
    absorb = wilks.Portfolio.absorb

    def spied(self, state, batch):
        asked.extend(method for method, _, rows in batch.notes for _ in range(rows))
        absorb(self, state, batch)

    monkeypatch.setattr(wilks.Portfolio, "absorb", spied)
    play(portfolio(), space, loss, n)
    return asked


def test_axes_come_first_then_each_method_once(monkeypatch):
    space, loss = sphere(3)
    asked = asked_methods(monkeypatch, space, lambda v: loss(v) + 0.01 * math.sin(50 * v["x0"]), 200)
    assert set(asked[:18]) == {AXES}, "6 for each coordinate"
    order = list(dict.fromkeys(asked))
    assert order == [AXES, POLISH, TEMPERING, KICKS]
    assert asked.index(KICKS) < 90


def test_gain_attracts_evaluations():
    """In a curved valley the polish gains most, and on a sum over the axes it is not needed."""
    space, _ = sphere(6)
    coupled = lambda v: sum(  # noqa: E731
        100 * (v[f"x{i + 1}"] - v[f"x{i}"] ** 2) ** 2 + (0.7 - v[f"x{i}"]) ** 2 for i in range(5)
    )
    state = play(portfolio(), space, coupled, 500).state
    used = {name: ledger.used for name, ledger in state.engine.ledgers.items()}
    assert used[POLISH] == max(used.values())
    assert sum(used.values()) == pytest.approx(500 - 16, abs=12)


def test_rates_are_gains_per_evaluation_and_fade():
    algorithm = portfolio()
    state = play(algorithm, REAL, bowl, 60).state
    engine = state.engine
    for ledger in engine.ledgers.values():
        ledger.rate, ledger.in_block, ledger.gain = 1.0, 0, 0.0
    engine.current = AXES
    algorithm._account(state, engine, AXES, 4, 3.0)
    assert engine.current == AXES
    algorithm._account(state, engine, AXES, 4, 1.0)
    assert engine.current == ""
    assert engine.ledgers[AXES].rate == pytest.approx(0.9 * 0.5)
    assert engine.ledgers[KICKS].rate == pytest.approx(0.9)
    algorithm._account(state, engine, KICKS, 8, math.inf)
    assert engine.ledgers[KICKS].rate == 0.0, "the first finite loss is no gain that can be compared"


def test_the_best_rate_is_followed_seven_times_in_ten():
    algorithm = portfolio()
    state = play(algorithm, REAL, bowl, 60).state
    engine = state.engine
    engine.ledgers = {AXES: Ledger(1.0, used=50), POLISH: Ledger(1.0, used=60), KICKS: Ledger(0.7, used=90, rate=1.0)}
    chosen = [algorithm._choose(state, engine, []) for _ in range(1000)]
    assert set(chosen) == {AXES, KICKS}
    assert chosen.count(KICKS) == pytest.approx(700, abs=60)


def test_the_least_used_by_its_weight_comes_when_nobody_gains():
    algorithm = portfolio()
    state = play(algorithm, REAL, bowl, 60).state
    engine = state.engine
    engine.ledgers = {
        AXES: Ledger(1.0, used=100),
        POLISH: Ledger(1.0, used=90),
        TEMPERING: Ledger(0.5, used=80),
        KICKS: Ledger(0.7, used=65),
    }
    assert algorithm._choose(state, engine, []) == POLISH
    assert algorithm._choose(state, engine, [POLISH]) == KICKS
    engine.ledgers[POLISH].idle_at = engine.incumbent.loss
    assert algorithm._choose(state, engine, []) == KICKS
    engine.incumbent = Incumbent(engine.incumbent.point, engine.incumbent.loss - 1, 1.0)
    assert algorithm._choose(state, engine, []) == POLISH, "idle until the best point changes"


@pytest.mark.parametrize("space", [LABELS, MIXED, REAL], ids=["labels", "mixed", "real"])
def test_tempering_weighs_more_with_discrete_parameters(space):
    n_discrete = sum(n is not None for n in space.n_values)
    engine = play(portfolio(), space, bowl, 15 if space is LABELS else 30).state.engine
    if engine is not None:
        assert engine.ledgers[TEMPERING].weight == 0.5 + 1.5 * n_discrete / space.dimension
        assert (POLISH in engine.ledgers) == (n_discrete < space.dimension)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_can_be_alone(method):
    course = play(portfolio(methods=(method,)), REAL, bowl, 150)
    assert len(course.losses) == 150
    assert course.best < (1.0 if method != KICKS else 5.0)
    assert set(course.state.engine.ledgers) == {method}


@pytest.mark.parametrize("size", [1, 4, 9])
def test_batches_are_filled(size):
    algorithm = portfolio(batch_size=size)
    course = play(algorithm, REAL, bowl, 200)
    assert sum(n >= size for n in course.batches[1:-1]) >= 0.95 * len(course.batches[1:-1])
    assert len(course.state.engine.kicks) == max(1, size // 2)


def test_random_restarts_lead_nobody_astray():
    for space, most in ((REAL, 1e-6), (MIXED, 0.1)):
        course = play(portfolio(restart_probability=0.3, budget=1500), space, bowl, 1500)
        assert course.best < most


@pytest.mark.parametrize("space", [LINE, MIXED, LABELS], ids=["line", "mixed", "labels"])
def test_nothing_finite_at_first(space):
    """The best of the first points may have no finite loss, and then every one is welcome."""
    n_calls = 0

    def late(values):
        nonlocal n_calls
        n_calls += 1
        return math.inf if n_calls < 11 else bowl(values)

    course = play(portfolio(initial=Initial(random=8)), space, late, 200)
    assert math.isfinite(course.state.best_loss)


def test_findings():
    algorithm = portfolio(budget=300)
    findings = algorithm.findings(play(algorithm, MIXED, bowl, 300).state)
    used = {name: findings.details[f"n_evaluations_{name}"] for name in METHODS}
    assert all(used.values())
    assert 250 < sum(used.values()) <= 300
    assert findings.details["n_restarts"] >= 1
    assert findings.tempering is None  # one method of four: its swap rates say nothing about the search
    without = portfolio(methods=(AXES,))
    assert without.findings(play(without, REAL, bowl, 60).state).tempering is None
    assert without.findings(without.init(REAL, 1, [[0.5] * 3])).details == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"methods": ()}, "methods: expected some of axes, polish, tempering, kicks, got"),
        ({"methods": ("axis",)}, r"methods: expected some of axes, polish, tempering, kicks, got \('axis',\)"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1, got 0"),
        ({"batch_size": True}, "batch_size: expected an integer >= 1, got True"),
        ({"boundary": "wall"}, "boundary: expected one of"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(InvalidConfigurationError, match=f"Portfolio: {words}"):
        wilks.Portfolio(**options)


def test_its_text():
    assert wilks.Portfolio().text == "Portfolio()"
    assert portfolio(budget=9, batch_size=3).text == "Portfolio(batch_size=3)"
