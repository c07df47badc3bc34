"""The commands of `wilks xpcs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wilks.cli.errors import Debug, errors_shown
from wilks.cli.xpcs.options import DATA, FIT, MODEL, OUTPUT, SAMPLE, SIMULATION, Given, takes

app = typer.Typer(
    help="X-ray photon correlation spectroscopy: from a file of correlations to numbers, pictures and a report.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Source = Annotated[
    Path, typer.Argument(metavar="FILE|CONFIG|RUN", help="A data file, a configuration, or the folder of a run.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, if any.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]


@app.command()
@takes([*DATA, *MODEL, *FIT, *OUTPUT])
def fit(source: Source, given: Given, resume: Resume = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Fit a file: numbers, pictures and a report in one folder."""
    with errors_shown(debug):
        from wilks.cli.xpcs.analysis import carry_out

        raise typer.Exit(carry_out(source, given, resume=resume, quiet=quiet))


@app.command()
@takes([*DATA, *MODEL, *FIT, *OUTPUT])
def profile(
    source: Source,
    given: Given,
    over: Annotated[list[str], typer.Option("--over", help="Parameters of a map, one to three: D0,alpha. Repeatable.")],
    grid: Annotated[str | None, typer.Option(help="Nodes along each: 41,41.")] = None,
    resume: Resume = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Map the likelihood over some parameters, all others at their best: after a fit, or with it."""
    with errors_shown(debug):
        from wilks.cli.xpcs.analysis import carry_out
        from wilks.cli.xpcs.loading import Maps

        raise typer.Exit(carry_out(source, given, Maps.of(over, grid), resume=resume, quiet=quiet))


@app.command()
@takes([*SAMPLE, *DATA, *MODEL, *FIT, *OUTPUT])
def sample(source: Source, given: Given, resume: Resume = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Draw from the posterior: after a fit, or with it."""
    with errors_shown(debug):
        from wilks.cli.xpcs.analysis import carry_out

        raise typer.Exit(carry_out(source, given, posterior=True, resume=resume, quiet=quiet))


@app.command()
@takes(DATA)
def plot(
    source: Source,
    given: Given,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the pictures.")] = None,
    diagonal: Annotated[
        str, typer.Option(help="What to show there: masked, measured, neighbours, median or interpolated.")
    ] = "masked",
    debug: Debug = False,
) -> None:
    """Draw the correlations of a data file, or all pictures of a run again."""
    with errors_shown(debug):
        from wilks.cli.xpcs.drawing import draw

        for path in draw(source, given, out, diagonal):  # type: ignore[arg-type]  # it is checked there
            print(path)


@app.command()
def info(source: Source, debug: Debug = False) -> None:
    """Tell what is in a data file, or what a run has found."""
    with errors_shown(debug):
        from wilks.cli.terminal import Terminal
        from wilks.cli.xpcs.describing import describe

        describe(source, Terminal())


@app.command()
@takes(SIMULATION)
def simulate(
    given: Given,
    output: Annotated[Path, typer.Option("--output", "-o", help="Data file that is written.")],
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="Configuration with `simulation`.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    debug: Debug = False,
) -> None:
    """Write a data file of known parameters."""
    with errors_shown(debug):
        from wilks.cli.terminal import Terminal
        from wilks.cli.xpcs.simulating import simulate as write

        write(config, given, output, Terminal(), overwrite=overwrite)


@app.command()
def convert(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration of homodyne or xpcsjax.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File that is written; else printed.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    debug: Debug = False,
) -> None:
    """Translate a configuration of another package, and tell what became of every key."""
    with errors_shown(debug):
        from wilks.cli.xpcs.converting import convert as translate

        translate(config, output, overwrite=overwrite)


@app.command()
def init(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration that is written.")] = Path("xpcs.yaml"),
    mode: Annotated[str, typer.Option(help="static or laminar_flow.")] = "laminar_flow",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    debug: Debug = False,
) -> None:
    """Write a commented configuration to start from."""
    with errors_shown(debug):
        from wilks.cli.xpcs.converting import write_template

        print(write_template(output, mode, overwrite=overwrite))
        print(f"Now set data.file in it, and run: wilks xpcs fit {output}")
