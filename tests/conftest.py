"""Fixtures shared by the tests."""

import os
import shutil

import pytest

from tests.painting import do_not_paint

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; the test is skipped where there is none, and fails if CI promised one."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        reason = f"no browser on PATH ({', '.join(CHROMIUM_NAMES)}); tools/ensure-chromium.sh installs one"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def unpainted(monkeypatch):
    """Figures of reports are composed, but what they look like is one white pixel: for tests that read the words."""
    do_not_paint(monkeypatch)
