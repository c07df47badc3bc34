"""`wilks run` and `wilks report`: carry out the stages of a configuration, in order.

A finished stage is taken from the run folder; an unfinished one is handed to its verb again, which goes on from the
log. So a run can be ended at any moment, by any means, and continued by the same command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wilks
from wilks.cli import executors
from wilks.cli.config import Config, validate
from wilks.cli.folder import RunFolder
from wilks.cli.loading import load_problem
from wilks.cli.overrides import Overrides
from wilks.cli.pictures import draw_pictures
from wilks.cli.stage import Stage
from wilks.cli.terminal import Terminal, counted
from wilks.cli.workplace import Done, Workplace
from wilks.core.errors import CheckpointError, EvaluationError, InvalidConfigurationError
from wilks.core.problem import Problem
from wilks.core.status import Outcome
from wilks.evaluation.launch import launch
from wilks.store.document import dotted, read

OK, NOT_CONVERGED = 0, 3


def find_folder(path: Path) -> RunFolder:
    """Return the run folder that a path means: the folder itself, or that of a configuration file.

    Raises
    ------
    InvalidConfigurationError
        If there is no run.
    """
    folder = RunFolder(path if path.is_dir() else validate(read(path)).folder)
    if not folder.holds_run:
        raise InvalidConfigurationError(
            f"{folder.path}: there is no run in this folder; expected a run folder, or a configuration that was run"
        )
    return folder


def start(path: Path, overrides: Overrides, *, resume: bool, quiet: bool) -> int:
    """Read a configuration file, or the one in a run folder, and carry it out; see `run`.

    Raises
    ------
    InvalidConfigurationError
        If it cannot be read or is not valid.
    """
    source = path
    if path.is_dir():
        source = RunFolder(path).config
        resume = True
        if not source.exists():
            raise InvalidConfigurationError(
                f"{path}: there is no run in this folder ({source.name} is missing); "
                "expected a configuration file or a run folder"
            )
    document = read(source)
    overrides.apply(document)
    config = validate(document)
    # Once the options are part of the run, its folder says all that is needed to go on.
    again = ["wilks", "run", str(path if overrides == Overrides() else config.folder), "--resume"]
    n_processes = launch().size
    if n_processes > 1:
        again = ["mpiexec", "-n", str(n_processes), *again]
    return run(config, resume=resume, again=shlex.join(again), terminal=Terminal(quiet=quiet))


def run(config: Config, *, resume: bool, again: str, terminal: Terminal) -> int:
    """Carry out a configuration.

    Parameters
    ----------
    config
        What to do.
    resume
        Go on with a run that is in the run folder.
    again
        The command that continues the run, to be shown after an interruption.
    terminal
        Where to print.

    Returns
    -------
    int
        Exit code: 0, or 3 when a stage has not converged.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, when what there is has been shown.
    WilksError
        If something is wrong with the configuration, the problem or the run folder.
    """
    folder = RunFolder(config.folder)
    if folder.holds_run and not resume:
        raise CheckpointError(
            f"{folder.path}: there is a run in this folder; use --resume to go on with it, or another run folder"
        )
    problem = load_problem(config.problem, config.base)
    config.check_names(problem)
    folder.create()
    with _open_log(folder, config, problem) as log, _opened(executors.make(config.executor)) as executor:
        folder.write_config(config.resolved())
        workplace = Workplace(problem, folder, log, executor, config.seed, terminal)
        terminal.line(
            f"{problem.name}: {', '.join(problem.space.free)}; {counted(len(config.stages), 'stage')}, "
            f"seed {config.seed}, {executor.name}; run folder {folder.path}"
        )
        return _run_stages(config, workplace, again)


def write_report(path: Path, terminal: Terminal) -> None:
    """Write the report of a run anew from its saved results.

    Raises
    ------
    CheckpointError
        If no stage is finished, or a saved result cannot be read.
    """
    folder = find_folder(path)
    config = validate(read(folder.config))
    with wilks.EvaluationLog(folder.log, read_only=True) as log:
        workplace = Workplace(None, folder, log, None, config.seed, terminal)
        title = None
        for number, stage, heading in numbered(config):
            if stage.resumable:
                result = folder.result_of(stage.key(config.seed))
                if result is None:
                    terminal.line(f"{heading}: not finished, left out")
                    continue
                workplace.done.append(Done(number, stage, heading, dataclasses.replace(result, log=log)))
            elif stage.verb == "report":
                title = stage.title
            elif workplace.done:
                workplace.done.append(Done(number, stage, heading, stage.execute(workplace)))
        if not workplace.done:
            raise CheckpointError(f"{folder.path}: no stage of this run is finished; go on with: wilks run {path}")
        workplace.write_report(title)
    terminal.line(str(folder.report))


def _run_stages(config: Config, workplace: Workplace, again: str) -> int:
    interrupted = False
    try:
        for number, stage, title in numbered(config):
            workplace.terminal.heading(f"[{number}/{len(config.stages)}] {title}")
            entry = _stage(config, workplace, number, stage, title)
            if entry is None:
                continue
            workplace.done.append(entry)
            if stage.resumable and entry.result.status.outcome is Outcome.INTERRUPTED:
                interrupted = True
                break
    except KeyboardInterrupt:  # between evaluations: while drawing, or loading
        interrupted = True
    _summary(workplace)
    if interrupted:
        workplace.terminal.line(f"\ninterrupted; continue with: {again}")
        raise KeyboardInterrupt
    converged = all(entry.result.status.success for entry in workplace.done if entry.stage.resumable)
    return OK if converged else NOT_CONVERGED


def _stage(config: Config, workplace: Workplace, number: int, stage: Stage, title: str) -> Done | None:
    """Do one stage, or take it from the folder; None when it leaves no result."""
    if not stage.resumable:
        with _located(config, number, stage):
            result = stage.execute(workplace)
        if result is None:
            return None
        entry = Done(number, stage, title, result)
        draw_pictures(workplace.folder, entry, is_new=True)
        return entry
    terminal, key = workplace.terminal, stage.key(config.seed)
    result = _finished_before(workplace, key)
    is_new = result is None
    if is_new:
        with _located(config, number, stage):
            result = stage.execute(workplace)
        if result.status.outcome is not Outcome.INTERRUPTED:
            _require_a_value(result, workplace.log, title)
            workplace.folder.finish(key, number, title, result)
        terminal.line(
            f"{result.status.message} {counted(result.n_evaluations, 'evaluation')}, {result.provenance.seconds:.1f} s."
        )
    else:
        terminal.line(f"{result.status.message} Finished before; nothing is repeated.")
    entry = Done(number, stage, title, result)
    if result.status.outcome is not Outcome.INTERRUPTED:
        draw_pictures(workplace.folder, entry, is_new=is_new)
    return entry


def _require_a_value(result: Any, log: Any, title: str) -> None:  # noqa: ANN401 - a result of any verb, and the log
    """Refuse to go on from a stage that found no finite log-likelihood; show the first failure."""
    if math.isfinite(result.log_likelihood):
        return
    failures = log.failures(1)
    if not failures:
        raise EvaluationError(f"{title}: no point with a finite log-likelihood was found; {result.status.message}")
    values = ", ".join(f"{name}={value!r}" for name, value in failures[0].values.items())
    raise EvaluationError(
        f"{title}: no evaluation gave a finite log-likelihood. The first that failed, at {values}:",
        values=failures[0].values,
        traceback=failures[0].error,
    )


def _finished_before(workplace: Workplace, key: str) -> Any:  # noqa: ANN401 - a result of any verb, or None
    try:
        result = workplace.folder.result_of(key)
    except CheckpointError as error:
        workplace.terminal.line(f"The saved result is not used, the stage is taken from the log: {error}")
        return None
    return None if result is None else dataclasses.replace(result, log=workplace.log)


def numbered(config: Config) -> Iterator[tuple[int, Stage, str]]:
    """Yield number, stage and a title that no other stage has."""
    seen: dict[str, int] = {}
    for number, stage in enumerate(config.stages, start=1):
        heading = stage.heading()
        seen[heading] = seen.get(heading, 0) + 1
        yield number, stage, heading if seen[heading] == 1 else f"{heading} ({seen[heading]})"


@contextlib.contextmanager
def _located(config: Config, number: int, stage: Stage) -> Iterator[None]:
    """Say which stage an option that a verb refuses belongs to."""
    place = ("stages", number - 1, stage.verb)
    try:
        yield
    except InvalidConfigurationError as error:
        raise InvalidConfigurationError(f"{config.document.where(place)}: {dotted(place)}{error}") from error


@contextlib.contextmanager
def _open_log(folder: RunFolder, config: Config, problem: Problem) -> Iterator[Any]:
    with wilks.EvaluationLog(folder.log) as log:
        log.check_seed(config.seed)
        log.bind(problem, seed=config.seed)
        yield log


@contextlib.contextmanager
def _opened(executor: Any) -> Iterator[Any]:  # noqa: ANN401 - executors share no base
    try:
        yield executor
    finally:
        if hasattr(executor, "close"):
            executor.close()


def _show(result: Any, terminal: Terminal) -> None:  # noqa: ANN401 - a result of any verb
    """Print what a result says, and of a posterior why it may be believed."""
    if hasattr(result, "certificate"):
        terminal.table(dataclasses.replace(result.summary(), note=""))
        terminal.line()
        terminal.table(dataclasses.replace(result.certificate.table(), note=""))
        return
    terminal.table(result.table())
    if hasattr(result, "summary"):
        terminal.line(result.summary())


def _summary(workplace: Workplace) -> None:
    terminal = workplace.terminal
    for entry in workplace.done:
        terminal.heading(entry.title)
        if not entry.stage.resumable:
            terminal.table(entry.result.table())
            continue
        if math.isfinite(entry.result.log_likelihood):
            _show(entry.result, terminal)
        terminal.line(entry.result.status.message)
    terminal.line()
    if workplace.report_written:
        terminal.line(f"Report: {workplace.folder.report}")
    else:
        terminal.line(f"Results: {workplace.folder.path}")
