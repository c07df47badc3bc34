import json

import h5py
import numpy as np
import pytest

import wilks
from tests.unit.cli.test_config import configured, message_of, with_stages
from wilks.cli.folder import RunFolder
from wilks.cli.pictures import draw_pictures
from wilks.cli.stages import Compare, Fit, Profile, Volume
from wilks.cli.terminal import Terminal
from wilks.cli.workplace import Done, Workplace

SPACE = wilks.Space(x=wilks.Real(-5, 5), y=wilks.Real(-5, 5))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -0.5 * ((v["x"] - 1) ** 2 + (v["y"] - v["x"]) ** 2), name="small")
QUICK = {"n_walkers": 20, "n_steps": 6}


@pytest.fixture
def workplace(tmp_path):
    with wilks.EvaluationLog() as log:
        yield Workplace(PROBLEM, RunFolder(tmp_path), log, wilks.SerialExecutor(), 1, Terminal(quiet=True))


def do(workplace, *stages):
    for number, stage in enumerate(stages, start=len(workplace.done) + 1):
        workplace.done.append(Done(number, stage, stage.heading(), stage.execute(workplace)))
    return workplace.done[-1].result


def test_settings_and_headings():
    text = "  - volume: {n_walkers: 50, options: {sigma_fraction: 0.2}, fix: {y: 1.0}}\n  - volume:\n"
    first, second = configured(with_stages(text)).stages
    assert first == Volume(n_walkers=50, options={"sigma_fraction": 0.2}, fix={"y": 1.0})
    assert (first.heading(), second.heading()) == ("volume with y=1.0", "volume")
    assert (second.roi_threshold, second.n_walkers, second.n_steps, second.samples) == (None, 1000, 30, None)
    assert wilks.VolumeOptions(**second.options.model_dump()) == wilks.VolumeOptions()
    assert first.key(1) != second.key(1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{n_walker: 5}", "n_walker: unknown key, did you mean 'n_walkers'?"),
        ("{n_steps: 0}", "n_steps: expected a number > 0, got 0"),
        ("{options: {sigma: 0.1}}", "options.sigma: unknown key"),
        ("{options: {sigma_fraction: 2}}", "options.sigma_fraction: expected a number <= 1, got 2"),
        ("{samples: samples.xlsx}", "samples: samples.xlsx: expected the name of a sample file"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(settings, expected):
    message = message_of(with_stages(f"  - volume: {settings}\n"))
    assert message.startswith(f"config.yaml:3: stages.0.volume.{expected}")


def test_it_begins_from_all_profiles_that_agree(workplace):
    profiles = [Profile(over=["x"], grid=[9], roi_threshold=5.0, audit=0), Profile(over=["y"], grid=[9], audit=0)]
    narrow = Profile(over=["x"], grid=[9], roi_threshold=8.0, fix={"y": 3.0}, audit=0)
    result = do(workplace, Fit(), *profiles, narrow, Volume(**QUICK))
    assert result.roi_threshold == 5.0
    assert [len(workplace.every(("profile",), fixed)) for fixed in ({}, {"y": 3.0})] == [2, 1]
    assert result.stats["n_optima"] == 1
    assert "n_starts" not in result.stats or result.stats["n_starts"] < 3  # the optima are known


def test_it_begins_from_a_fit_or_from_values(workplace):
    assert do(workplace, Fit(), Volume(**QUICK)).stats["n_starts"] == 1
    assert do(workplace, Volume(start={"x": 1.0, "y": 1.0}, **QUICK)).stats["n_starts"] > 1


def test_samples_and_summary_are_written(workplace, tmp_path):
    result = do(workplace, Volume(samples="out/volume.h5", **QUICK))
    with h5py.File(tmp_path / "out" / "volume.h5") as file:
        np.testing.assert_array_equal(file["samples"][:, :2], result.samples)
    assert json.loads((tmp_path / "out" / "volume.json").read_text())["n_walkers"] == 20
    do(workplace, Volume(samples="out/volume.h5", **QUICK))


def test_a_picture_is_drawn_and_intervals_are_compared_without_it(workplace, tmp_path):
    do(workplace, Fit(), Volume(**QUICK), Compare())
    assert "volume" not in repr(workplace.done[-1].result)
    drawn = draw_pictures(workplace.folder, workplace.done[1], is_new=True)
    assert [path.relative_to(tmp_path).as_posix() for path in drawn] == ["pictures/02-volume.png"]
