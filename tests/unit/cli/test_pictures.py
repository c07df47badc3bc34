import pytest

import wilks
from wilks.cli.folder import RunFolder
from wilks.cli.pictures import draw_pictures
from wilks.cli.stages import Fit, Profile
from wilks.cli.workplace import Done

SPACE = wilks.Space(a=wilks.Real(-3, 3), b=wilks.Real(-3, 3))
PROBLEM = wilks.LikelihoodProblem(SPACE, lambda v: -0.5 * (v["a"] ** 2 + (v["b"] - v["a"]) ** 2))


@pytest.fixture(scope="module")
def fit():
    return Done(1, Fit(), "fit", wilks.fit(PROBLEM, n_starts=3, seed=1, callbacks=()))


@pytest.fixture(scope="module")
def profile():
    result = wilks.profile(PROBLEM, over="a", grid=[9], audit=0, seed=1, callbacks=())
    return Done(2, Profile(over=["a"]), "profile of a", result)


def test_what_is_drawn(tmp_path, fit, profile):
    folder = RunFolder(tmp_path)
    drawn = [*draw_pictures(folder, fit, is_new=True), *draw_pictures(folder, profile, is_new=True)]
    assert [path.relative_to(tmp_path).as_posix() for path in drawn] == [
        "pictures/01-fit.png",
        "pictures/01-fit-starts.png",
        "pictures/02-profile-of-a.png",
        "pictures/02-profile-of-a-argmax.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_an_old_result_gets_what_is_missing(tmp_path, profile):
    folder = RunFolder(tmp_path)
    first, second = draw_pictures(folder, profile, is_new=True)
    first.unlink()
    assert draw_pictures(folder, profile, is_new=False) == [first]
    assert draw_pictures(folder, profile, is_new=True) == [first, second]
