"""Which matrix of a beamline's file belongs to which bin of the map of q and angle.

Correlators number bins from 1 and write the matrices in the order of the bins that they were asked to process. Most
name a matrix by its place in this order (``c2_00001``, ``c2_00002``, ...), some by its bin (``c2_00007``). With all
bins processed the two are the same.

Names are sorted by the numbers in them: ``g2_2`` comes before ``g2_10``, which HDF5, sorting characters, lists first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def in_natural_order(names: Sequence[str]) -> list[str]:
    """Sort names by the numbers in them.

    Examples
    --------
    >>> in_natural_order(["g2_10", "g2_2"])
    ['g2_2', 'g2_10']
    """
    return sorted(names, key=lambda name: ([_part(text) for text in re.split(r"(\d+)", name)], name))


def order_note(names: Sequence[str]) -> list[str]:
    """A note if sorting by characters would give another order."""
    natural, plain = in_natural_order(names), sorted(names)
    if natural == plain:
        return []
    first = next(i for i, name in enumerate(natural) if name != plain[i])
    note = (
        f"The matrices are taken in the order of their numbers, {natural[first]} before {plain[first]}; a program that "
        "sorts the names by characters gives them other angles."
    )
    return [note]


def bins_of(path: str, listed: str, value: NDArray[np.float64]) -> NDArray[np.intp]:
    """Check a list of bins, counted from 1, and return it as integers.

    Raises
    ------
    InvalidDataError
        If it is none.
    """
    bins = np.rint(value).astype(np.intp) if np.isfinite(value).all() else np.zeros(len(value), np.intp)
    if not ((bins == value) & (bins >= 1)).all():
        raise InvalidDataError(f"{path}: {listed}: expected the numbers of bins, counted from 1, got {value[:8]}")
    if len(set(bins.tolist())) < len(bins):
        raise InvalidDataError(f"{path}: {listed}: expected every bin once, but some are listed twice: {value[:8]}")
    return bins


def names_of_bins(path: str, listed: str, names: Sequence[str], bins: NDArray[np.intp]) -> list[str]:
    """Name of the matrix of every bin, in the order of `bins`.

    Raises
    ------
    InvalidDataError
        If there are not as many names as bins.

    Examples
    --------
    >>> names_of_bins("run.h5", "processed_bins", ["c2_00001", "c2_00002"], np.array([4, 7]))
    ['c2_00001', 'c2_00002']
    >>> names_of_bins("run.h5", "processed_bins", ["c2_00007", "c2_00004"], np.array([7, 4]))
    ['c2_00007', 'c2_00004']
    """
    if len(names) != len(bins):
        raise InvalidDataError(
            f"{path}: {len(names)} matrices ({names[0]} to {names[-1]}), but {listed} lists {len(bins)} bins, so which "
            "matrix belongs to which q and angle is not known: was the correlation interrupted? Correlate it again"
        )
    ordered = in_natural_order(names)
    by_bin = {_last_number(name): name for name in ordered}
    counted = set(by_bin) == set(range(1, len(bins) + 1))
    if not counted and set(by_bin) == set(bins.tolist()):
        return [by_bin[number] for number in bins.tolist()]
    return ordered


def _last_number(name: str) -> int:
    found = re.findall(r"\d+", name)
    return int(found[-1]) if found else 0


def _part(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
