"""The commands and their options. What they do is in the modules behind `_lazy`."""

from __future__ import annotations

import enum
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import populace
from populace._errors import PopulaceError, RunExists, RunInterrupted, UnknownRun, UsageError
from populace.cli import _lazy
from populace.cli import _options as o

FAILED, USAGE, INTERRUPTED = 1, 2, 3
LATEST = "latest"


class Kind(enum.Enum):
    """The figures of a run."""

    OVERVIEW = "overview"
    SCORES = "scores"
    SCHEDULE = "schedule"
    LINEAGE = "lineage"


class Commands(TyperGroup):
    """All commands; an error of ours becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> object:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except PopulaceError as error:
            typer.echo(f"populace: {error}", err=True)
            raise typer.Exit(exit_code(error)) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Population Based Training: a trained model and the schedule of hyperparameters that made it.\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 interrupted and resumable.",
)


def main() -> NoReturn:
    """Runs the command line."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show must not end the command
    app(prog_name="populace")
    sys.exit(0)


def exit_code(error: PopulaceError) -> int:
    """Returns what the process ends with: 2 for what the user can put right in the command, 3 where it can go on."""
    if isinstance(error, RunInterrupted):
        return INTERRUPTED
    return USAGE if isinstance(error, UsageError | UnknownRun | RunExists) else FAILED


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"populace {populace.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    code: o.TrainingCodeArgument,
    config: o.ConfigOption = None,
    population: o.PopulationOption = None,
    steps: o.StepsOption = None,
    interval: o.IntervalOption = None,
    metric: o.MetricOption = None,
    mode: o.ModeOption = None,
    seed: o.SeedOption = None,
    name: Annotated[
        str | None, typer.Option(help="The run's name; one that exists goes on.", show_default=False)
    ] = None,
    directory: Annotated[
        str | None, typer.Option("--directory", "-d", help="Where run folders lie (default: runs).", show_default=False)
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TOML", help="A dimension, as in 'lr={kind=\"LogUniform\", low=1e-5, high=0.1}'. Repeatable."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="KIND|TOML", help="PBT, RandomSearch, or a table with a kind.", show_default=False),
    ] = None,
    callback: Annotated[
        list[str] | None, typer.Option(metavar="FILE:NAME", help="A populace.Callback that watches. Repeatable.")
    ] = None,
    workers: o.WorkersOption = None,
    devices: o.DevicesOption = None,
    threads: o.ThreadsOption = None,
    inline: o.InlineOption = False,
    synchronous: Annotated[
        bool | None,
        typer.Option("--synchronous/--asynchronous", help="Whether members wait for one another.", show_default=False),
    ] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Steps between evaluations.", show_default=False)] = None,
    max_failures: o.MaxFailuresOption = None,
    allow_pickle: Annotated[
        bool | None,
        typer.Option("--allow-pickle/--no-pickle", help="Whether checkpoints may hold pickles.", show_default=False),
    ] = None,
) -> None:
    """Train a population. A run of the same name goes on where it stood."""
    given = {
        **{"population": population, "steps": steps, "interval": interval, "seed": seed},
        **{"metric": metric, "mode": mode, "name": name, "directory": directory},
        **{"synchronous": synchronous, "evaluate_every": evaluate_every, "max_failures": max_failures},
        **{"allow_pickle": allow_pickle, "callbacks": callback or None},
    }
    executor = _lazy.training.executor_table(workers, devices, threads, inline=inline)
    _lazy.training.run(code, config, {**given, "executor": executor}, space=space or [], policy=policy)


@app.command()
def resume(
    run: o.RunArgument,
    steps: o.StepsOption = None,
    population: o.PopulationOption = None,
    max_failures: o.MaxFailuresOption = None,
    workers: o.WorkersOption = None,
    devices: o.DevicesOption = None,
    threads: o.ThreadsOption = None,
    inline: o.InlineOption = False,
    force: Annotated[bool, typer.Option("--force", help="Go on although the code has changed.")] = False,
    code: o.CodeOption = None,
    directory: o.DirectoryOption = "runs",
) -> None:
    """Go on with a run from what it has published, with other limits if given."""
    executor = _lazy.training.executor_table(workers, devices, threads, inline=inline)
    limits = {"steps": steps, "population": population, "max_failures": max_failures}
    _lazy.training.resume(run, limits, executor, code=code, force=force, directory=directory)


@app.command()
def compare(
    code: o.TrainingCodeArgument,
    config: o.ConfigOption = None,
    population: o.PopulationOption = None,
    steps: o.StepsOption = None,
    interval: o.IntervalOption = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds (default: 8).", show_default=False)] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND|TOML",
            help="An algorithm, as in PBT=PBT or 'TPE={kind=\"SequentialSearch\"}'; the first is judged. Repeatable.",
        ),
    ] = None,
    space: o.SpaceOption = None,
    metric: o.MetricOption = None,
    mode: o.ModeOption = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="FILE:NAME",
            help="What measures a selected state on data that selected nothing; left out: the code's own `test`.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs trained at a time; left out: one per core.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The comparison's name; one that exists goes on.", show_default=False)
    ] = None,
    directory: o.FolderOption = None,
    json: o.JsonOption = False,
) -> None:
    """Compare algorithms on a task at equal cost, seed by seed, and write a report."""
    given = {
        **{"population": population, "steps": steps, "interval": interval, "seeds": seeds, "metric": metric},
        **{"mode": mode, "test": test, "workers": workers, "name": name, "directory": directory},
    }
    _lazy.comparing.compare(code, config, given, algorithms=algorithm or [], space=space or [], as_json=json)


@app.command()
def advise(
    code: o.TrainingCodeArgument,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings in TOML, as of `run` or `compare`.", show_default=False),
    ] = None,
    steps: o.StepsOption = None,
    members: Annotated[int | None, typer.Option(help="Members of the pilot (default: 8).", show_default=False)] = None,
    interval: Annotated[
        int | None, typer.Option(help="Steps of its intervals; left out: a fiftieth of --steps.", show_default=False)
    ] = None,
    intervals: Annotated[
        int | None, typer.Option(help="Intervals from equal weights (default: 4).", show_default=False)
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(help="Share of --steps after which all take the best weights (default: 0.5).", show_default=False),
    ] = None,
    space: o.SpaceOption = None,
    metric: o.MetricOption = None,
    mode: o.ModeOption = None,
    seed: o.SeedOption = None,
    workers: o.WorkersOption = None,
    inline: o.InlineOption = False,
    name: Annotated[
        str | None, typer.Option(help="The pilot's name; one that exists goes on.", show_default=False)
    ] = None,
    directory: o.FolderOption = None,
    json: o.JsonOption = False,
) -> None:
    """Train a short pilot and recommend an interval, a population and a strategy, with the numbers behind them."""
    given = {"steps": steps, "metric": metric, "mode": mode, "seed": seed, "name": name, "directory": directory}
    pilot = {"members": members, "interval": interval, "intervals": intervals, "until": until}
    executor = _lazy.training.executor_table(workers, None, None, inline=inline)
    _lazy.comparing.advise(code, config, given, pilot, space=space or [], executor=executor, as_json=json)


@app.command("ls")
def list_runs(directory: o.DirectoryOption = "runs", json: o.JsonOption = False) -> None:
    """List the runs, the newest last."""
    _lazy.reading.list_runs(directory, as_json=json)


@app.command()
def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[RUN[/MEMBER]]", help="A run, one of its members (RUN/3), or a segment (RUN/m03/12 or m03/12)."
        ),
    ] = LATEST,
    directory: o.DirectoryOption = "runs",
    json: o.JsonOption = False,
) -> None:
    """Show a run, a member's life, or a segment with the reasons for its decision."""
    _lazy.reading.show(what, directory, as_json=json)


@app.command()
def best(run: o.LatestRunArgument = LATEST, directory: o.DirectoryOption = "runs", json: o.JsonOption = False) -> None:
    """Show the best model: score, hyperparameters, checkpoint."""
    _lazy.reading.best(run, directory, as_json=json)


@app.command()
def schedule(
    run: o.LatestRunArgument = LATEST,
    segment: Annotated[
        str | None, typer.Option(metavar="ID", help="That of a segment, as in m03/12; left out: the winner's.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV on standard output.")] = False,
    json: o.JsonOption = False,
    directory: o.DirectoryOption = "runs",
) -> None:
    """Show the hyperparameters over steps that made the winner, through the exploits."""
    _lazy.views.schedule(run, directory, segment, as_csv=csv, as_json=json)


@app.command()
def lineage(
    run: o.LatestRunArgument = LATEST,
    everything: Annotated[bool, typer.Option("--all", help="The whole forest, not one ancestry alone.")] = False,
    directory: o.DirectoryOption = "runs",
    json: o.JsonOption = False,
) -> None:
    """Show whom the winner descends from, with the exploits in words."""
    _lazy.views.lineage(run, directory, everything=everything, as_json=json)


@app.command()
def replay(
    run: o.LatestRunArgument = LATEST,
    seed: Annotated[
        int | None, typer.Option(help="Another seed; left out: the run's, which repeats the original bit for bit.")
    ] = None,
    code: o.CodeOption = None,
    directory: o.DirectoryOption = "runs",
) -> None:
    """Train one model along the winner's schedule and compare it with the original."""
    _lazy.training.replay(run, directory, seed=seed, code=code)


@app.command()
def plot(
    run: o.LatestRunArgument = LATEST,
    out: o.OutOption = None,
    kind: Annotated[Kind, typer.Option(help="Which figure.")] = Kind.OVERVIEW,
    directory: o.DirectoryOption = "runs",
) -> None:
    """Draw a run: scores, schedule, lineage, or all on one page."""
    _lazy.figures.plot(run, directory, kind.value, out)


@app.command()
def verify(
    run: o.LatestRunArgument = LATEST, directory: o.DirectoryOption = "runs", json: o.JsonOption = False
) -> None:
    """Check every law of a run on its log and checkpoints; exit code 1 if one is broken."""
    if not _lazy.care.verify(run, directory, as_json=json):
        raise typer.Exit(FAILED)


@app.command()
def gc(
    run: o.RunArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete; otherwise it is only shown what would be.")] = False,
    directory: o.DirectoryOption = "runs",
) -> None:
    """Delete the checkpoints that a run needs no more. Not while it is being trained."""
    _lazy.care.collect(run, directory, delete=yes)


@app.command()
def doctor(directory: o.DirectoryOption = "runs", json: o.JsonOption = False) -> None:
    """Tell what this machine offers, and what would hinder a run; exit code 1 if something does."""
    if not _lazy.doctor.examine(directory, as_json=json):
        raise typer.Exit(FAILED)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(metavar="[digits|quadratic|breakout]", help="Which demo.")] = "digits",
    directory: o.DirectoryOption = "runs",
    seed: Annotated[int, typer.Option(help="Root of all randomness.")] = 0,
) -> None:
    """Run PBT and random search on a small task, and compare."""
    _lazy.training.demo(name, directory, seed)
