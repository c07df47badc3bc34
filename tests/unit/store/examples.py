"""A problem, and evaluations whose every number is known from their position."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np

import wilks
from wilks.core.proposal import Evaluations, EvaluationStatus, Phase

DIMENSION = 3


def make_problem(width: float = 1.0, name: str = "hill") -> wilks.LikelihoodProblem:
    space = wilks.Space(
        a=wilks.Real(0.0, 10.0 * width, unit="km/s"), b=wilks.Real(-5.0, 5.0), n=wilks.Integer(0, 100), offset=2.5
    )
    return wilks.LikelihoodProblem(space, lambda values: -values["a"], name=name)


def make_evaluations(start: int, n: int, *, payloads: bool = False) -> Evaluations:
    """Rows `start` to `start + n` of an endless table; every 7th row failed."""
    rows = np.arange(start, start + n)
    statuses = np.where(rows % 7 == 6, int(EvaluationStatus.FAILED), int(EvaluationStatus.OK)).astype(np.int8)
    return Evaluations(
        ids=rows.astype(np.int64),
        thetas=np.column_stack([rows / 1000.0, np.sin(rows), rows % 101]).astype(float).reshape(n, DIMENSION),
        phases=np.where(rows % 2, int(Phase.MAP), int(Phase.SEARCH)).astype(np.int8),
        log_likelihoods=np.where(statuses == 0, -rows / 1000.0, -np.inf),
        statuses=statuses,
        seconds=(rows / 8).astype(np.float32),
        workers=(rows % 5).astype(np.int32),
        payloads=[np.full(2 + row % 2, float(row)) if row % 3 else None for row in rows.tolist()] if payloads else None,
        errors={at: f"row {row} failed" for at, row in enumerate(rows.tolist()) if row % 7 == 6},
    )


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: what a full disk looks like, to one file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def assert_same(left: Evaluations | None, right: Evaluations | None) -> None:
    if left is None or right is None:
        assert left is right
        return
    for field in fields(Evaluations):
        if field.name not in ("payloads", "errors"):
            ours, theirs = getattr(left, field.name), getattr(right, field.name)
            assert ours.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
    assert left.errors == right.errors
    for ours, theirs in zip(*map(_payloads, (left, right)), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)


def _payloads(evaluations: Evaluations) -> list:
    """A list without a payload is the same as no list."""
    listed = evaluations.payloads or []
    return listed if any(payload is not None for payload in listed) else []
