from types import SimpleNamespace

import pytest

import wilks
from tests.unit.cli.test_config import configured, message_of, with_stages
from wilks.cli.algorithms import algorithm, option_names
from wilks.cli.folder import RunFolder
from wilks.cli.pictures import draw_pictures
from wilks.cli.stages import Fit, Search
from wilks.cli.terminal import Terminal
from wilks.cli.workplace import Done, Workplace
from wilks.searchers.names import ALGORITHMS, DEFAULT, algorithm_class
from wilks.searchers.searcher import Searcher

SPACE = wilks.Space(x=wilks.Real(-3, 3), kind=wilks.Categorical(["a", "b"]))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -((v["x"] - 1) ** 2) - (v["kind"] == "a"), name="small")
TEMPERING = {"algorithm": "parallel_tempering", "options": {"n_replicas": 3}}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_name_is_an_algorithm_that_runs_with_its_defaults(name):
    kind = algorithm_class(name)
    assert issubclass(kind, Searcher)
    assert isinstance(kind(), Searcher)
    assert kind.__module__ == ALGORITHMS[name].partition(":")[0]


def test_the_default_is_listed():
    assert DEFAULT in ALGORITHMS


def test_options_reach_the_algorithm():
    made = algorithm("parallel_tempering", {"n_replicas": 5, "initial": {"random": 3}, "boundary": "clip"})
    expected = wilks.ParallelTempering(n_replicas=5, initial=wilks.Initial(random=3), boundary="clip")
    assert made == expected


def test_what_the_verb_fills_in_is_no_option():
    assert "n_replicas" in option_names(wilks.ParallelTempering)
    assert "budget" not in option_names(wilks.ParallelTempering)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "{algorithm: paralel_tempering}",
            "algorithm: unknown algorithm 'paralel_tempering', did you mean 'parallel_te",
        ),
        ("{algorithm: 3}", "algorithm: expected text, got 3"),
        (
            "{algorithm: parallel_tempering, options: {n_replica: 8}}",
            "options.n_replica: ParallelTempering has no option 'n_replica', did you mean 'n_replicas'?",
        ),
        (
            "{algorithm: parallel_tempering, options: {budget: 8}}",
            "options.budget: ParallelTempering has no option 'budget'; expected one of initial, boundary",
        ),
        (
            "{algorithm: parallel_tempering, options: {n_replicas: 0}}",
            "options.n_replicas: expected ",
        ),
        (
            "{algorithm: parallel_tempering, options: {initial: {vertexes: 2}}}",
            "options.initial.vertexes: Initial has no option 'vertexes', did you mean 'vertices'?",
        ),
        (
            "{algorithm: parallel_tempering, options: {initial: {random: -2}}}",
            "options.initial.random: expected a number of points >= 0, got -2",
        ),
        (
            "{algorithm: parallel_tempering, options: {initial: 3}}",
            "options.initial: expected a mapping (key: value), got 3",
        ),
        ("{options: 3}", "options: expected a mapping (key: value), got 3"),
        ("{n_evaluations: 0}", "n_evaluations: expected a number > 0, got 0"),
        ("{n_evaluation: 5}", "n_evaluation: unknown key, did you mean 'n_evaluations'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(settings, expected):
    message = message_of(with_stages(f"  - search: {settings}\n"))
    assert message.startswith(f"config.yaml:3: stages.0.search.{expected}")
    assert "\n" not in message


def test_names_of_parameters_are_checked():
    config = configured(with_stages("  - search: {fix: {knd: a}, start: {x: 7}}\n"))
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        config.check_names(PROBLEM)
    assert "stages.0.search.fix.knd: unknown parameter 'knd', did you mean 'kind'?" in str(error.value)
    assert "stages.0.search.start.x: " in str(error.value)


def test_a_search_may_come_before_a_report():
    config = configured(with_stages("  - search:\n  - report:\n"))
    assert config.stages[0] == Search()
    assert config.stages[0].heading() == "search"


def test_the_settings_are_the_key():
    keys = {
        Search().key(1),
        Search(n_evaluations=5).key(1),
        Search(**TEMPERING).key(1),
        Search(algorithm="parallel_tempering", options={"n_replicas": 4}).key(1),
    }
    assert len(keys) == 4


@pytest.fixture
def workplace(tmp_path):
    with wilks.EvaluationLog() as log:
        yield Workplace(PROBLEM, RunFolder(tmp_path), log, wilks.SerialExecutor(), 1, Terminal(quiet=True))


def test_later_stages_start_from_a_search(workplace):
    searched = Search(n_evaluations=120, **TEMPERING).execute(workplace)
    workplace.done.append(Done(1, Search(), "search", searched))
    assert workplace.latest(("search",), {}) is searched
    assert workplace.latest(("search",), {"kind": "b"}) is searched
    assert workplace.latest(("search",), {"kind": "a"}) is None
    assert workplace.latest(("fit",), {}) is None
    fitted = Fit(n_starts=0).execute(workplace)  # which needs a start
    assert fitted.log_likelihood >= searched.log_likelihood


def test_a_result_that_fixed_more_is_no_start(workplace):
    narrow = SimpleNamespace(best={"x": 1.0, "kind": "b"})
    workplace.done.append(Done(1, Search(fix={"kind": "b"}), "search", narrow))
    assert workplace.latest(("search",), {}) is None
    assert workplace.latest(("search",), {"kind": "b"}) is narrow


def test_pictures_of_a_search(workplace, tmp_path):
    searched = Search(n_evaluations=60, **TEMPERING).execute(workplace)
    drawn = draw_pictures(workplace.folder, Done(1, Search(), "search", searched), is_new=True)
    assert [path.relative_to(tmp_path).as_posix() for path in drawn] == ["pictures/01-search.png"]
