"""A log of each kind."""

import pytest

from wilks.store.log import EvaluationLog


@pytest.fixture(params=["memory", "file"])
def log(request, tmp_path):
    with EvaluationLog(None if request.param == "memory" else tmp_path / "run.sqlite") as made:
        yield made
