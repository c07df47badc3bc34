"""The work of one projector: its problem, its log, and one call of `wilks.profile` after another.

Every call is given the results of the earlier ones, so that the optima are searched once, and a refined grid begins
with the cells of the coarse one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from wilks.core.problem import LikelihoodProblem
from wilks.core.status import Outcome
from wilks.facades.paraprof.logger import get_logger
from wilks.facades.paraprof.samples import SampleFile
from wilks.facades.paraprof.settings import as_arguments
from wilks.facades.paraprof.target import Gradient, OnEveryRank, Target, provide
from wilks.facades.paraprof.warm_start import ENOUGH, import_samples, known_starts
from wilks.loop.progress import Progress
from wilks.profiles.options import ProfileOptions
from wilks.profiles.volume_options import VolumeOptions
from wilks.store.log import EvaluationLog
from wilks.verbs.profile import profile
from wilks.verbs.volume import sample_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.core.result import Result
    from wilks.facades.paraprof.projection import Projection
    from wilks.facades.paraprof.settings import Settings
    from wilks.profiles.result import ProfileResult
    from wilks.profiles.volume_result import VolumeResult


@dataclasses.dataclass
class Counts:
    """What the runs have cost so far.

    Attributes
    ----------
    calls, errors
        Calls of the target, and how many of them failed.
    saved
        Derivatives that the user's gradient gave.
    gradient_errors
        Calls of the user's gradient that failed.
    """

    calls: int = 0
    errors: int = 0
    saved: int = 0
    gradient_errors: int = 0

    def add(self, result: Result) -> int:
        """Add what a result has cost, and return its number of calls."""
        stats = result.stats
        calls = result.n_evaluations - int(stats["n_reused"])
        self.calls += calls
        self.errors += int(stats["n_failed"])
        n_errors = int(stats.get("n_gradient_errors", 0))
        n_derivatives = (int(stats.get("n_gradients", 0)) - n_errors) * result.space.dimension
        self.saved += n_derivatives - int(stats.get("n_gradient_entries_missing", 0))
        self.gradient_errors += n_errors
        return calls


class Scan:
    """Runs the projections of a projector.

    Parameters
    ----------
    settings
        What the projector was given.

    Attributes
    ----------
    results
        The finest result of every projection so far, in order.
    current
        The last of them, the first before any.
    best
        Largest log-likelihood found so far.
    counts
        What the runs have cost.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.results: list[ProfileResult] = []
        self.current: ProfileResult | None = None
        self.best = -math.inf
        self.counts = Counts()
        self._begin(settings.target_func, settings.grad_func)

    def use_functions_of_ranks(self) -> None:
        """From now on send no function: every rank has its own; results so far are no starts any more."""
        target, gradient = self.settings.target_func, self.settings.grad_func
        provide("target_func", target)
        if gradient is not None:
            provide("grad_func", gradient)
        self.results = []
        self._begin(OnEveryRank("target_func"), None if gradient is None else OnEveryRank("grad_func"))

    def _begin(self, target: Any, gradient: Any) -> None:  # noqa: ANN401 - the user's functions
        settings = self.settings
        name = str(getattr(settings.target_func, "__name__", type(settings.target_func).__name__))
        self.problem = LikelihoodProblem(
            settings.space,
            Target(target, settings.names),
            gradient=None if gradient is None else Gradient(gradient, settings.names),
            name="target" if name == "<lambda>" else name,
        )
        self.log = EvaluationLog()
        self.log.bind(self.problem)
        self._n_imported = 0
        if settings.warm_start_file is not None:
            self._n_imported = import_samples(self.log, self.problem, settings)
        path = settings.samples_output_file
        self._file = None if path is None else SampleFile(path, self.log, settings.names)

    def run(self, projection: Projection, executor: object, *, reuse_optima: bool = True) -> list[ProfileResult]:
        """Map one projection: the coarse grid and, if wanted, the refined one.

        Without `reuse_optima` the optima are searched for again, and with other random numbers.
        """
        settings, factor = self.settings, projection.grid_refinement_factor
        reuse_optima = reuse_optima and settings.reuse_optima
        earlier = list(self.results) if reuse_optima else []
        starts: list[Any] = [*earlier, *as_arguments(settings.names, settings.initial_points)]
        options = self._options(projection)
        if reuse_optima and not earlier and self._n_imported:
            known = known_starts(self.log, self.problem.space, settings.roi_threshold)
            starts += known
            if known and self._n_imported >= ENOUGH * self.problem.space.dimension:
                # As in paraprof they take the place of a search in the whole box; the audit stays.
                n_optima = options.n_optima or (None, len(known))
                options = dataclasses.replace(options, max_starts=1, n_optima=n_optima)
        # A refined map audits the cells of the coarse one too.
        audit = settings.audit if factor == 1 else 0
        seed = settings.seed if reuse_optima else settings.seed + len(self.results)
        found = [self._profile(projection, 1, starts, options, executor, audit, seed)]
        if factor > 1:
            self._refining(begins=True)
            try:
                starts = [*found, *earlier]
                found.append(self._profile(projection, factor, starts, options, executor, settings.audit, seed))
            finally:
                self._refining(begins=False)
        self.results.append(found[-1])
        return found

    def _profile(
        self,
        projection: Projection,
        factor: int,
        starts: list[Any],
        options: ProfileOptions,
        executor: object,
        audit: int,
        seed: int,
    ) -> ProfileResult:
        settings = self.settings
        result = profile(
            self.problem,
            over=[settings.names[dim] for dim in projection.dims],
            grid=projection.grid(factor),
            roi_threshold=settings.roi_threshold,
            start=starts,
            audit=audit,
            options=options,
            executor=executor,
            log=self.log,
            seed=seed,
            callbacks=self._callbacks(),
        )
        self._take(result)
        self.current = result
        return result

    def _options(self, projection: Projection) -> ProfileOptions:
        settings = self.settings
        # In paraprof "de" evolves a population of three that begins at the solutions of the neighbours, and most cells
        # for one generation. What is asked for beyond that is a search in every cell, at hundreds of evaluations each.
        from_scratch = settings.every_cell_from_scratch and projection.optimization_method == "de"
        options = ProfileOptions(
            inner="global" if from_scratch else "local", n_optima=settings.n_optima, max_starts=settings.max_starts
        )
        if settings.accuracy is not None:
            options = dataclasses.replace(options, accuracy=settings.accuracy)
        if settings.max_waves is not None:
            options = dataclasses.replace(options, max_passes=settings.max_waves)
        return options

    def sample(self, results: Sequence[ProfileResult], executor: object) -> VolumeResult:
        """Sample the volume of the region of interest that the given profiles show."""
        options = self.settings.volume
        assert options is not None  # noqa: S101 - `run_volume_sampling` has checked it
        result = sample_volume(
            self.problem,
            start=list(results),
            roi_threshold=options["roi_threshold"] or self.settings.roi_threshold,
            n_walkers=options["n_walkers"],
            n_steps=options["n_steps"],
            options=VolumeOptions(
                n_evaluations=options["eval_budget"],
                sigma_fraction=options["sigma_frac"],
                partner_window=options["partner_level_window"],
                use_log=options["warm_start"],
            ),
            executor=executor,
            log=self.log,
            seed=self.settings.seed,
            callbacks=self._callbacks(),
        )
        self._take(result)
        return result

    def _callbacks(self) -> list[Any]:
        return [Progress()] if self._file is None else [Progress(), self._file]

    def _take(self, result: Result) -> None:
        """Count what a result has cost and write its evaluations; Ctrl-C ends the whole scan."""
        self.update_file()
        calls = self.counts.add(result)
        self.best = max(self.best, result.log_likelihood)
        get_logger().info("%d target calls, best log-likelihood %.6g", calls, result.log_likelihood)
        if result.status.outcome is Outcome.INTERRUPTED:
            raise KeyboardInterrupt
        if not result.status.success:
            get_logger().warning("%s", result.status.message)

    def _refining(self, *, begins: bool) -> None:
        if self._file is not None:
            self._file.update()
            self._file.is_refining = begins

    def update_file(self) -> None:
        """Write all evaluations so far to the sample file."""
        if self._file is not None:
            self._file.update()
