"""Sample files as rows of a log, and the verbs that start from them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wilks
from tests.unit.store.examples import make_evaluations, make_problem, names_in
from wilks.core.errors import CheckpointError, InvalidConfigurationError, InvalidDataError
from wilks.core.proposal import Phase
from wilks.store import imports
from wilks.store.exports import export
from wilks.store.imports import Imported
from wilks.store.log import EvaluationLog
from wilks.store.samples import read_samples, write_samples

NAMES = ["a", "b", "n", "log_likelihood", "phase"]


def rows(n=5):
    at = np.arange(n)
    return np.column_stack([at / 10, np.sin(at), at % 101, -at / 4.0, at % 9 - 1]).astype(float)


@pytest.fixture
def bound(log):
    log.bind(make_problem())
    return log


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_rows_of_a_file_become_rows_of_the_log(bound, tmp_path, ending):
    table = rows()
    table[3, 3] = -np.inf
    path = write_samples(table, tmp_path / f"s{ending}")
    assert bound.import_samples(path) == Imported(5, 0, 0, 0)
    arrays = bound.arrays()
    np.testing.assert_allclose(arrays["thetas"], table[:, :3], rtol=1e-10)
    np.testing.assert_allclose(arrays["log_likelihoods"], table[:, 3], rtol=1e-10)
    assert arrays["phases"].tolist() == [-1, 0, 1, 2, 3]
    assert bound.counts() == {"ok": 4, "excluded": 1, "failed": 0, "violated": 0, "lost": 0}
    assert (len(bound), bound.n_imported) == (5, 5)
    assert bound.best() == ({"a": 0.0, "b": 0.0, "n": 0, "offset": 2.5}, 0.0)
    (stage,) = bound.stages()
    assert (stage.title, stage.finished) == (f"samples of s{ending}", True)
    assert "5 evaluations of 'hill', 5 of them imported" in repr(bound)


def test_a_file_is_imported_once(bound, tmp_path):
    path = write_samples(rows(), tmp_path / "s.csv")
    bound.import_samples(path)
    assert bound.import_samples(path) == Imported(0, 5, 0, 0)
    assert bound.import_samples(path.rename(tmp_path / "copy.csv")) == Imported(0, 5, 0, 0)
    assert len(bound) == 5
    assert bound.import_samples(write_samples(rows(6), tmp_path / "more.csv")) == Imported(6, 0, 0, 0)
    assert len(bound) == 11


def test_an_import_that_was_killed_goes_on(bound, tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "BLOCK_ROWS", 4)
    path = write_samples(rows(10), tmp_path / "s.h5")
    whole = imports.SampleImport.batches

    def killed(self, n_done):
        yield from list(whole(self, n_done))[:1]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(imports.SampleImport, "batches", killed)
        with pytest.raises(KeyboardInterrupt):
            bound.import_samples(path)
    assert (len(bound), bound.stages()[0].finished) == (4, False)
    assert bound.import_samples(path) == Imported(6, 4, 0, 0)
    assert bound.stages()[0].finished
    np.testing.assert_array_equal(bound.arrays()["thetas"], rows(10)[:, :3])


def test_evaluations_and_samples_share_a_log(bound, tmp_path):
    bound.stage("1", "First").commit(make_evaluations(0, 7))
    bound.import_samples(write_samples(rows(), tmp_path / "s.h5"))
    assert (len(bound), bound.n_imported) == (12, 5)
    assert bound.arrays()["stages"].tolist() == [0] * 7 + [1] * 5


def test_a_log_that_belongs_to_no_problem(log, tmp_path):
    path = write_samples(rows(), tmp_path / "s.h5")
    with pytest.raises(CheckpointError, match=r"belongs to no problem yet; call import_samples\(path, problem\)"):
        log.import_samples(path)
    log.import_samples(path, make_problem())
    assert len(log) == 5
    with pytest.raises(CheckpointError, match="belongs to another problem"):
        log.import_samples(path, make_problem(width=2.0))


def test_columns_of_a_restricted_problem(bound, tmp_path):
    table = rows()[:, [0, 2, 3, 4]]
    path = write_samples(table, tmp_path / "s.csv")
    restricted = make_problem().fix(b=0.25)
    assert bound.import_samples(path, restricted).n_imported == 5
    np.testing.assert_allclose(bound.arrays()["thetas"][:, [0, 2]], table[:, :2], rtol=1e-10)
    assert (bound.arrays()["thetas"][:, 1] == 0.25).all()
    assert bound.import_samples(path, make_problem().fix(b=0.5)).n_imported == 5


def test_columns_are_found_by_name(bound, tmp_path):
    path = write_samples(
        rows()[:, [2, 0, 1, 3, 4]], tmp_path / "s.h5", names=["n", "a", "b", "log_likelihood", "phase"]
    )
    bound.import_samples(path)
    np.testing.assert_array_equal(bound.arrays()["thetas"], rows()[:, :3])
    path = write_samples(rows(), tmp_path / "other.h5", names=["a", "b", "c", "log_likelihood", "phase"])
    with pytest.raises(InvalidDataError, match=r"other\.h5: holds the parameters a, b, c; expected a, b, n"):
        bound.import_samples(path)


def test_a_file_without_phases(bound, tmp_path):
    bound.import_samples(write_samples(rows()[:, :4], tmp_path / "s.csv"))
    assert bound.arrays()["phases"].tolist() == [int(Phase.UNKNOWN)] * 5


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_a_half_written_row_is_counted(bound, tmp_path, ending):
    path = write_samples(rows(), tmp_path / f"s{ending}")
    path.write_bytes(path.read_bytes()[:-5])
    if ending == ".h5":
        with pytest.raises(InvalidDataError, match="truncated"):
            bound.import_samples(path)
    else:
        assert bound.import_samples(path) == Imported(4, 0, 0, 1)


WRONG_ROWS = {
    "NaN": (0, np.nan, "row 3: a is nan"),
    "infinity": (1, -np.inf, "row 3: b is -inf"),
    "outside": (0, 10.1, r"row 3: a is 10\.1, expected a number in \[0, 10\]"),
    "no integer": (2, 3.5, r"row 3: n is 3\.5, expected one of 101 numbers in \[0, 100\]"),
    "outside of the integers": (2, -1.0, "row 3: n is -1, expected one of 101"),
    "no log-likelihood": (3, np.nan, "row 3: the log-likelihood is nan"),
    "an infinite log-likelihood": (3, np.inf, "row 3: the log-likelihood is inf"),
    "no phase": (4, 0.5, r"row 3: the phase is 0\.5, expected a whole number .is this a file of another"),
    "a phase far off": (4, 1000.0, "row 3: the phase is 1000"),
    "NaN as a phase": (4, np.nan, "row 3: the phase is nan"),
}


@pytest.mark.parametrize("ending", [".csv", ".h5"])
@pytest.mark.parametrize("what", WRONG_ROWS)
def test_rows_that_are_not_of_the_problem(bound, tmp_path, what, ending):
    column, number, message = WRONG_ROWS[what]
    table = rows(6)
    table[[2, 4], column] = number
    path = write_samples(table, tmp_path / f"s{ending}")
    with pytest.raises(InvalidDataError, match=rf"s\{ending}: 2 of 6 rows cannot be imported; the first is {message}"):
        bound.import_samples(path)
    assert (len(bound), bound.stages()) == (0, [])
    assert bound.import_samples(path, skip_invalid=True) == Imported(4, 0, 2, 0)
    np.testing.assert_allclose(bound.arrays()["thetas"], table[[0, 1, 3, 5], :3], rtol=1e-10)


def test_files_with_nothing_to_import(bound, tmp_path):
    (tmp_path / "none.csv").touch()
    write_samples(np.empty((0, 5)), tmp_path / "none.h5")
    for name in ("none.csv", "none.h5"):
        with pytest.raises(InvalidDataError, match=rf"{name}: holds no row that can be imported"):
            bound.import_samples(tmp_path / name)
    path = write_samples(np.full((3, 5), np.nan), tmp_path / "nan.csv")
    with pytest.raises(InvalidDataError, match="holds no row that can be imported; the first is row 1: a is nan"):
        bound.import_samples(path, skip_invalid=True)
    assert bound.stages() == []


def test_files_that_cannot_be_imported(bound, tmp_path):
    path = write_samples(rows()[:, :3], tmp_path / "s.csv")
    with pytest.raises(
        InvalidDataError, match=r"expected 5 columns \(a, b, n, log_likelihood, phase\), or one .* got 3"
    ):
        bound.import_samples(path)
    with pytest.raises(InvalidDataError, match=r"no\.csv: cannot be read: No such file"):
        bound.import_samples(tmp_path / "no.csv")
    with pytest.raises(InvalidConfigurationError, match=r"expected the name of a sample file, .* got '\.parquet'"):
        bound.import_samples(tmp_path / "s.parquet")


def test_a_log_that_is_only_read(tmp_path):
    with EvaluationLog(tmp_path / "run.sqlite") as log:
        log.bind(make_problem())
    path = write_samples(rows(), tmp_path / "s.csv")
    with (
        EvaluationLog(tmp_path / "run.sqlite", read_only=True) as log,
        pytest.raises(CheckpointError, match="read_only=True and cannot be written"),
    ):
        log.import_samples(path)


SPACE = wilks.Space(
    x=wilks.Real(1 / 3, np.pi),
    y=wilks.Real(1e-7 / 3, 1e5 / 7, scale="log"),
    g=wilks.Grid([0.1, 1 / 3, 2.0]),
    e=wilks.Grid(np.linspace(0.0, 0.7, 11)),
    n=wilks.Integer(-3, 4),
    c=wilks.Categorical(["u", "v"]),
)
WITH_TEXT = wilks.LikelihoodProblem(SPACE, lambda values: 0.0, name="every kind")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 6), min_size=1, max_size=4))
def test_every_point_of_a_space_survives_the_rounding_of_text(tmp_path, units):
    thetas = SPACE.from_unit(np.array(units))
    table = np.column_stack([thetas, -np.ones(len(units)), np.zeros(len(units))])
    for name in ("s.csv", "s.h5"):
        with EvaluationLog() as log:
            log.import_samples(write_samples(table, tmp_path / name, overwrite=True), WITH_TEXT)
            back = log.arrays()["thetas"]
            np.testing.assert_allclose(back, thetas, rtol=1e-10, atol=0)
            discrete = ~SPACE.is_continuous
            np.testing.assert_array_equal(back[:, discrete], thetas[:, discrete])
            for row in back:
                SPACE.to_theta(SPACE.to_values(row))  # raises outside of the space


def test_an_export_is_imported(tmp_path):
    problem = make_problem()
    with EvaluationLog() as log, EvaluationLog() as other:
        log.bind(problem)
        log.stage("1", "First").commit(make_evaluations(0, 100))
        other.import_samples(export(log, tmp_path / "s.h5"), problem)
        for name in ("thetas", "log_likelihoods", "phases"):
            np.testing.assert_array_equal(log.arrays()[name], other.arrays()[name])


def two_peaks():
    """A narrow peak far from a wide one, which every start runs to."""

    def log_likelihood(v):
        wide = -0.5 * ((v["a"] + 2) ** 2 + v["b"] ** 2 + v["c"] ** 2) / 4
        narrow = 10 - 0.5 * ((v["a"] - 7) ** 2 + (v["b"] - 7) ** 2 + (v["c"] - 7) ** 2) / 0.02**2
        return max(wide, narrow)

    return wilks.LikelihoodProblem(wilks.Space({n: wilks.Real(-10, 10) for n in "abc"}), log_likelihood, name="peaks")


@pytest.fixture
def from_peak(tmp_path):
    """A log of the two peaks with a sample near the narrow one, among thousands of worse ones near the wide one."""
    problem = two_peaks()
    at = np.random.default_rng(1).normal(size=(3000, 3)) - [2, 0, 0]
    values = [problem.log_likelihood(dict(zip("abc", row, strict=True))) for row in at]
    good = [7.003, 6.998, 7.001]
    best = problem.log_likelihood(dict(zip("abc", good, strict=True)))
    path = write_samples(np.vstack([np.column_stack([at, values]), [*good, best]]), tmp_path / "s.h5")
    log = EvaluationLog()
    log.import_samples(path, problem)
    return log


@pytest.mark.parametrize(
    "verb",
    [
        lambda problem, log: wilks.fit(problem, log=log, seed=1, callbacks=[]),
        lambda problem, log: wilks.profile(problem, over="a", grid=[15], audit=0, log=log, seed=1, callbacks=[]),
        lambda problem, log: wilks.search(problem, n_evaluations=300, log=log, seed=1, callbacks=[]),
    ],
    ids=["fit", "profile", "search"],
)
def test_verbs_start_from_imported_samples_and_count_none_of_them(from_peak, verb):
    problem = two_peaks()
    cold = verb(problem, EvaluationLog())
    n_before = len(from_peak)
    warm = verb(problem, from_peak)
    assert cold.log_likelihood < 1
    assert warm.log_likelihood > 9.9
    assert warm.best["a"] == pytest.approx(7, abs=0.01)
    assert warm.n_evaluations == len(from_peak) - n_before
    assert from_peak.n_imported == n_before
    assert problem.log_likelihood(warm.best) == warm.log_likelihood


def test_a_value_that_a_file_claims_is_no_sample(tmp_path):
    space = wilks.Space(x=wilks.Real(-2, 2), y=wilks.Real(-2, 2))
    problem = wilks.LikelihoodProblem(space, lambda v: -(v["x"] ** 2) - v["y"] ** 2, name="bowl")
    log = EvaluationLog()
    log.import_samples(write_samples(np.array([[1.0, 1.0, 3.0]]), tmp_path / "s.csv"), problem)
    found = wilks.sample_volume(problem, log=log, n_walkers=20, n_steps=5, seed=1, callbacks=[])
    assert found.log_likelihood == pytest.approx(0, abs=1e-6)
    assert found.log_likelihoods.max() <= 0


def test_points_apart_show_every_peak(from_peak):
    top = from_peak.top(5, apart=0.1)
    np.testing.assert_allclose(top[0], [7.003, 6.998, 7.001])
    units = two_peaks().space.to_unit(top)
    for i in range(len(top)):
        for j in range(i):
            assert np.abs(units[i] - units[j]).max() > 0.1
    values = [two_peaks().log_likelihood(dict(zip("abc", row, strict=True))) for row in top]
    assert values == sorted(values, reverse=True)
    assert len(top) == 5
    np.testing.assert_array_equal(from_peak.top(1, apart=0.1), from_peak.top(1))
    assert len(from_peak.top(5, apart=0.999)) == 1
    with pytest.raises(InvalidConfigurationError, match=r"expected a distance in \[0, 1\), got 1"):
        from_peak.top(5, apart=1)


def test_points_apart_from_a_log_in_blocks(bound, tmp_path, monkeypatch):
    bound.import_samples(write_samples(rows(), tmp_path / "s.h5"))
    whole = next(iter(bound._backend.blocks()))
    pieces = [{name: column[i : i + 1] for name, column in whole.items()} for i in range(5)]
    expected = bound.top(3, apart=0.02)
    monkeypatch.setattr(bound._backend, "blocks", lambda: iter(pieces))
    np.testing.assert_array_equal(bound.top(3, apart=0.02), expected)
    monkeypatch.setattr(bound._backend, "blocks", lambda: iter([]))
    assert bound.top(3, apart=0.02).shape == (0, 3)


def test_nothing_is_left_beside_a_sample_file(bound, tmp_path):
    folder = tmp_path / "samples"
    bound.import_samples(write_samples(rows(), folder / "s.csv"))
    assert names_in(folder) == ["s.csv"]
    assert len(read_samples(folder / "s.csv")) == 5
