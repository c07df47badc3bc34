"""Results, statuses, errors, random generators and tables."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy import stats

import wilks
from wilks.core import encoding
from wilks.core.random import keyed_generator, resolve_seed
from wilks.core.result import Provenance, Result, Step
from wilks.core.status import Outcome, Status
from wilks.core.table import Table, show, with_error


@pytest.fixture
def result():
    return Result(
        space=wilks.Space(x=wilks.Real(0, 1), k=wilks.Categorical(["a", "b"])),
        status=Status(Outcome.CONVERGED, "12 starts."),
        best={"x": 0.5, "k": "b"},
        log_likelihood=-1.5,
        n_evaluations=10,
        stats={"seconds": 1.0, "counts": np.arange(3)},
        provenance=Provenance({"wilks": "0"}, 1, "p", "abc", (Step("search", "wide"),), "serial", "now", 0.1),
        log=object(),
    )


def test_result_survives_save_and_load_without_its_log(result, tmp_path):
    path = result.save(tmp_path / "result.wilks")
    again = wilks.load(path)
    assert path == tmp_path / "result.wilks"
    assert again.log is None
    assert (again.space, again.status, again.best) == (result.space, result.status, result.best)
    assert again.provenance == result.provenance
    np.testing.assert_array_equal(again.stats["counts"], result.stats["counts"])


def test_load_refuses_what_is_no_result(tmp_path):
    encoding.save({"x": 1}, tmp_path / "other")
    with pytest.raises(wilks.CheckpointError, match="other: expected a saved result, found a dict"):
        wilks.load(tmp_path / "other")


def test_kinds_of_result_can_be_defined_on_top():
    """A field with a default in the base must not forbid fields without one in the kinds."""
    from wilks.profiles.result import ProfileResult
    from wilks.solvers.result import FitResult

    assert issubclass(ProfileResult, Result)
    assert issubclass(FitResult, Result)


def test_result_cannot_be_changed(result):
    with pytest.raises(AttributeError):
        result.best = {}


@pytest.mark.parametrize("outcome", Outcome)
def test_status_speaks_in_sentences(outcome):
    assert outcome.value[0].isupper()
    assert outcome.value.endswith(".")
    assert Status(outcome).message == str(Status(outcome)) == outcome.value
    assert Status(outcome, "More.").message == f"{outcome.value} More."


def test_status_success():
    good = {outcome for outcome in Outcome if Status(outcome).success}
    assert good == {Outcome.CONVERGED, Outcome.TARGET_REACHED, Outcome.NO_IMPROVEMENT, Outcome.BUDGET_SPENT}


ERRORS = [
    (wilks.InvalidProblemError("m"), ValueError),
    (wilks.InvalidConfigurationError("m"), ValueError),
    (wilks.InvalidDataError("m"), ValueError),
    (wilks.EvaluationError("m", values={"x": 1}, traceback="Traceback", worker=3), RuntimeError),
    (wilks.CheckpointError("m"), OSError),
    (wilks.MissingDependencyError("profile under MPI", "mpi4py", "mpi"), ImportError),
]


@pytest.mark.parametrize(("error", "builtin"), ERRORS, ids=lambda v: getattr(v, "__name__", type(v).__name__))
def test_errors_have_both_bases_and_can_travel(error, builtin):
    assert isinstance(error, wilks.WilksError)
    assert isinstance(error, builtin)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert {k: v for k, v in vars(again).items() if k != "_given"} == {
            k: v for k, v in vars(error).items() if k != "_given"
        }


@pytest.mark.parametrize("kind", [wilks.FitFailedError, wilks.SearchFailedError])
def test_failed_errors_carry_the_result(result, kind):
    result = encoding.decode(encoding.encode(result.__class__(**{**vars(result), "log": None})))
    error = kind(result)
    assert isinstance(error, wilks.WilksError)
    assert isinstance(error, RuntimeError)
    assert str(error) == result.status.message
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.result.best == result.best


def test_messages_of_errors():
    error = wilks.EvaluationError("The likelihood failed.", values={"x": 1}, traceback="Traceback: here", worker=3)
    assert str(error) == "The likelihood failed.\n\nTraceback: here"
    assert (error.values, error.worker) == ({"x": 1}, 3)
    missing = wilks.MissingDependencyError("profile under MPI", "mpi4py", "mpi")
    assert str(missing) == "profile under MPI needs mpi4py: pip install 'wilks[mpi]'"


def test_keyed_generators_depend_on_seed_and_key_only():
    first = keyed_generator(1, 2, 3).random(4)
    keyed_generator(1, 2).random(100)
    np.testing.assert_array_equal(keyed_generator(1, 2, 3).random(4), first)
    keys = [(1,), (1, 0), (1, 2, 3), (1, 3, 2), (2, 2, 3), (0,), (1, 2), (1, 2, 0)]
    assert len({keyed_generator(*key).random() for key in keys}) == len(keys)


def test_keyed_generators_are_independent_of_each_other():
    draws = np.array([keyed_generator(5, k).random() for k in range(4000)])
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.05


def test_resolve_seed():
    assert resolve_seed(7) == 7
    assert type(resolve_seed(np.int64(7))) is int
    fresh = {resolve_seed(None) for _ in range(5)}
    assert len(fresh) == 5
    assert all(isinstance(seed, int) and seed >= 0 for seed in fresh)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, [1]])
def test_resolve_seed_refuses(seed):
    with pytest.raises(wilks.InvalidConfigurationError, match="seed: expected a non-negative integer or None, got"):
        resolve_seed(seed)


WITH_ERROR = [
    (0.277632, 0.014123, "0.278 ± 0.014"),
    (12345.6, 230.0, "12350 ± 230"),
    (1.5, math.nan, "1.5"),
    (1.5, 0.0, "1.5"),
    (1.5, -1.0, "1.5"),
    (1.5, math.inf, "1.5 ± inf"),
    (1.23456, 0.0998, "1.23 ± 0.10"),
    (1.23456, 0.0994, "1.235 ± 0.099"),
    (123.456, 9.96, "123 ± 10"),
    (123.456, 9.94, "123.5 ± 9.9"),
    (123.456, 1.0, "123.5 ± 1.0"),
    (0.5, 0.001, "0.5000 ± 0.0010"),
    (-0.0004, 0.01, "0.000 ± 0.010"),
    (1e-12, 1.234e-13, "1e-12 ± 1.2e-13"),
    (123456789.0, 12345678.0, "1.23457e+08 ± 1.2e+07"),
    (math.nan, 0.1, "nan ± 0.10"),
    (math.inf, 20.0, "inf ± 20"),
]


@pytest.mark.parametrize(("value", "error", "text"), WITH_ERROR)
def test_with_error(value, error, text):
    assert with_error(value, error) == text


def test_show():
    assert [show(v) for v in (1.23456789, 3, "a", None, True)] == ["1.23457", "3", "a", "None", "True"]


def test_table_as_text_and_html():
    table = Table("Title <1>", ("name", "value"), (("a", "1"), ("long & name", "22.5")), "A note.")
    lines = table.text().splitlines()
    assert lines == ["Title <1>", "name         value", "a                1", "long & name   22.5", "A note."]
    assert "<caption>Title &lt;1&gt;</caption>" in table.html()
    assert "<td>long &amp; name</td><td>22.5</td>" in table.html()
    assert table.html().endswith("<p>A note.</p>")
    assert Table("", ("a",), ()).text() == "a"
