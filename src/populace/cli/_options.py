"""Arguments and options that several commands share, with the words that explain them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DirectoryOption: TypeAlias = Annotated[str, typer.Option("--directory", "-d", help="Where run folders lie.")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Write strict JSON on standard output.")]
RunArgument: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")]
LatestRunArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="[RUN]", help="A run's name or folder; left out or 'latest': the newest.")
]

PopulationOption: TypeAlias = Annotated[int | None, typer.Option(help="Number of members.", show_default=False)]
StepsOption: TypeAlias = Annotated[int | None, typer.Option(help="Steps that each member trains.", show_default=False)]
MaxFailuresOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Failures in a row after which a member is replaced.", show_default=False)
]
WorkersOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Worker processes; left out: one per core.", show_default=False)
]
DevicesOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Devices shared out among the workers, as in 0,1; left out: all.", show_default=False),
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Numerical threads of each worker.", show_default=False)
]
InlineOption: TypeAlias = Annotated[bool, typer.Option("--inline", help="Train in this process, without workers.")]
TrainingCodeArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE:NAME", help="The training code, as in train.py:train.")
]
ConfigOption: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings in TOML; options win over it.", show_default=False)
]
IntervalOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Steps between two ready points.", show_default=False)
]
MetricOption: TypeAlias = Annotated[
    str | None, typer.Option(help="The reported metric that is the score.", show_default=False)
]
ModeOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="max|min", help="Which score is better.", show_default=False)
]
SeedOption: TypeAlias = Annotated[int | None, typer.Option(help="Root of all randomness.", show_default=False)]
SpaceOption: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="NAME=TOML", help="A dimension, as for `run`. Repeatable.")
]
FolderOption: TypeAlias = Annotated[
    str | None, typer.Option("--directory", "-d", help="Where its folder lies (default: runs).", show_default=False)
]
CodeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE:NAME", help="Where the code is now, if it has moved.", show_default=False),
]
OutOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="A .png, .svg or .pdf file; left out: RUN-KIND.png here.", show_default=False),
]
