import re

import numpy as np
import pytest

import wilks
from tests.unit.cli.test_config import configured, message_of, with_stages
from wilks.cli.folder import RunFolder
from wilks.cli.stages import Fit, Profile
from wilks.cli.terminal import Terminal
from wilks.cli.workplace import Done, Workplace

SPACE = wilks.Space(x=wilks.Real(-4, 4), y=wilks.Real(-4, 4), z=wilks.Real(-4, 4))


def log_likelihood(v):
    return -0.5 * ((v["x"] - 1) ** 2 + (v["y"] - np.sin(v["x"])) ** 2 + 2 * (v["z"] - v["y"]) ** 2)


PROBLEM = wilks.LikelihoodProblem(SPACE, log_likelihood, name="small")


@pytest.fixture
def workplace(tmp_path):
    with wilks.EvaluationLog() as log:
        yield Workplace(PROBLEM, RunFolder(tmp_path), log, wilks.SerialExecutor(), 1, Terminal(quiet=True))


def do(workplace, *stages):
    for number, stage in enumerate(stages, start=len(workplace.done) + 1):
        workplace.done.append(Done(number, stage, stage.heading(), stage.execute(workplace)))
    return [entry.result for entry in workplace.done]


def names_of(result):
    return [step.name for step in result.provenance.executed]


def profile_of(*over, grid=None, **more):
    return Profile(over=list(over), grid=grid, audit=0, **more)


def test_options_are_those_of_python():
    text = (
        "  - profile: {over: [x], options: {accuracy: 1e-5, inner: global, n_optima: [2, null], max_passes: 3}}\n"
        "  - profile: {over: [x], options: {n_optima: 4, max_starts: 9, accuracy: 1}}\n"
        "  - profile: {over: [x]}\n"
    )
    first, second, third = configured(with_stages(text)).stages
    assert first.options.made() == wilks.ProfileOptions(1e-5, "global", (2, None), None, 3)
    assert second.options.made() == wilks.ProfileOptions(1.0, n_optima=4, max_starts=9)
    assert third.options.made() == wilks.ProfileOptions()
    assert first.key(1) != third.key(1)


def test_options_survive_the_resolved_configuration():
    config = configured(with_stages("  - profile: {over: [x], options: {n_optima: [2, null]}}\n"))
    assert configured(config.resolved()).stages == config.stages


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{acuracy: 1}", "acuracy: unknown key, did you mean 'accuracy'?"),
        ("{accuracy: 0}", "accuracy: expected a positive log-likelihood, got 0.0"),
        ("{accuracy: fine}", "accuracy: expected a number, got 'fine'"),
        ("{inner: globl}", "inner: expected 'local' or 'global', got 'globl'"),
        ("{n_optima: [3, 2]}", "n_optima: the least, 3, is more than the most, 2"),
        ("{n_optima: 2.0}", "n_optima: expected a number of optima, or (least, most) with None for unknown, got 2.0"),
        ("{max_starts: -1}", "max_starts: expected a number >= 0 or None, got -1"),
        ("{max_passes: 1.5}", "max_passes: expected a whole number, got 1.5"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(options, expected):
    message = message_of(with_stages(f"  - profile: {{over: [x], options: {options}}}\n"))
    assert message == f"config.yaml:3: stages.0.profile.options.{expected}"


def test_options_reach_the_map(workplace):
    result = do(workplace, profile_of("x", grid=[9], options={"inner": "global", "max_starts": 2}))[-1]
    details = {step.name: step.detail for step in result.provenance.executed}
    assert "; 2 starts" in details["multi-start"]
    assert "differential evolution" in details["map"]


def test_a_more_accurate_map_takes_nothing_of_a_coarse_one_over(workplace):
    stages = [profile_of("x", grid=[9], options={"accuracy": 0.1}), *2 * [profile_of("x", grid=[9])]]
    coarse, accurate, same = do(workplace, *stages)
    assert ["handed over" in names_of(result) for result in (coarse, accurate, same)] == [False, False, True]
    taken = ["taken over" in step.detail for result in (accurate, same) for step in result.provenance.executed]
    assert sum(taken) == 1


def test_two_profiles_have_one_search_for_optima(workplace):
    fitted, first, second = do(workplace, Fit(), profile_of("x", grid=[9]), profile_of("y", "z", grid=[9, 9]))
    assert "handed over" not in names_of(first)
    assert "multi-start" in names_of(first)
    assert names_of(second)[0] == "handed over"
    assert "multi-start" not in names_of(second)
    assert second.log_likelihood == pytest.approx(fitted.log_likelihood, abs=1e-6)


def test_a_finer_grid_takes_the_nodes_of_a_coarse_one_over(workplace):
    (coarse,) = do(workplace, profile_of("x", grid=[17]))
    n_before = len(workplace.log)
    fine = do(workplace, profile_of("x", grid=[33]))[-1]
    evaluated = workplace.log.arrays()["thetas"][n_before:, 0]
    solved = coarse.in_roi
    np.testing.assert_array_equal(fine.log_likelihood_map[::2][solved], coarse.log_likelihood_map[solved])
    between = set(np.round(fine.axes["x"][1::2], 9))
    assert solved.sum() > 5
    assert set(np.round(evaluated, 9)) <= between
    assert len(evaluated) > 3
    (taken,) = [step.detail for step in fine.provenance.executed if step.name == "map"]
    assert int(re.search(r"(\d+) cells taken over", taken)[1]) >= solved.sum()


def test_a_profile_that_fixed_something_else_hands_nothing_over(workplace):
    stages = [profile_of("x", grid=[9]), profile_of("x", grid=[9], fix={"z": 3.0}), profile_of("y", grid=[9])]
    free, fixed, last = do(workplace, *stages)
    assert [names_of(result)[0] for result in (free, fixed, last)] == ["multi-start", "multi-start", "handed over"]
    assert fixed.log_likelihood < free.log_likelihood - 0.01
    assert last.log_likelihood == pytest.approx(free.log_likelihood, abs=1e-6)
    assert profile_of("y")._starts(workplace) == [free, last]
    assert profile_of("y", fix={"z": 3.0})._starts(workplace) == [fixed]
    again = do(workplace, profile_of("y", grid=[9], fix={"z": 3.0}))[-1]
    assert names_of(again)[0] == "handed over"
    assert again.log_likelihood == pytest.approx(fixed.log_likelihood, abs=1e-6)


def test_one_parameter_needs_no_grid(workplace):
    result = do(workplace, profile_of("x"))[-1]
    assert result.status.success
    assert len(result.axes["x"]) not in (15, 41)
    ((low, high, *_),) = result.intervals("x", 0.6827)
    assert (low, high) == pytest.approx((0.0, 2.0), abs=0.01)
