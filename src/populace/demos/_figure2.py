"""The toy of figure 2 in the paper that introduced Population Based Training (Jaderberg et al. 2017, arXiv 1711.09846).

Two members climb Q(theta) = 1.2 - |theta|^2 without seeing it. Each may only follow the slope of a surrogate,
1.2 - (h0 theta0^2 + h1 theta1^2), and one has h = (1, 0), the other h = (0, 1): each improves one coordinate and is
blind to the other. Alone, both stop at 0.39. Together they reach the top, 1.2, because weights that one has improved
are handed to the one that can improve what is left.

**Mind the tie.** The two are mirror images: trained equally long they have exactly equal Q. A synchronous rule that
copies only from a *strictly* better member never copies, and the run ends at the grid's 0.39. A tie must count as
lagging. Multiplying h cannot help either (zero stays zero): explore by resampling, or by adding noise.

The paper gives neither rate nor interval; 0.01 and 10 of 200 steps are those of public re-implementations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from populace.space import Dimension, Key, Uniform
from populace.worker import Trainable

FIGURE2_SPACE: Final[Mapping[str, Dimension]] = {"h0": Uniform(0.0, 1.0), "h1": Uniform(0.0, 1.0)}
FIGURE2_INITIAL: Final[tuple[Mapping[str, float], ...]] = ({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})
FIGURE2_STEPS: Final = 200
FIGURE2_INTERVAL: Final = 10


@final
@dataclass(frozen=True, kw_only=True)
class Figure2(Trainable):
    """Gradient ascent on a surrogate that sees only part of the goal; shows what copying weights is for.

    One step is one update. Hyperparameters: `h0`, `h1` in 0..1. The state is `{"theta": (2,)}`, first (0.9, 0.9).
    The score is `q` (higher is better): -0.42 at the start, at most 1.2.

    Attributes:
        rate: Step size of the ascent, above 0 and below 0.5.
    """

    rate: float = 0.01

    def init(self, key: Key, hp: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
        """Returns (0.9, 0.9), for every key."""
        return {"theta": np.array([0.9, 0.9])}

    def step(
        self, key: Key, state: Mapping[str, npt.NDArray[np.float64]], hp: Mapping[str, Any]
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Returns the state after theta_j <- theta_j (1 - 2 rate h_j)."""
        weight_of_surrogate = np.array([float(hp["h0"]), float(hp["h1"])])
        return {"theta": state["theta"] * (1.0 - 2.0 * self.rate * weight_of_surrogate)}

    def evaluate(self, key: Key, state: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, float]:
        """Returns the goal, `q` = 1.2 - |theta|^2."""
        return {"q": 1.2 - float(state["theta"] @ state["theta"])}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel of the figure: which parts of Population Based Training are on, and the best final Q to expect.

    All values are for rate 0.01, interval 10 and 200 steps, with a tie counting as lagging; where the panel explores,
    they are means over 300 seeds of resampling both hyperparameters from U(0, 1). A member explores when it has
    copied; where nothing is copied, at every ready point.

    Attributes:
        name: Title of the panel.
        copies_weights: Whether a lagging member takes the other's weights.
        copies_hyperparameters: Whether it takes the other's hyperparameters too.
        explores: Whether hyperparameters are resampled.
        alternating: Best final Q when the members train and publish in turns of one update, and a member that is
            ready acts at once, before the other's next update.
        synchronous: Best final Q when both members train an interval and then both act on the same snapshot. In
            a tie both copy, so that they trade weights.
    """

    name: str
    copies_weights: bool
    copies_hyperparameters: bool
    explores: bool
    alternating: float
    synchronous: float


def _panel(name: str, switches: tuple[bool, bool, bool], values: tuple[float, float]) -> Panel:
    weights, hyperparameters, explores = switches
    alternating, synchronous = values
    return Panel(
        name=name,
        copies_weights=weights,
        copies_hyperparameters=hyperparameters,
        explores=explores,
        alternating=alternating,
        synchronous=synchronous,
    )


FIGURE2_PANELS: Final[tuple[Panel, ...]] = (
    _panel("PBT", (True, True, True), (1.1949, 1.1960)),
    _panel("Explore only", (False, False, True), (1.1739, 1.1739)),
    _panel("Exploit only (weights)", (True, False, False), (1.1669, 1.1715)),
    _panel("Exploit only (weights and hyperparameters)", (True, True, False), (0.3897, 0.3897)),
    _panel("Grid search", (False, False, False), (0.3897, 0.3897)),
)
