"""Facts: numbers that Population Based Training is known to give on problems that can be computed in a blink.

Unless a comment says otherwise, the expected values were computed independently of this package, from the algorithms'
published descriptions. The toy of figure 2 in the paper (Jaderberg et al. 2017) and the two greed toys (after PBT-Zoo)
are described where they are built.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from populace.core import (
    PBT,
    Continue,
    Copy,
    Decision,
    Exploit,
    Guard,
    Looks,
    Policy,
    Population,
    RandomSearch,
    Schedule,
    Segment,
    decide,
    decision_key,
)
from populace.core.exploit import BinaryTournament, ExploitStrategy, Keep, Take, Truncation
from populace.core.explore import Mixture, NoExplore, Perturb, Resample
from populace.space import Key, LogUniform, Space, Uniform
from populace.testing import Problem, Simulation, population_of, simulate

Point = tuple[float, float]

SQUARE = Space.of({"h0": Uniform(0, 1), "h1": Uniform(0, 1)})
CORNERS: tuple[Mapping[str, float], ...] = ({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})
GRID = 1.2 - 0.81 - 0.81 * 0.98**400


def figure2(rate: float = 0.01, first: float = 1.0) -> Problem[Point]:
    """Ascent on 1.2 - (h0 x^2 + h1 y^2), judged by 1.2 - (x^2 + y^2); `first` weighs x^2 in both."""
    return Problem(
        state=(0.9, 0.9),
        train=lambda s, h, n: (s[0] * (1 - 2 * rate * first * h["h0"]) ** n, s[1] * (1 - 2 * rate * h["h1"]) ** n),
        # The sum first: only then are mirror images exactly equal in floats too.
        evaluate=lambda s: 1.2 - (first * s[0] ** 2 + s[1] ** 2),
    )


@dataclass(frozen=True)
class AlwaysTake(ExploitStrategy):
    """Every member copies its neighbour, whatever the scores."""

    def looks(self, size: int) -> Looks:
        return Looks()

    def choose(self, population: Population, member: int, key: Key) -> Keep | Take:
        neighbour = (member + 1) % population.size
        return Take(donor=neighbour, why={}) if population.can_donate(neighbour) else Keep(why={})

    def donors(self, population: Population, member: int) -> list[int]:
        return []

    def warnings(self, size: int) -> list[str]:
        return []


@dataclass(frozen=True)
class TieLags(Policy):
    """The rule of most accounts of figure 2: ready at every `every`-th segment, and a tie counts as lagging."""

    inner: PBT
    every: int = 1

    starts = ()

    def looks(self, size: int) -> Looks:
        return Looks()

    def warnings(self, size: int) -> list[str]:
        return []

    def decide(self, population: Population, segment: Segment, key: Key) -> Decision:
        if (segment.generation + 1) % self.every:
            return Continue(hyperparameters=segment.hyperparameters, why={"rule": "not ready"})
        last = np.arange(population.size) == segment.member
        return self.inner.decide(replace(population, tie_P=last.astype(np.uint64)), segment, key)


PANELS = {
    "PBT": PBT(exploit=Truncation(0.5), explore=Resample(1.0)),
    "PBT by tournament": PBT(exploit=BinaryTournament(), explore=Resample(1.0)),
    "explore only": PBT(exploit=AlwaysTake(), explore=Resample(1.0), copy="nothing"),
    "exploit only (weights)": PBT(exploit=Truncation(0.5), explore=NoExplore(), copy="weights"),
    "exploit only (both)": PBT(exploit=Truncation(0.5), explore=NoExplore()),
    "grid search": RandomSearch(),
}


def _synchronous(policy: Policy, seed: int = 0, intervals: int = 20, interval: int = 10) -> float:
    run = simulate(
        figure2(), policy, space=SQUARE, size=2, intervals=intervals, interval=interval, seed=seed, initial=CORNERS
    )
    return run.best_score


def _alternating(policy: PBT, seed: int = 0, every: int = 10, steps: int = 200) -> float:
    """The members take turns of one update, publish each, and act at once when they are ready."""
    run = simulate(
        figure2(),
        TieLags(policy, every),
        space=SQUARE,
        size=2,
        intervals=steps,
        seed=seed,
        synchronous=False,
        initial=CORNERS,
    )
    return run.best_score


def test_grid_search_ends_where_figure_2_says() -> None:
    """Without copying, each of the two members is blind to one coordinate and stops at 0.39."""
    run = simulate(figure2(), RandomSearch(), space=SQUARE, size=2, intervals=20, interval=10, initial=CORNERS)
    assert [segment.score for segment in run.final] == pytest.approx([0.389749] * 2, abs=1e-6)
    assert figure2().evaluate((0.9, 0.9)) == pytest.approx(-0.42)
    both = simulate(figure2(), RandomSearch(), space=SQUARE, size=1, intervals=1, interval=200, initial=[_ONES])
    assert both.best_score == pytest.approx(1.199499, abs=1e-6)


_ONES = {"h0": 1.0, "h1": 1.0}


@pytest.mark.parametrize(
    ("panel", "alternating", "synchronous"),
    [("exploit only (weights)", 1.1669, 1.1715), ("exploit only (both)", GRID, GRID), ("grid search", GRID, GRID)],
)
def test_panels_of_figure_2_without_chance(panel: str, alternating: float, synchronous: float) -> None:
    """Copying weights alone already reaches the top here; copying both without exploring ends at the grid's value."""
    assert _alternating(PANELS[panel]) == pytest.approx(alternating, abs=1e-4)
    assert _synchronous(TieLags(PANELS[panel])) == pytest.approx(synchronous, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("panel", "mean"), [("PBT", 1.1949), ("PBT by tournament", 1.1949), ("explore only", 1.1739)])
def test_panels_of_figure_2_in_turns(panel: str, mean: float) -> None:
    """The paper's own picture of what PBT is: both exploit and explore are needed to come close to 1.2."""
    scores = [_alternating(PANELS[panel], seed) for seed in range(30)]
    # Over seeds the standard deviation is 0.004 (0.008 where nothing is copied): four standard errors of these means.
    assert np.mean(scores) == pytest.approx(mean, abs=0.003 if "PBT" in panel else 0.006)


@pytest.mark.slow
def test_panels_of_figure_2_in_lockstep() -> None:
    """A synchronous run gets as far; where a tie lags, both members copy in it and lose nothing."""
    tie_lags = [_synchronous(TieLags(PANELS["PBT"]), seed) for seed in range(60)]
    seeded = [_synchronous(PANELS["PBT"], seed) for seed in range(60)]
    assert np.mean(tie_lags) == pytest.approx(1.1960, abs=0.002)
    # Our own rule for ties has no published value: this one was recorded from 300 seeds.
    assert np.mean(seeded) == pytest.approx(1.1950, abs=0.002)
    for scores in (tie_lags, seeded):
        assert np.quantile(scores, 0.05) >= 1.18
        assert min(scores) > 1.15


@pytest.mark.slow
def test_more_time_or_more_ready_points_bring_figure_2_closer() -> None:
    """The remaining gap is a matter of time, not a place where PBT is stuck."""
    assert np.mean([_alternating(PANELS["PBT"], seed, every=4) for seed in range(20)]) == pytest.approx(
        1.1972, abs=0.0015
    )
    assert np.mean([_synchronous(PANELS["PBT"], seed, intervals=50) for seed in range(40)]) > 1.1990


def test_strict_better_would_freeze_the_tie_of_figure_2() -> None:
    """The trap: mirror images are exactly equal, so "copy only from a strictly better one" never copies."""
    strict = PBT(exploit=Truncation(0.5), explore=Resample(1.0), guard=Guard(min_std=1e-9))
    assert _synchronous(strict) == pytest.approx(GRID, abs=1e-12)
    assert _synchronous(PANELS["PBT"]) > 1.15


def test_multiplying_never_leaves_zero() -> None:
    """Peers that multiply a zero end at the grid's value; here a dimension steps out of zero by itself."""

    def multiply(h: Mapping[str, object], space: Space, key: Key) -> Mapping[str, object]:
        return {name: float(value) * (0.8, 1.2)[key.fold(name).seed() % 2] for name, value in h.items()}

    assert _synchronous(PBT(exploit=Truncation(0.5), explore=multiply)) <= GRID + 1e-12
    assert _synchronous(PBT(exploit=Truncation(0.5), explore=Perturb())) > GRID + 0.1


@pytest.mark.slow
def test_documented_variant_with_three_quarters() -> None:
    """A widely read tutorial breaks the tie by 3/4 x^2; its final values are easy to compare with."""
    arguments = {"space": SQUARE, "size": 2, "intervals": 25, "interval": 4, "initial": CORNERS}
    grid = simulate(figure2(0.05, 0.75), RandomSearch(), **arguments)
    assert sorted(s.score for s in grid.final) == pytest.approx([0.39, 0.5925], abs=1e-4)
    arguments["intervals"] = 100
    policy = PBT(exploit=Truncation(0.5), explore=Mixture(resample=0.5))
    scores = [simulate(figure2(0.05, 0.75), policy, seed=seed, **arguments).best_score for seed in range(40)]
    assert np.mean(np.array(scores) > 1.199) >= 0.95


@pytest.mark.parametrize(
    ("size", "fraction", "k"),
    [(10, 0.2, 2), (20, 0.2, 4), (16, 0.2, 4), (22, 0.25, 6), (8, 0.2, 2), (5, 0.25, 2), (4, 0.125, 1), (15, 0.2, 3)],
)
def test_truncation_selects_ceil_of_the_fraction(size: int, fraction: float, k: int) -> None:
    """Whoever compares two systems must know how many members each replaces: we round up, except noise of floats."""
    assert Truncation(fraction).num_selected(size) == k
    decisions = _decisions(PBT(exploit=Truncation(fraction)), population_of(range(size)))
    assert sorted(decisions) == list(range(k))
    assert {d.donor.member for d in decisions.values()} <= set(range(size - k, size))


def _decisions(policy: Policy, population: Population, seed: int = 0) -> dict[int, Exploit]:
    generation = max(s.generation for s in population.latest if s is not None) + 1
    every = {m: decide(population, m, policy, decision_key(seed, m, generation)) for m in range(population.size)}
    return {member: decision for member, decision in every.items() if isinstance(decision, Exploit)}


@pytest.mark.slow
def test_truncation_draws_donors_evenly() -> None:
    """A donor that is drawn too often makes the whole population its clone."""
    population, policy = population_of(range(20)), PBT(exploit=Truncation(0.2), explore=NoExplore())
    drawn = Counter(decide(population, 1, policy, Key(seed)).donor.member for seed in range(4000))
    assert sorted(drawn) == [16, 17, 18, 19]
    chi_square = sum((count - 1000) ** 2 / 1000 for count in drawn.values())
    assert chi_square < 16.27  # its 0.999 quantile at 3 degrees of freedom


@pytest.mark.slow
def test_tournament_replaces_by_rank() -> None:
    """Half of the population goes at every ready point: users of a tournament must expect that."""
    size, rounds = 8, 1000
    population, policy = population_of(range(size)), PBT(exploit=BinaryTournament(), explore=NoExplore())
    replaced = Counter(member for seed in range(rounds) for member in _decisions(policy, population, seed))
    assert replaced[size - 1] == 0
    assert replaced[0] == rounds
    for member in range(size):
        expected = (size - 1 - member) / (size - 1)
        assert replaced[member] / rounds == pytest.approx(expected, abs=4.5 * math.sqrt(0.25 / rounds))
    assert sum(replaced.values()) / rounds / size == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_perturbing_multiplies_by_either_factor_evenly_and_independently() -> None:
    """The paper's factors drift: their geometric mean is 0.98, so 50 perturbations shrink a value to a third."""
    space = Space.of({"a": LogUniform(1e-9, 1e9), "b": LogUniform(1e-9, 1e9)})
    draws = [Perturb().explore({"a": 1.0, "b": 1.0}, space, Key(seed)) for seed in range(4000)]
    pairs = Counter((round(d["a"], 12), round(d["b"], 12)) for d in draws)
    assert sorted(pairs) == [(0.8, 0.8), (0.8, 1.2), (1.2, 0.8), (1.2, 1.2)]
    assert sum((count - 1000) ** 2 / 1000 for count in pairs.values()) < 16.27
    logs = np.log([d["a"] for d in draws])
    assert math.exp(logs.mean()) == pytest.approx(math.sqrt(0.96), abs=0.015)
    assert math.sqrt(0.96) ** 50 == pytest.approx(0.3604, abs=1e-4)


def test_factors_that_are_inverse_do_not_drift() -> None:
    """The remedy for the drift: 0.8 and 1.25 bring a value back exactly."""
    space = Space.of({"a": LogUniform(1e-9, 1e9)})
    moved = {Perturb((0.8, 1.25)).explore({"a": 1.0}, space, Key(seed))["a"] for seed in range(20)}
    assert math.prod(moved) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("size", "rounds"), [(10, 5.3), (20, 6.6), (40, 7.7)])
def test_one_ancestor_takes_over(size: int, rounds: float) -> None:
    """With scores inherited and fixed, one lineage owns the population after few rounds; the tree must show it."""
    needed = [_rounds_to_takeover(size, seed) for seed in range(16)]
    assert np.mean(needed) == pytest.approx(rounds, abs=1.2)


def _rounds_to_takeover(size: int, seed: int) -> int:
    """Rounds of copying until every member descends from one; scores are the initial hyperparameter's."""

    def inherit(state: float | None, h: Mapping[str, object], n: int) -> float:
        return float(h["x"]) if state is None else state

    problem: Problem[float | None] = Problem(state=None, train=inherit, evaluate=lambda state: state or 0.0)
    policy = PBT(exploit=Truncation(0.2), explore=NoExplore())
    run = simulate(problem, policy, space={"x": Uniform(0, 1)}, size=size, intervals=16, seed=seed)
    lineage = run.lineage
    assert len(lineage.survivors) == 1
    for generation in range(16):
        roots = {lineage.root(segment) for segment in lineage if segment.generation == generation}
        if len(roots) == 1:
            return generation
    raise AssertionError("survivors and roots disagree")


@pytest.mark.slow
def test_pure_noise_takes_over_too_but_slowly() -> None:
    """A single ancestor is no proof of merit: with scores drawn anew in every round it only takes longer."""

    def redraw(state: tuple[int, int], h: Mapping[str, object], num_steps: int) -> tuple[int, int]:
        founder, noise = state
        drawn = Key(noise).fold(round(float(h["x"]) * 1e9)).seed()
        return founder or drawn, drawn

    problem = Problem(state=(0, 0), train=redraw, evaluate=lambda state: float(state[1]))
    policy = PBT(exploit=Truncation(0.2), explore=Resample())
    needed = []
    for seed in range(10):
        run = simulate(problem, policy, space={"x": Uniform(0, 1)}, size=10, intervals=110, seed=seed)
        founders: dict[int, set[int]] = {}
        for id, (founder, _) in run.states.items():
            founders.setdefault(id.generation, set()).add(founder)
        needed.append(next((g for g in range(110) if len(founders[g]) == 1), 110))
    # The spread over runs is about half of the mean of 34.
    assert np.mean(needed) == pytest.approx(34, abs=15)


@pytest.mark.slow
def test_replaying_the_winners_schedule_gives_its_state_bit_by_bit() -> None:
    """What PBT delivers is a schedule: it must be the one that trained the winner, not its last holder's history."""
    for synchronous, policy in [(True, PBT.paper()), (False, PBT()), (False, PANELS["PBT by tournament"])]:
        for seed in range(4):
            run = simulate(
                figure2(), policy, space=SQUARE, size=10, intervals=12, interval=10, seed=seed, synchronous=synchronous
            )
            assert run.lineage.exploits
            for segment in run.final:
                schedule = Schedule.of(run.lineage.ancestry(segment.id), SQUARE, seed)
                assert schedule.num_steps == segment.end_step
                assert _replayed(figure2(), schedule) == run.states[segment.id]


def _replayed(problem: Problem[Point], schedule: Schedule) -> Point:
    state = problem.state
    for piece in schedule:
        state = problem.train(state, piece.hyperparameters, piece.end_step - piece.start_step)
    return state


def _scores(policy: Policy, size: int, seeds: int) -> np.ndarray:
    runs = [
        simulate(figure2(), policy, space=SQUARE, size=size, intervals=20, interval=10, seed=seed).best_score
        for seed in range(seeds)
    ]
    return np.array(runs)


@pytest.mark.slow
def test_copying_both_beats_copying_half() -> None:
    """The paper's ablation: weights and hyperparameters belong together."""
    seeds, explore = 16, Mixture(resample=0.25)
    scores = {kind: _scores(PBT(explore=explore, copy=kind), 20, seeds) for kind in Copy if kind is not Copy.NOTHING}
    scores["none"] = _scores(RandomSearch(), 20, seeds)
    expected = {"none": 1.19769, Copy.WEIGHTS: 1.19777, Copy.HYPERPARAMETERS: 1.19858, Copy.BOTH: 1.19933}
    for kind, value in expected.items():
        # Wide: over these seeds weights alone give 1.1984, more above the given value than chance explains.
        assert scores[kind].mean() == pytest.approx(value, abs=0.0013), kind
    # That hyperparameters alone beat weights alone takes more seeds to show than a test has time for.
    for kind in ("none", Copy.WEIGHTS, Copy.HYPERPARAMETERS):
        assert _surely_better(scores[Copy.BOTH], scores[kind]), kind


def _surely_better(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether the mean of paired differences is more than two standard errors above zero."""
    differences = ours - theirs
    return bool(differences.mean() > 2 * differences.std(ddof=1) / math.sqrt(len(differences)))


@pytest.mark.slow
def test_larger_populations_do_better() -> None:
    """A population of 1 is plain training; 10 are nearly as good as 20 here, and random search lags behind."""
    policy = PBT(explore=Mixture(resample=0.25))
    pbt = {size: _scores(policy, size, 20).mean() for size in (1, 2, 5, 10)}
    random = {size: _scores(RandomSearch(), size, 20).mean() for size in (1, 2, 5, 10)}
    assert pbt[1] == random[1]
    assert pbt[2] == pytest.approx(1.1935, abs=0.012)
    assert pbt[5] == pytest.approx(1.1978, abs=0.002)
    assert pbt[10] == pytest.approx(1.1992, abs=0.0006)
    assert random[10] == pytest.approx(1.1958, abs=0.0025)
    assert all(pbt[size] > random[size] for size in (2, 5, 10))


@dataclass(frozen=True)
class Greed:
    """A 1-D descent whose speed rewards small h; where it is deceptive, leaving the line 1 -> 0 costs speed later."""

    theta: float = 0.9
    strayed: float = 0.0
    step: int = 0


GREED_STEPS = 1000


def greedy(*, deceptive: bool) -> Problem[Greed]:
    """Theta *= 1 - 0.002 rate, rate = 2 - h, less 0.2 of how far all segments together strayed from the line."""

    def train(state: Greed, h: Mapping[str, object], num_steps: int) -> Greed:
        value = float(h["h"])
        strayed = state.strayed + abs(value - (GREED_STEPS - state.step) / GREED_STEPS)
        rate = max(0.0, 2 - value - 0.2 * strayed) if deceptive else 2 - value
        return Greed(state.theta * (1 - 0.002 * rate) ** num_steps, strayed, state.step + num_steps)

    return Problem(state=Greed(), train=train, evaluate=lambda state: 1.2 - state.theta**2)


def _greed(policy: Policy, *, deceptive: bool, interval: int, seeds: int) -> float:
    def run(seed: int) -> Simulation[Greed]:
        generator = np.random.default_rng(seed)
        return simulate(
            greedy(deceptive=deceptive),
            policy,
            space={"h": Uniform(1e-4, 1.1)},
            size=22,
            intervals=GREED_STEPS // interval,
            interval=interval,
            seed=seed,
            initial=[{"h": float(generator.uniform(0.9, 1.1))} for _ in range(22)],
        )

    return float(np.mean([run(seed).best_score for seed in range(seeds)]))


@pytest.mark.parametrize(
    ("deceptive", "schedule", "expected"),
    [
        *((False, "zero", 1.199732), (False, "one", 1.185224), (False, "line", 1.197929)),
        *((True, "zero", 0.826972), (True, "one", 0.954622), (True, "line", 1.197929)),
    ],
)
def test_fixed_schedules_on_the_greed_toys(deceptive: bool, schedule: str, expected: float) -> None:
    """The toys are what they are said to be; being greedy on the deceptive one ends badly."""
    problem, state = greedy(deceptive=deceptive), Greed()
    for index in range(50):
        h = {"zero": 1e-4, "one": 1.0, "line": 1 - index / 50}[schedule]
        state = problem.train(state, {"h": h}, GREED_STEPS // 50)
    assert problem.evaluate(state) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_intervals_decide_between_pbt_and_random_search_where_greed_deceives() -> None:
    """Short intervals make PBT greedy: it loses to random search there, and wins at long ones."""
    pbt = PBT(exploit=Truncation(5 / 22), explore=Perturb((0.5, 2.0)))
    short, long = ({"deceptive": True, "interval": interval} for interval in (20, 100))
    assert _greed(pbt, **short, seeds=6) == pytest.approx(0.914, abs=0.06)
    assert _greed(RandomSearch(), **short, seeds=3) == pytest.approx(1.045, abs=0.02)
    assert _greed(pbt, **long, seeds=8) == pytest.approx(1.197, abs=0.003)
    assert _greed(RandomSearch(), **long, seeds=8) == pytest.approx(1.170, abs=0.006)


@pytest.mark.slow
def test_pbt_beats_random_search_on_the_plain_toy() -> None:
    """Where being greedy is right, PBT finds the best schedule although it starts far from it."""
    pbt = PBT(exploit=Truncation(5 / 22), explore=Perturb((0.5, 2.0)))
    for interval, expected in [(50, 1.1996), (100, 1.1993), (250, 1.1981), (500, 1.1955)]:
        assert _greed(pbt, deceptive=False, interval=interval, seeds=8) == pytest.approx(expected, abs=0.0006)
    assert _greed(RandomSearch(), deceptive=False, interval=100, seeds=8) == pytest.approx(1.1898, abs=0.001)


DEXPBT = PBT(
    exploit=Truncation(0.125), explore=Perturb(), guard=Guard(min_std=0.5, min_percent=5, trim=0.2, explores=True)
)


def test_guard_lets_a_clear_gap_through() -> None:
    """DexPBT's example: of 8 members the one at 2 is more than half a standard deviation and 5 % behind."""
    population = population_of([10, 9, 9, 8, 8, 8, 7, 2])
    kept = np.array([10, 9, 9, 8, 8, 8, 7])
    assert np.std(kept) == pytest.approx(0.903508, abs=1e-6)
    assert sorted(_decisions(DEXPBT, population)) == [7]


def test_guard_holds_a_copy_within_noise_back() -> None:
    """When all are nearly equal, the worst keeps its weights and only changes its hyperparameters."""
    population = population_of([10, 9.9, 9.9, 9.8, 9.8, 9.8, 9.8, 9.7])
    assert _decisions(DEXPBT, population) == {}
    own = population.latest[7].hyperparameters
    decision = decide(population, 7, DEXPBT, decision_key(0, 7, 1))
    assert isinstance(decision, Continue)
    assert decision.hyperparameters != own
    assert "5 %" in str(decision.why["guard"])
    silent = replace(DEXPBT, guard=replace(DEXPBT.guard, explores=False))
    assert decide(population, 7, silent, decision_key(0, 7, 1)).hyperparameters == own


@pytest.mark.parametrize("policy", [PBT(), PBT.paper(), RandomSearch(), PBT(exploit=AlwaysTake(), explore=NoExplore())])
@pytest.mark.parametrize("synchronous", [True, False])
def test_every_policy_consumes_the_same_budget(policy: Policy, synchronous: bool) -> None:
    """Comparisons at equal compute hold only if N members of T steps train exactly N x T steps."""
    run = simulate(figure2(), policy, space=SQUARE, size=6, intervals=7, interval=5, synchronous=synchronous)
    assert sum(segment.end_step - segment.start_step for segment in run.lineage) == 6 * 7 * 5
    assert [segment.member_end for segment in run.final] == [35] * 6
    for member in range(6):
        own = sorted((s for s in run.lineage if s.member == member), key=lambda s: s.generation)
        assert all(one.member_end == next.member_start for one, next in pairwise(own))
