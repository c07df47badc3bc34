"""`wilks xpcs fit`, `profile` and `sample`: from reading to the report, in one folder that can be gone on with.

The folder is laid out as that of `wilks run` (`wilks.cli.folder`). A finished fit is found by what it depends on: the
data file by its name, size and time, and the sections of the configuration that say what is fitted; so pictures, files,
maps and a posterior are added to a run without fitting again. What is unfinished goes on from the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wilks
from wilks import xpcs
from wilks.cli.folder import RunFolder
from wilks.cli.interruption import Interruption
from wilks.cli.terminal import Terminal, counted
from wilks.cli.xpcs import sampling
from wilks.cli.xpcs.loading import load, read
from wilks.core.errors import CheckpointError, WilksError
from wilks.core.status import Outcome

if TYPE_CHECKING:
    from wilks.cli.xpcs.loading import Maps
    from wilks.cli.xpcs.options import Given
    from wilks.profiles.result import ProfileResult
    from wilks.report.write import Entry
    from wilks.store.log import EvaluationLog
    from wilks.xpcs.configuration import Configuration, Loaded
    from wilks.xpcs.pictures import Rendering
    from wilks.xpcs.posterior.result import XpcsPosterior

    Map = tuple[str, ProfileResult]

OK, NOT_CONVERGED = 0, 3


def carry_out(
    source: Path, given: Given, maps: Maps | None = None, *, posterior: bool = False, resume: bool, quiet: bool
) -> int:
    """Carry out what a data file with options, a configuration, or the folder of a run says.

    Parameters
    ----------
    source
        One of these three.
    given
        Options of the command line.
    maps
        Maps to make besides those of the configuration; it has them from then on.
    posterior
        Draw the posterior besides what the configuration has; it has it from then on.
    resume
        Go on with the run that is in the folder.
    quiet
        Print nothing but errors.

    Returns
    -------
    int
        Exit code: 0; 3 if the fit or a map has not converged, or the posterior is not certified; 130 or 143 if it was
        interrupted.

    Raises
    ------
    WilksError
        If something is wrong with the configuration, the data or the folder.
    """
    terminal = Terminal(quiet=quiet)
    loaded = load(source, given, maps, posterior=posterior, resume=resume)
    folder = RunFolder(loaded.configuration.folder)
    is_run = source.is_dir()
    if folder.config.exists() and not (resume or is_run):
        raise CheckpointError(
            f"{folder.path}: there is a run in this folder; use --resume to go on with it, or --out for another folder"
        )
    if loaded.translation is not None:
        terminal.line(loaded.translation.text())
    with Interruption() as interruption:
        try:
            return _Analysis(loaded, folder, terminal).run()
        except KeyboardInterrupt:
            command = ["wilks", "xpcs", "fit", str(folder.path)]
            goes_on = f"; continue with: {shlex.join(command)}" if folder.config.exists() else ""
            terminal.line(f"\ninterrupted{goes_on}")
            return interruption.exit_code


@dataclass
class _Analysis:
    """One analysis under way."""

    loaded: Loaded
    folder: RunFolder
    terminal: Terminal
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration:
        """What to do."""
        return self.loaded.configuration

    def run(self) -> int:
        """Go through all steps."""
        configuration = self.configuration
        with self._timed("reading"):
            data = read(self.loaded)
        self.terminal.line(f"{configuration.file}: {data!r}")
        self.folder.create()
        with wilks.EvaluationLog(self.folder.log) as log, self._described(log):
            fit = self._fitted(data, log)
            profiles = self._profiled(fit, log) if fit.has_best else []
            posterior = self._sampled(fit) if fit.has_best else None
        self._write(fit, posterior)
        pictures, drawn = self._draw(fit, profiles, posterior)
        self._report(fit, profiles, posterior, drawn)
        self._summarise(fit, profiles, posterior, pictures)
        others = [profile.status.success for _, profile in profiles]
        others += [] if posterior is None else [posterior.status.success]
        converged = fit.status.success and all(others)
        return OK if converged else NOT_CONVERGED

    @contextlib.contextmanager
    def _described(self, log: EvaluationLog) -> Iterator[None]:
        """Write the configuration; where something in it is refused, the folder keeps what it had, be it none."""
        config = self.folder.config
        before = config.read_text("utf-8") if config.exists() else None
        self.folder.write_config(self.configuration.resolved(self.folder.path))
        try:
            yield
        except WilksError:
            if before is not None:
                self.folder.write_config(before)
            elif not len(log):
                config.unlink()
            raise

    def _fitted(self, data: xpcs.TwoTimeData, log: EvaluationLog) -> xpcs.XpcsFit:
        """Fit, or take the finished fit from the folder."""
        configuration = self.configuration
        key = self._key("fit")
        before = self._finished(key)
        if before is not None:
            self.terminal.line("The fit was finished before; nothing is repeated.")
            return before.with_data(data)  # type: ignore[no-any-return]  # the key is that of a fit
        log.check_seed(configuration.seed)
        started = time.perf_counter()
        arguments = configuration.arguments() | {"start": configuration.start(), "seed": configuration.seed}
        result = xpcs.fit(data, **arguments, log=log, **self._quiet())
        reading = float(result.stats.get("seconds_reading", 0.0))
        self.seconds["reading"] += reading
        self.seconds["fitting"] = time.perf_counter() - started - reading
        if result.status.outcome is Outcome.INTERRUPTED:
            self.terminal.line(result.status.message)
            self.terminal.table(result.table())
            raise KeyboardInterrupt
        self.folder.finish(key, 1, "fit", result)
        return result

    def _profiled(self, fit: xpcs.XpcsFit, log: EvaluationLog) -> list[Map]:
        """Make the maps, each in the folder when it is finished."""
        found: list[Map] = []
        for number, task in enumerate(self.configuration.profile, start=2):
            arguments = task.arguments()
            title = f"profile over {', '.join(arguments['over'])}"
            key = self._key("profile", arguments)
            result = self._finished(key)
            if result is not None:
                self.terminal.line(f"{title}: finished before; nothing is repeated.")
            else:
                with self._timed("mapping"):
                    result = xpcs.profile(fit, **arguments, log=log, seed=self.configuration.seed, **self._quiet())
                if result.status.outcome is Outcome.INTERRUPTED:
                    raise KeyboardInterrupt
                self.folder.finish(key, number, title, result)
            found.append((title, result))
        return found

    def _sampled(self, fit: xpcs.XpcsFit) -> XpcsPosterior | None:
        """Draw the posterior, or take it from the folder."""
        if self.configuration.sample is None:
            return None
        key = self._key("sample", self.configuration.sample.model_dump())
        result = self._finished(key)
        if result is not None:
            self.terminal.line("The posterior was finished before; nothing is repeated.")
            return sampling.with_fit(result, fit)
        with self._timed("sampling"):
            log = self.folder.path / f"posterior-{key}.sqlite"
            result = sampling.draw(self.configuration, fit, log, self._quiet())
        self.folder.finish(key, 2 + len(self.configuration.profile), sampling.TITLE, result)
        log.unlink()
        return result

    def _write(self, fit: xpcs.XpcsFit, posterior: XpcsPosterior | None) -> None:
        """Write the result in the formats that were asked for."""
        from wilks.xpcs import output

        writers = {"json": output.write_json, "npz": output.write_npz, "hdf5": output.write_hdf5}
        endings = {"hdf5": "h5"}
        with self._timed("writing"):
            for name in self.configuration.output.formats:
                writers[name](fit, self.folder.path / f"result.{endings.get(name, name)}")
            if posterior is not None and posterior.log_likelihoods.size:
                sampling.write(posterior, self.folder.path, self.configuration.output.formats, self.terminal)

    def _draw(
        self, fit: xpcs.XpcsFit, profiles: list[Map], posterior: XpcsPosterior | None
    ) -> tuple[list[Path], list[Rendering] | None]:
        if not self.configuration.output.pictures:
            return [], None
        from wilks.cli.xpcs.drawing import draw_pictures

        with self._timed("drawing"):
            return draw_pictures(fit, profiles, posterior, self.folder.path / "pictures")

    def _report(
        self,
        fit: xpcs.XpcsFit,
        profiles: list[Map],
        posterior: XpcsPosterior | None,
        drawn: list[Rendering] | None,
    ) -> None:
        if not self.configuration.output.report:
            return
        from wilks.xpcs.report import write_report

        with self._timed("report"):
            title = f"XPCS: {self.configuration.file.name}"
            extra: list[tuple[str, Entry]] = [*profiles, *([] if posterior is None else [("Posterior", posterior)])]
            write_report(fit, self.folder.report, title=title, timings=self.seconds, extra=extra, drawn=drawn)

    def _summarise(
        self, fit: xpcs.XpcsFit, profiles: list[Map], posterior: XpcsPosterior | None, pictures: list[Path]
    ) -> None:
        from wilks.xpcs.output import summary
        from wilks.xpcs.residual_statistics import residual_statistics

        terminal = self.terminal
        terminal.line()
        for table in summary(fit, residual_statistics(fit) if fit.has_best else None):
            terminal.table(table)
            terminal.line()
        for title, profile in profiles:
            terminal.heading(title)
            if math.isfinite(profile.log_likelihood):
                terminal.table(profile.table())
            terminal.line(profile.status.message)
            terminal.line()
        if posterior is not None:
            sampling.tell(posterior, terminal)
        terminal.line(", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items()))
        terminal.line(f"Results: {self.folder.path}" + (f", {counted(len(pictures), 'picture')}" if pictures else ""))
        if self.configuration.output.report:
            terminal.line(f"Report: {self.folder.report}")

    def _finished(self, key: str) -> Any:  # noqa: ANN401 - a result of either kind, or None
        try:
            return self.folder.result_of(key)
        except CheckpointError as error:
            self.terminal.line(f"The saved result is not used, the work is taken from the log: {error}")
            return None

    def _key(self, kind: str, *more: object) -> str:
        """What identifies a piece of work: all that its answer depends on."""
        stat = self.configuration.file.stat()
        plain = self.configuration.model_dump(mode="json", include={"data", "model", "fit", "seed"})
        plain["data"] |= {"cache": None, "file": self.configuration.file.name}  # wherever both have been moved to
        content = json.dumps([kind, plain, stat.st_size, stat.st_mtime_ns, more], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _quiet(self) -> dict[str, Any]:
        return {"callbacks": ()} if self.terminal.quiet else {}

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
