"""What every test, doctest and documentation example shares."""

import contextlib
import gc
import os
import signal
import tempfile
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from importlib.util import find_spec
from typing import Any

import hypothesis
import pytest
import sybil
from sybil.parsers.myst import DocTestDirectiveParser, PythonCodeBlockParser, SkipParser
from xdist.scheduler import LoadScopeScheduling

# In force because nothing above loads NumPy: the test workers, and the workers that they start, share the cores.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# A shell that starts a job in the background lets it ignore Ctrl-C, and so would all processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Every run draws the same examples: a failure on one machine is a failure on all.
hypothesis.settings.register_profile("wilks", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("wilks")

# Modules that need an extra at import; their doctests run where the extra is installed.
_NEEDS = {
    "src/wilks/evaluation/dask.py": "distributed",
    "src/wilks/evaluation/mpi.py": "mpi4py",
    "src/wilks/samplers/nuts.py": "numpyro",
    "src/wilks/solvers/autodiff.py": "jax",
    "src/wilks/xpcs/kernel_numba.py": "numba",
    "src/wilks/xpcs/kernel_numba_tables.py": "numba",
}
collect_ignore = [path for path, package in _NEEDS.items() if find_spec(package) is None]
collect_ignore.append("docs/conf.py")


def _enter_scratch_folder(namespace: dict[str, Any]) -> None:
    """Give one document an empty working folder, and a module name that its functions can be pickled under."""
    stack = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(contextlib.chdir(folder))
    namespace.update(__name__="__main__", _scratch_folder=stack)


def _leave_scratch_folder(namespace: dict[str, Any]) -> None:
    namespace["_scratch_folder"].close()


# Blocks marked ```python in README.md and docs/ are run, from top to bottom of a page, in one namespace.
# The line <!-- skip: next --> before a block leaves it out.
_FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE
pytest_collect_file = sybil.Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=_FLAGS), DocTestDirectiveParser(_FLAGS), SkipParser()],
    patterns=["*.md"],
    excludes=["CHANGELOG.md", "CONTRIBUTING.md", "VISION.md"],
    setup=_enter_scratch_folder,
    teardown=_leave_scratch_folder,
).pytest()


class _WholeFiles(LoadScopeScheduling):
    """Distribute whole files: the tests of one share what they prepare, the blocks of a page share a namespace."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Replace the scheduler of pytest-xdist, which would send tests of one file to different workers."""
    return _WholeFiles(config, log)


def pytest_collection_finish() -> None:
    """Leave what was loaded and collected out of later garbage collections, which would look through it each time."""
    gc.collect()
    gc.freeze()
