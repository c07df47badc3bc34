"""Everything before the first step of a fit: the data read, folded and thinned out, scaling and noise settled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wilks.core.errors import InvalidDataError
from wilks.evaluation.executors import n_usable_cores
from wilks.xpcs.coarse import coarsen, joined
from wilks.xpcs.fold_report import FoldReport
from wilks.xpcs.folding import fold
from wilks.xpcs.gram import choose_kernel
from wilks.xpcs.model import Geometry
from wilks.xpcs.quantiles import quantile_scaling
from wilks.xpcs.scaling import CONTRAST_BOUNDS, OFFSET_BOUNDS, LinearBlock, linear_block
from wilks.xpcs.strategy import choose_strategy
from wilks.xpcs.sums import PairSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wilks.core.parameter import Real
    from wilks.core.space import Space
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData
    from wilks.xpcs.gram import Kernel
    from wilks.xpcs.options import FitOptions
    from wilks.xpcs.pairs import CoarsePairs, Pairs
    from wilks.xpcs.parameters import Mode
    from wilks.xpcs.scaling import Scaling
    from wilks.xpcs.strategy import Strategy

PASSES_OF_A_VERB = 300
"""Passes that the smallest profile takes, or another verb that calls chi-squared of all data."""
_PASSES = 8
"""Passes over the data that a fit takes, about."""
_FINE, _SCREEN = (96, 48), (24, 24)
"""Rows and lags of the subset that starts are refined on, and of the one that they are screened on."""


@dataclass(frozen=True, eq=False)
class Question:
    """What was asked for, checked.

    Attributes
    ----------
    space
        The physical parameters.
    boxes
        Boxes of contrast and offset that were given, by name.
    """

    mode: Mode
    space: Space
    boxes: dict[str, Real]
    scaling: Scaling
    convention: Convention
    options: FitOptions

    @property
    def bounds(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Bounds of contrast and offset."""
        contrast, offset = self.boxes.get("contrast"), self.boxes.get("offset")
        return (
            CONTRAST_BOUNDS if contrast is None else (contrast.lower, contrast.upper),
            OFFSET_BOUNDS if offset is None else (offset.lower, offset.upper),
        )

    def angle_weights(self, used: NDArray[np.intp]) -> NDArray[np.float64]:
        """Weights of the used angles: those that were given, else 1."""
        given = self.options.weights
        return np.asarray(given)[used] if isinstance(given, tuple) else np.ones(len(used))


@dataclass(frozen=True, eq=False)
class Source:
    """Folded pairs of the used angles, a batch at a time: from memory, or read and folded anew each time.

    Attributes
    ----------
    data
        The measurement.
    angles
        Positions of the used angles in it.
    pairs
        All of them, if they are in memory.
    batch, dtype, n_threads
        Otherwise: number of angles that are folded at a time, in which type, and in how many threads.
    """

    data: TwoTimeData
    angles: NDArray[np.intp]
    pairs: Pairs | None
    batch: int
    dtype: type[np.float32] | None
    n_threads: int

    def __call__(self) -> Iterator[tuple[NDArray[np.intp], Pairs]]:
        """Go through positions among the used angles, and their pairs."""
        n = len(self.angles)
        if self.pairs is not None:
            yield np.arange(n), self.pairs
            return
        for first in range(0, n, self.batch):
            positions = np.arange(first, min(first + self.batch, n))
            angles = self.angles[positions].tolist()
            yield positions, fold(self.data, angles, dtype=self.dtype, n_threads=self.n_threads).pairs

    def only(self, position: int) -> Source:
        """Return one of the used angles."""
        row = slice(position, position + 1)
        return replace(self, angles=self.angles[row], pairs=None if self.pairs is None else self.pairs.rows(row))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data that are ready to be fitted.

    Attributes
    ----------
    used
        Positions of the angles that have data; arrays of the fit have one entry for each of these.
    geometry
        Of the used angles.
    source, sums
        All pairs, and what makes sums of them.
    coarse, screen
        Two subsets.
    block
        Contrast and offset.
    quantiles
        Contrast and offset of the used angles as estimated without a model.
    report
        What was found in the matrices.
    strategy, kernel
        How the data are held and summed up.
    """

    used: NDArray[np.intp]
    geometry: Geometry
    source: Source
    sums: PairSums
    coarse: CoarsePairs
    screen: CoarsePairs
    block: LinearBlock
    quantiles: tuple[NDArray[np.float64], NDArray[np.float64]]
    report: FoldReport
    strategy: Strategy
    kernel: Kernel

    def only(self, position: int, question: Question) -> Prepared:
        """Return what is needed to fit one of the used angles by itself."""
        row, sums, source = np.array([position]), self.sums, self.source.only(position)
        found = (self.quantiles[0][row], self.quantiles[1][row])
        scaling = question.scaling.rows(self.used[row], source.data.n_phi)
        block = linear_block(scaling, self.geometry.phi[row], sums.n_used[row], found, question.bounds)
        return replace(
            self,
            used=self.used[row],
            geometry=replace(self.geometry, phi=self.geometry.phi[row]),
            source=source,
            sums=replace(
                sums, batches=source, centres=sums.centres[row], sigma=sums.sigma[row], n_used=sums.n_used[row]
            ),
            coarse=self.coarse.rows(row),
            screen=self.screen.rows(row),
            block=block,
            quantiles=found,
            report=self.report.only(int(self.used[position])),
        )


@dataclass(frozen=True, eq=False)
class _Thinned:
    """What is kept of a batch of angles."""

    pairs: Pairs | None
    moments: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
    subsets: tuple[CoarsePairs, CoarsePairs]
    quantiles: tuple[NDArray[np.float64], NDArray[np.float64]]
    report: FoldReport


def prepare(data: TwoTimeData, question: Question) -> Prepared:
    """Read and fold the data.

    Raises
    ------
    InvalidDataError
        If no angle has any data, or flow is asked for without a gap.
    """
    options = question.options
    gap = data.required_gap() if question.mode == "laminar_flow" else data.gap
    n_threads = options.n_threads or n_usable_cores()
    strategy = choose_strategy(data, options.memory_limit, expected_passes=_PASSES, n_threads=n_threads)
    in_memory = strategy.name != "out_of_core"
    dtype = np.float32 if strategy.name != "in_memory" else None
    batch = data.n_phi if in_memory else strategy.batch
    parts = [
        _thinned(data, range(first, min(first + batch, data.n_phi)), dtype, n_threads, keep=in_memory)
        for first in range(0, data.n_phi, batch)
    ]
    report = FoldReport.joined([part.report for part in parts])
    used = np.flatnonzero(np.concatenate([part.moments[2] for part in parts]) > 0)
    if not len(used):
        raise InvalidDataError(
            f"none of the {data.n_phi} angles has a single finite, unmasked value off the diagonal: "
            "nothing is there to be fitted"
        )
    centres, sigma, n_used = (np.concatenate([part.moments[i] for part in parts])[used] for i in range(3))
    kernel = _kernel(question, n_used, _PASSES)
    kept = parts[0].pairs
    if kept is not None and len(used) < data.n_phi:
        kept = kept.compacted(used)
    source = Source(data, used, kept, batch, dtype, n_threads)
    sums = PairSums(source, kernel, n_threads, centres, sigma, n_used)
    quantiles = tuple(np.concatenate([part.quantiles[i] for part in parts])[used] for i in range(2))
    coarse, screen = (joined([part.subsets[i] for part in parts]).rows(used) for i in range(2))
    geometry = Geometry(data.t, data.dt, data.q, gap, data.phi[used], question.convention)
    found = (quantiles[0], quantiles[1])
    scaling = question.scaling.rows(used, data.n_phi)
    _check_quantiles(question, scaling, data, used, found)
    block = linear_block(scaling, geometry.phi, n_used, found, question.bounds)
    if options.regularisation is not None:
        block = block.with_penalty(options.regularisation.penalty(block, *found))
    return Prepared(used, geometry, source, sums, coarse, screen, block, found, report, strategy, kernel)


def with_kernel_for(prepared: Prepared, question: Question, n_passes: int) -> Prepared:
    """The same data with the kernel that is the quickest for so many passes."""
    kernel = _kernel(question, prepared.sums.n_used, n_passes)
    return replace(prepared, kernel=kernel, sums=replace(prepared.sums, kernel=kernel))


def _kernel(question: Question, n_used: NDArray[np.int64], n_passes: int) -> Kernel:
    forced = None if question.options.kernel == "auto" else question.options.kernel
    return choose_kernel(int(n_used.sum()), n_passes, has_flow=question.mode == "laminar_flow", force=forced)


def _check_quantiles(
    question: Question,
    scaling: Scaling,
    data: TwoTimeData,
    used: NDArray[np.intp],
    found: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Refuse to take from quantiles what they do not tell: an angle may have no value at long or at short lags."""
    given, regularisation = (scaling.contrast, scaling.offset), question.options.regularisation
    asked = [scaling.kind == "constant" and numbers is None for numbers in given]
    if regularisation is not None and regularisation.relative:
        asked = [
            each or width is not None
            for each, width in zip(asked, (regularisation.contrast, regularisation.offset), strict=True)
        ]
    for name, values, needed in zip(("contrast", "offset"), found, asked, strict=True):
        unknown = used[np.isnan(values)]
        if needed and len(unknown):
            raise InvalidDataError(
                f"{name} is to be estimated from quantiles of the data, but angle {unknown[0]} (phi = "
                f"{data.phi[unknown[0]]:g} degrees) has no value at long or at short lags: use "
                "scaling='individual', give Scaling.constant(contrast=..., offset=...), or leave out the angle"
            )


def _thinned(
    data: TwoTimeData, angles: range, dtype: type[np.float32] | None, n_threads: int, *, keep: bool
) -> _Thinned:
    """Fold some angles, and keep what the search needs of them."""
    folded = fold(data, angles, dtype=dtype, n_threads=n_threads)
    pairs = folded.pairs
    return _Thinned(
        pairs if keep else None,
        (pairs.centres, pairs.sigma, pairs.n_used),
        (coarsen(pairs, *_FINE), coarsen(pairs, *_SCREEN)),
        quantile_scaling(pairs),
        folded.report,
    )
