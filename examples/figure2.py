"""Figure 2 of the paper: two members that see half of the goal each. Draws figure2.png. Needs matplotlib.

Each panel is a population of two from the same start, (0.9, 0.9), with h = (1, 0) and (0, 1). Q is 1.2 at the top.
"""

import tempfile

import numpy as np
from matplotlib.figure import Figure

import populace
from populace.core.explore import NoExplore
from populace.demos import FIGURE2_INITIAL, FIGURE2_INTERVAL, FIGURE2_SPACE, FIGURE2_STEPS, Figure2

half = populace.Truncation(0.5)  # of two: the worse copies the better; a tie is broken, never left
redraw = populace.Resample()
panels = {
    "PBT": populace.PBT(exploit=half, explore=redraw, initial=FIGURE2_INITIAL),
    "explore only": populace.PBT(exploit=half, explore=redraw, copy="nothing", initial=FIGURE2_INITIAL),
    "exploit only": populace.PBT(exploit=half, explore=NoExplore(), copy="weights", initial=FIGURE2_INITIAL),
    "grid search": populace.RandomSearch(initial=FIGURE2_INITIAL),
}
figure = Figure(figsize=(12, 3.4), layout="constrained")
for axes, (name, policy) in zip(figure.subplots(1, 4, sharey=True), panels.items(), strict=True):
    with tempfile.TemporaryDirectory() as directory:
        result = populace.tune(
            Figure2(),
            FIGURE2_SPACE,
            population=2,
            steps=FIGURE2_STEPS,
            interval=FIGURE2_INTERVAL,
            metric="q",
            policy=policy,
            synchronous=True,
            evaluate_every=1,
            seed=3,
            executor=populace.Inline(),
            directory=directory,
        )
        for member, color in ((0, "#0072B2"), (1, "#D55E00")):
            life = [s for s in result.segments if s.member == member]
            points = [(s.member_start + e.step - s.start_step, e.score) for s in life for e in s.evaluations]
            axes.plot(*np.transpose(points), color=color, label=f"member {member}")
    axes.axhline(1.2, color="#999999", linewidth=0.8, linestyle="--")
    axes.set(title=f"{name}: Q = {result.best.score:.3f}", xlabel="step")
    print(f"{name:13} best Q {result.best.score:.4f}")
figure.axes[0].set_ylabel("Q (the top is 1.2)")
figure.axes[0].legend(frameon=False)
figure.savefig("figure2.png", dpi=110)
