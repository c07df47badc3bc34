import re
from dataclasses import replace

import numpy as np

import wilks
from wilks.report import write_report


def report_of(result, tmp_path):
    return write_report(tmp_path / "report.html", [("the volume", result)], title="t").read_text("utf-8")


def sampled(log_likelihood=lambda v: -0.5 * (v["x"] ** 2 + v["y"] ** 2 + v["z"] ** 2)):
    space = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5), z=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, log_likelihood)
    return wilks.sample_volume(problem, n_walkers=20, n_steps=6, seed=1, callbacks=())


def test_the_section_of_a_volume(tmp_path):
    result = sampled()
    text = report_of(result, tmp_path)
    assert "6 of 6 steps of 20 walkers." in text
    assert f"Volume: {result.n_in_band} samples" in text
    assert "Samples over all pairs of parameters" in text
    assert "data:image/png;base64" in text
    assert "they are no posterior" in text
    assert re.search(r"moves that were accepted</th><td>\d+\.\d %", text)
    _, counts = result.histogram
    for count in counts.tolist():
        assert f"<td>{count}</td>" in text


def test_two_parameters_are_one_panel(tmp_path, unpainted):
    space = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5))
    problem = wilks.LikelihoodProblem(space, lambda v: -0.5 * (v["x"] ** 2 + v["y"] ** 2))
    result = wilks.sample_volume(problem, n_walkers=20, n_steps=6, seed=1, callbacks=())
    assert "Samples of the region of interest, coloured by log-likelihood." in report_of(result, tmp_path)


def test_the_section_of_a_skipped_volume(tmp_path):
    text = report_of(sampled(lambda v: -np.inf), tmp_path)
    assert "Volume sampling was skipped" in text
    assert "There are no samples." in text
    assert "<figure>" not in text


def test_a_warning_is_shown(tmp_path, unpainted):
    assert "the start was not the maximum" in report_of(replace(sampled(), best_drift=1.0), tmp_path)
