"""Advice: from a pilot's numbers to an interval, a population and a strategy, each with its reason.

The rules, and what they rest on:

* An interval must let hyperparameters show through the noise. PBT that selects on noise can lose badly (Pendulum in our
  notes: -1224 against random search's -276 when an interval holds a dozen episodes, level at three times the interval).
  So two members with equal weights should differ by `CLEAR` times the noise; twice the noise of a difference of two.
* There must be enough copies: 7 to 20 ready points per run were best on our tasks; an interval above a tenth of the
  run leaves too few.
* Few members have little to choose from: ten or fewer have a high variance, 20 to 40 gain steadily (the ablation of
  Jaderberg et al. 2017).
* Where no other setting does better on the weights that the best constant setting has trained, a constant suffices, and
  random or sequential search finds it without PBT's risks; where one clearly does, the best settings move.
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
_STAYS, _MOVES = 1.5, 3.5  # times the noise: less than a lucky maximum of several, more than one
_LONG = 0.4  # of the run: from where a pilot can tell that the best settings stay
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
            ("pilot", f"{pilot.members} members x {pilot.steps} steps = {pilot.member_steps} member-steps"),
            ("noise of a score", _size(pilot.noise)),
            ("progress in one interval", f"{_size(pilot.progress)} ({_steps(pilot.interval)}, the median member)"),
            *(
                (f"members differ after {_steps(steps)}", f"{size:.4g}{_times(size, pilot.noise)}")
                for steps, size in pilot.differences.items()
            ),
            ("gain of a change", _gained(pilot)),
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
    strategy = _strategy(pilot, steps, is_clear, reasons)
    if pilot.num_diverged > _MOST_DIVERGED * pilot.members:
        reasons.append(
            f"{pilot.num_diverged} of {pilot.members} settings diverged: narrow the space (often the upper bound of a "
            "learning rate), or much of every population is lost at its start"
        )
    reasons.append(
        f"the pilot saw the first {pilot.steps} of {steps} steps; later progress is slower, so when in doubt take a "
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
        told = (
            f"members with equal weights still differ by only {size / pilot.noise:.1f} times the noise after "
            f"{_steps(after)}"
        )
    else:
        size = pilot.differences[clear]
        told = f"members with equal weights differ by {size / pilot.noise:.1f} times the noise after {_steps(clear)}"
    interval = min(max(clear, shortest), longest)
    ready = steps // interval
    if clear > longest:
        reasons.append(
            f"interval {interval}: {told} ({CLEAR:.1f} are clear), which would ask for about {_steps(clear)}; longer "
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


def _strategy(pilot: Pilot, steps: int, is_clear: bool, reasons: list[str]) -> str:
    if pilot.gain is None or not pilot.noise:
        reasons.append("PBT(): whether the best settings move could not be told; compare it with random search")
        return "PBT()"
    ratio = pilot.gain / pilot.noise
    told = (
        f"on the weights that the best constant setting had trained for {pilot.rally} steps, another setting does "
        f"{'better' if ratio > 0 else 'no better'} ({ratio:+.1f} times the noise after {_steps(pilot.window)})"
    )
    if ratio >= _MOVES:
        reasons.append(f"PBT(): {told}: the best settings move while training goes on, which is what PBT is for")
        return "PBT()"
    if not is_clear:
        reasons.append(
            "RandomSearch(): scores differ by too little for their noise, so that copying would select on luck; PBT() "
            "guards against that, but has then little to win"
        )
        return "RandomSearch()"
    if ratio <= _STAYS and pilot.rally >= _LONG * steps:
        reasons.append(
            f"SequentialSearch() or RandomSearch(): {told}: a good constant may suffice; sequential search if you can "
            "wait, random search if you can train side by side"
        )
        return "SequentialSearch()"
    if ratio <= _STAYS:
        reasons.append(
            f"PBT(): {told}; but {pilot.rally} of {steps} steps are too few to tell that a constant suffices: a pilot "
            "with until=0.5 can"
        )
    else:
        reasons.append(f"PBT(): {told}: not clear whether the best settings move; compare it with random search")
    return "PBT()"


def _gained(pilot: Pilot) -> str:
    if pilot.gain is None:
        return "not told"
    return (
        f"{pilot.gain:+.4g}{_times(pilot.gain, pilot.noise)} over the best constant setting, in {_steps(pilot.window)}"
    )


def _size(value: float | None) -> str:
    return "not told" if value is None else f"{value:.4g}"


def _times(size: float, noise: float | None) -> str:
    return f" = {size / noise:.1f} x noise" if noise else ""


def _steps(number: int) -> str:
    return f"{number} step{'s' * (number != 1)}"
