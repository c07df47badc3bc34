"""The stage `fit` of a configuration: its options reach the verb, and what is wrong is named with its place."""

import pytest

import wilks
from tests.unit.cli.test_config import configured, message_of, with_stages
from wilks.cli.folder import RunFolder
from wilks.cli.stages import Fit
from wilks.cli.terminal import Terminal
from wilks.cli.workplace import Workplace
from wilks.verbs.fit_options import FitOptions

SPACE = wilks.Space(x=wilks.Real(-4, 4), y=wilks.Real(-4, 4))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -((v["x"] - 1) ** 2) - (v["y"] - v["x"]) ** 2, name="small")


@pytest.fixture
def workplace(tmp_path):
    with wilks.EvaluationLog() as log:
        yield Workplace(PROBLEM, RunFolder(tmp_path), log, wilks.SerialExecutor(), 1, Terminal(quiet=True))


def test_options_are_those_of_python():
    text = (
        "  - fit: {options: {method: screening, design: sobol, n_screened: 64, n_refined: 4, x_scale: {x: 1e-2}}}\n"
        "  - fit: {options: {method: cma_es, n_restarts: 1, sigma_known: false, projection: full}}\n"
        "  - fit: {}\n"
    )
    first, second, third = configured(with_stages(text)).stages
    assert first.options.made() == FitOptions("screening", "sobol", 64, 4, x_scale={"x": 0.01})
    assert second.options.made() == FitOptions("cma_es", n_restarts=1, sigma_known=False, projection="full")
    assert third.options.made() == FitOptions()
    assert len({stage.key(1) for stage in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{options: {metod: local}}", "options.metod: unknown key, did you mean 'method'?"),
        (
            "{options: {method: multistart}}",
            (
                "options.method: expected one of 'multi_start', 'screening', 'cma_es', 'local', 'auto', "
                "got 'multistart'; did you mean 'multi_start'?"
            ),
        ),
        ("{options: {n_refined: many}}", "options.n_refined: expected a whole number, got 'many'"),
        (
            "{options: {n_screened: 5}}",
            "options.n_screened: only method='screening' uses it, got method='multi_start'",
        ),
        ("{options: {x_scale: {x: -1.0}}}", "options.x_scale: expected a positive number for 'x', got -1.0"),
        (
            "{n_starts: 3, options: {method: local}}",
            "n_starts: only the method multi_start makes random starts, the method of this stage is local",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(settings, expected):
    message = message_of(with_stages(f"  - fit: {settings}\n"))
    assert message == f"config.yaml:3: stages.0.fit.{expected}"


def test_a_scale_names_a_parameter_of_the_problem():
    stage = Fit(options={"x_scale": {"x": 1.0}}, fix={"y": 0.0})
    assert list(stage.mentions()) == [(("options", "x_scale", "x"), "x", None), (("fix", "y"), "y", 0.0)]


def test_options_reach_the_fit(workplace):
    stage = Fit(options={"method": "screening", "n_screened": 30, "n_refined": 2})
    result = stage.execute(workplace)
    assert [step.name for step in result.provenance.executed] == ["screening", "refinement"]
    assert result.stats["n_screened"] == 30
    assert result.best == pytest.approx({"x": 1.0, "y": 1.0}, abs=1e-4)
    assert stage.heading() == "fit by screening"
    assert Fit().heading() == "fit"
