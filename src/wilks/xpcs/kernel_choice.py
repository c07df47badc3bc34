"""Which kernel makes the passes of a fit, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from wilks.core.errors import InvalidConfigurationError, MissingDependencyError
from wilks.xpcs import kernel_blocks

# Measured on one core at 2 GHz (benchmarks/xpcs_kernel.py): what a pair costs in a full pass.
_NS_NUMPY, _NS_NUMBA = 18.0, 4.5

# CPU time to import numba and read compiled code from its cache, and to compile where there is none.
_IMPORT_SECONDS, _COMPILE_SECONDS = 0.9, 14.0


@dataclass(frozen=True)
class Kernel:
    """An implementation of the pass.

    Attributes
    ----------
    name
        ``"numpy"`` or ``"numba"``.
    reason
        Why it was chosen, for people.
    """

    name: str
    reason: str


NUMPY = Kernel("numpy", "it needs nothing to be compiled")


def choose_kernel(n_pairs_total: int, n_passes: int, *, has_flow: bool = True, force: str | None = None) -> Kernel:
    """Choose what is the quicker one altogether, with what numba takes to be loaded.

    Parameters
    ----------
    n_pairs_total
        Number of pairs of all angles.
    n_passes
        Expected number of passes.
    has_flow
        Is there shear? Without it there is nothing to compile.
    force
        The name of a kernel, to have no choice.

    Raises
    ------
    InvalidConfigurationError
        If there is no kernel of that name.
    MissingDependencyError
        If numba is asked for and not installed.

    Examples
    --------
    >>> choose_kernel(100_000, 20).name
    'numpy'
    """
    if force is not None:
        _check(force)
    if not has_flow:
        return Kernel(
            "numpy", "without flow the model is the same for all angles, and matrix products are the quickest"
        )
    if force is not None:
        return Kernel(force, "asked for")
    if find_spec("numba") is None:
        return Kernel("numpy", "numba is not installed (pip install 'wilks[fast]')")
    work = n_pairs_total * n_passes
    compiled = is_compiled()
    overhead = _IMPORT_SECONDS + (0.0 if compiled else _COMPILE_SECONDS)
    saved = work * (_NS_NUMPY - _NS_NUMBA) * 1e-9
    how = "load" if compiled else "compile"
    text = (
        f"{work:.1e} pairs in all passes: compiled code saves about {saved:.1f} s and takes {overhead:.1f} s to {how}"
    )
    if not compiled and not _may_keep():
        text += "; compiled code cannot be kept beside the package, which this user may not write to"
    return Kernel("numba" if saved > overhead else "numpy", text)


def is_compiled() -> bool:
    """Is there compiled code of an earlier run beside the module, where numba leaves it if it may?"""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return any(_folder().glob(f"kernel_numba._full_blocks_{compiled_from()}-*.{python}.nbi"))


def compiled_from() -> str | None:
    """Digest of what compiled code is made of: functions, and constants that are in memory; None without sources."""
    constants = {
        name: getattr(item, "_fields", item)
        for name, item in vars(kernel_blocks).items()
        if name.isupper() or hasattr(item, "_fields")
    }
    digest = sha256(repr(sorted(constants.items())).encode())
    try:
        for name in ("kernel_numba", "kernel_numba_tables"):
            digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    except OSError:
        return None
    return digest.hexdigest()[:12]


def _folder() -> Path:
    return Path(__file__).parent / "__pycache__"


def _may_keep() -> bool:
    folder = _folder()
    return os.access(folder if folder.exists() else folder.parent, os.W_OK)


def _check(name: str) -> None:
    if name not in ("numpy", "numba"):
        raise InvalidConfigurationError(f"kernel: expected 'numpy' or 'numba', got {name!r}")
    if name == "numba" and find_spec("numba") is None:
        raise MissingDependencyError("the kernel 'numba'", "numba", "fast")
