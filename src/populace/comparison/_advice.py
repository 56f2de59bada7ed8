"""Advice: from a pilot's numbers to an interval, a population and a strategy, each with its reason.

The rules, and what they rest on:

* An interval must let hyperparameters show through the noise. PBT that selects on noise can lose badly (Pendulum in our
  notes: -1224 against random search's -276 when an interval holds a dozen episodes, level at three times the interval).
  So two members with equal weights should differ by `CLEAR` times the noise; twice the noise of a difference of two.
* There must be enough copies: 7 to 20 ready points per run were best on our tasks; an interval above a tenth of the
  run leaves too few.
* Few members have little to choose from: ten or fewer have a high variance, 20 to 40 gain steadily (the ablation of
  Jaderberg et al. 2017).
* Where the same settings stay the best from scratch and from trained weights, a constant suffices, and random or
  sequential search finds it without PBT's risks.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import final

from populace.comparison._pilot import Pilot
from populace.core import Mode
from populace.space import Constant, Space

CLEAR = 2 * math.sqrt(2)
_FEWEST_READY, _MOST_READY = 10, 33
_STAYS, _MOVES = 0.6, 0.2
_MOST_DIVERGED = 1 / 3


@final
@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a pilot found, and what follows from it."""

    pilot: Pilot
    """The numbers."""
    steps: int
    """Steps per member of the run that is planned."""
    metric: str | None
    """What ranks."""
    interval: int
    """Recommended steps between two ready points."""
    population: int
    """Recommended number of members."""
    strategy: str
    """Recommended policy or baseline, as it is written in Python."""
    reasons: tuple[str, ...]
    """Why, a sentence each."""

    def to_json(self) -> dict[str, object]:
        """Returns it as strict JSON values."""
        held = asdict(self)
        held["pilot"]["differences"] = {str(steps): size for steps, size in self.pilot.differences.items()}
        return {**held, "reasons": list(self.reasons)}

    def to_text(self) -> str:
        """Returns it as lines: numbers first, then the recommendation, then the reasons."""
        pilot = self.pilot
        rows = [
            ("pilot", f"{pilot.members} members x {2 * pilot.half} steps = {pilot.member_steps} member-steps"),
            ("noise of a score", _size(pilot.noise)),
            ("progress in one interval", f"{_size(pilot.progress)} ({pilot.interval} steps, the median member)"),
            *(
                (f"members differ after {steps} steps", f"{size:.4g}{_times(size, pilot.noise)}")
                for steps, size in pilot.differences.items()
            ),
            ("rank correlation of settings", f"{_size(pilot.correlation)} ({pilot.num_ranked} members)"),
            ("diverged", f"{pilot.num_diverged} of {pilot.members} members"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(
            [
                *(f"{name:<{width}}  {value}" for name, value in rows),
                "",
                f"recommended: interval {self.interval}, population {self.population}, policy {self.strategy}",
                *(f"  * {reason}" for reason in self.reasons),
            ]
        )


def advise_on(pilot: Pilot, *, space: Space, steps: int, metric: str | None, mode: Mode) -> Advice:
    """Returns what follows from a pilot for a run of so many steps per member.

    Args:
        pilot: What was measured.
        space: The search space.
        steps: Steps per member of the planned run.
        metric: What ranks.
        mode: Whether a larger or a smaller score is better.
    """
    reasons: list[str] = []
    interval, is_clear = _interval(pilot, steps, reasons)
    population = _population(space, reasons)
    strategy = _strategy(pilot, is_clear, reasons)
    if pilot.num_diverged > _MOST_DIVERGED * pilot.members:
        reasons.append(
            f"{pilot.num_diverged} of {pilot.members} settings diverged: narrow the space (often the upper bound of a "
            "learning rate), or much of every population is lost at its start"
        )
    reasons.append(
        f"the pilot saw the first {2 * pilot.half} of {steps} steps; later progress is slower, so when in doubt take a "
        "longer interval, and check on your task with `populace compare`"
    )
    return Advice(
        pilot=pilot,
        steps=steps,
        metric=metric,
        interval=interval,
        population=population,
        strategy=strategy,
        reasons=tuple(reasons),
    )


def _interval(pilot: Pilot, steps: int, reasons: list[str]) -> tuple[int, bool]:
    """Returns an interval, and whether hyperparameters show in it."""
    shortest, longest = max(1, steps // _MOST_READY), max(1, steps // _FEWEST_READY)
    if not pilot.noise or not pilot.differences:
        middle = max(1, (shortest + longest) // 2)
        told = "no noise was seen in the score" if pilot.noise == 0 else "too few scores to tell the noise"
        reasons.append(f"interval {middle}: {told}, so it gives {steps // middle} ready points, as is usual")
        return middle, pilot.noise == 0
    needed = CLEAR * pilot.noise
    clear = next((after for after, size in pilot.differences.items() if size >= needed), None)
    if clear is None:
        # Differences grow about in proportion while settings pull apart.
        after, size = list(pilot.differences.items())[-1]
        clear = math.ceil(after * needed / size) if size > 0 else steps
        told = f"members with equal weights still differ by only {size / pilot.noise:.1f} times the noise after {after}"
    else:
        size = pilot.differences[clear]
        told = f"members with equal weights differ by {size / pilot.noise:.1f} times the noise after {clear} steps"
    interval = min(max(clear, shortest), longest)
    ready = steps // interval
    if clear > longest:
        reasons.append(
            f"interval {interval}: {told} ({CLEAR:.1f} are clear), which would ask for about {clear} steps; longer "
            f"than a tenth of the run leaves too few copies. Lower the noise: score on more data or episodes"
        )
    elif clear < shortest:
        reasons.append(f"interval {interval}: {told}; shorter ones only invite greed, {ready} ready points are enough")
    else:
        reasons.append(f"interval {interval}: {told}, and it leaves {ready} ready points")
    return interval, clear <= longest


def _population(space: Space, reasons: list[str]) -> int:
    tuned = sum(not isinstance(dimension, Constant) for dimension in space.values())
    population = 10 if tuned <= 1 else 16 if tuned <= 4 else 20
    reasons.append(
        f"population {population}: {tuned} hyperparameter{'s' * (tuned != 1)}; fewer than 10 members have little to "
        "choose from, 20 to 40 gain steadily where they can be afforded"
    )
    return population


def _strategy(pilot: Pilot, is_clear: bool, reasons: list[str]) -> str:
    if not is_clear:
        reasons.append(
            "RandomSearch(): scores differ by too little for their noise, so that copying would select on luck; PBT() "
            "guards against that, but has then little to win"
        )
        return "RandomSearch()"
    if pilot.correlation is None:
        reasons.append("PBT(): whether the best settings move could not be told from so few members that trained")
        return "PBT()"
    rho = f"rank correlation {pilot.correlation:+.2f} between settings from scratch and from equal trained weights"
    if pilot.correlation >= _STAYS:
        reasons.append(
            f"SequentialSearch() or RandomSearch(): {rho}: the same settings stay the best, so a good constant may "
            "suffice; sequential search if you can wait, random search if you can train side by side"
        )
        return "SequentialSearch()"
    if pilot.correlation <= _MOVES:
        reasons.append(f"PBT(): {rho}: the best settings change while training goes on, which is what PBT is for")
    else:
        reasons.append(f"PBT(): {rho}: not clear whether the best settings move; compare it with random search")
    return "PBT()"


def _size(value: float | None) -> str:
    return "not told" if value is None else f"{value:.4g}"


def _times(size: float, noise: float | None) -> str:
    return f" = {size / noise:.1f} x noise" if noise else ""
