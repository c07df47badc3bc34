"""The command line: arguments to functions of the other modules, errors to messages and exit codes.

Exit codes: 0 done; 1 an error; 2 wrong usage or a wrong configuration; 3 finished, but a stage has not converged;
130 interrupted with Ctrl-C; 143 ended with SIGTERM.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wilks.cli.errors import Debug, errors_shown
from wilks.cli.xpcs.commands import app as xpcs
from wilks.evaluation.launch import launch

app = typer.Typer(
    name="wilks",
    help="From a likelihood to what it says: fits, profile likelihoods, posteriors, and their comparison.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(xpcs, name="xpcs")

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or the configuration that was run.")]


def main() -> None:
    """Entry point of the command ``wilks``; of several processes that ``mpiexec`` starts, the first carries it out."""
    started = launch()
    if started.size == 1:
        app()
        return
    from wilks.cli.executors import take_part

    take_part(started, app)


def _print_version(value: bool) -> None:
    if value:
        import wilks

        print(f"wilks {wilks.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """From a likelihood to what it says: fits, profile likelihoods, posteriors, and their comparison."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file, or run folder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder, if any.")] = False,
    executor: Annotated[
        str | None, typer.Option(help="serial, processes or mpi, instead of what the file says.")
    ] = None,
    workers: Annotated[int | None, typer.Option("-n", "--workers", help="Number of worker processes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of a new run, instead of what the file says.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key: stages.0.fit.n_starts=5")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
    debug: Debug = False,
) -> None:
    """Carry out the stages of a configuration."""
    with errors_shown(debug):
        from wilks.cli.interruption import Interruption
        from wilks.cli.overrides import Overrides
        from wilks.cli.run import start

        overrides = Overrides(executor, workers, seed, tuple(settings or ()))
        with Interruption() as interruption:
            try:
                code = start(config, overrides, resume=resume, quiet=quiet)
            except KeyboardInterrupt:
                code = interruption.exit_code
        raise typer.Exit(code)


@app.command()
def status(run: RunArgument, debug: Debug = False) -> None:
    """Show how far a run is, also while it is going on."""
    with errors_shown(debug):
        from wilks.cli.run import find_folder
        from wilks.cli.status import show_status
        from wilks.cli.terminal import Terminal

        show_status(find_folder(run), Terminal())


@app.command()
def report(run: RunArgument, debug: Debug = False) -> None:
    """Write the report of a run again from its saved results."""
    with errors_shown(debug):
        from wilks.cli.run import write_report
        from wilks.cli.terminal import Terminal

        write_report(run, Terminal())


@app.command()
def export(
    run: RunArgument,
    format: Annotated[str, typer.Option("--format", "-f", help="csv, hdf5, parquet, netcdf, npz.")],  # noqa: A002
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; by default in the run folder.")] = None,
    maps: Annotated[bool, typer.Option("--maps", help="The profile maps (netcdf, npz, csv), not the points.")] = False,
    draws: Annotated[bool, typer.Option("--draws", help="The draws of the posteriors, not the points.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    debug: Debug = False,
) -> None:
    """Write all evaluations of a run, its profile maps, or its draws, to files of other programs."""
    with errors_shown(debug):
        from wilks.cli.export import export_run

        for path in export_run(run, format, output, overwrite=overwrite, maps=maps, draws=draws):
            print(path)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it does not exist.")] = Path(),
    debug: Debug = False,
) -> None:
    """Write a commented configuration and a likelihood to start from; they run as they are."""
    with errors_shown(debug):
        from wilks.cli.templates import write_templates

        for path in write_templates(folder):
            print(path)
        print(f"Now run: wilks run {folder / 'config.yaml'}")
