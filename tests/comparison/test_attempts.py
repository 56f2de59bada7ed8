"""Attempts: settings tried one after another in an ordinary run, chosen and given up as Optuna would."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("optuna")

import optuna

import populace
from populace._errors import MissingExtra, UsageError
from populace.core import (
    Continue,
    Diverged,
    Exploit,
    Failed,
    Finite,
    Mode,
    Piece,
    Population,
    Retire,
    Schedule,
    Segment,
    SegmentId,
    Shrink,
    Start,
    decide,
    decision_key,
    policy_from_json,
    policy_to_json,
)
from populace.core.baselines import Attempts, Follow, Rally
from populace.core.baselines._history import Attempt, attempts_of, rungs
from populace.core.baselines._optuna import (
    _decoded,
    _encoded,
    _quiet,
    _sampler,
    import_optuna,
    is_worse_than_median,
    misses_the_rung,
    suggest,
)
from populace.run import replay, verify
from populace.space import (
    Choice,
    Complement,
    Constant,
    IntUniform,
    Key,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Space,
    Uniform,
)
from populace.testing import BOWL_SPACE, NoisyBowl, population_of, tune_toy

optuna.logging.set_verbosity(optuna.logging.ERROR)
WIDE_SPACE = Space(
    {
        "lr": LogUniform(1e-5, 1.0),
        "momentum": Complement(0.0, 0.99),
        "dropout": Uniform(0, 0.6),
        "layers": IntUniform(1, 4),
        "width": LogIntUniform(8, 1024),
        "batch": Ordinal([16, 32, 64]),
        "optimiser": Choice(["sgd", "adam", None]),
        "nesterov": Choice([True, False], when={"optimiser": "sgd"}),
        "beta": Complement(0.5, 0.999, when={"optimiser": "adam"}),
        "depth": Constant(3),
    }
)
CURVES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.integers(0, 9), min_size=12, max_size=12)), min_size=2, max_size=10
)


def attempt(number, scores, *, is_open=False, hyperparameters=None):
    """Returns an attempt of member 0 that reported these scores at steps 1, 2, 3 ..."""
    found = tuple(
        Segment(
            member=0,
            generation=100 * number + step,
            parent=None,
            donor=None,
            start_step=step,
            end_step=step + 1,
            member_start=100 * number + step,
            hyperparameters=hyperparameters or {"lr": 0.01},
            why={},
            snapshot=0,
            begun=0,
            ended=1,
            outcome=Finite(value=float(score)),
        )
        for step, score in enumerate(scores)
    )
    return Attempt(root=found[0].id, hyperparameters=found[0].hyperparameters, segments=found, is_open=is_open)


def nobody(space=None, mode=Mode.MAX):
    """Returns a population of one that has not trained."""
    return Population.empty(space=space or Space(BOWL_SPACE), mode=mode, seed=0, size=1)


def live_study(curves, pruner):
    """Yields, as a live study of Optuna goes through trials one after another, where each of them is stopped."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for length, scores in curves:
        trial = study.ask()
        stopped = None
        for step, score in enumerate(scores[:length], 1):
            trial.report(float(score), step)
            if trial.should_prune():
                stopped = step
                break
        if stopped is None:
            study.tell(trial, max(scores[:length]))
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        yield stopped


@pytest.mark.slow
@given(CURVES, st.integers(1, 3), st.integers(2, 4))
def test_halving_stops_where_a_live_study_of_optuna_would(curves, grace, factor):
    """We rebuild the study from the log at each decision; whatever Optuna remembers meanwhile must come out of it."""
    past, pruner = [], optuna.pruners.SuccessiveHalvingPruner(min_resource=grace, reduction_factor=factor)
    for (length, scores), expected in zip(curves, live_study(curves, pruner), strict=True):
        stopped = None
        for step in range(1, length + 1):
            mine = attempt(len(past), scores[:step], is_open=True)
            before = rungs({s: v for s, v in mine.curve.items() if s < step}, grace, factor, stopped=False)
            if step < grace * factor ** len(before):
                continue
            entered = [rungs(a.curve, grace, factor, stopped=was_stopped) for a, was_stopped in past]
            if misses_the_rung(nobody(), entered, before, mine, grace, factor):
                stopped = step
                break
        assert stopped == expected
        past.append((attempt(len(past), scores[: stopped or length]), stopped is not None))


@pytest.mark.slow
@settings(max_examples=25)
@given(CURVES)
def test_median_rule_stops_where_a_live_study_of_optuna_would(curves):
    """The same for the median rule, among attempts of one length."""
    curves = [(12, scores) for _, scores in curves]
    whole = []
    expected_stops = live_study(curves, optuna.pruners.MedianPruner(n_startup_trials=2))
    for (length, scores), expected in zip(curves, expected_stops, strict=True):
        stops = (
            step
            for step in range(1, length + 1)
            if is_worse_than_median(nobody(), whole, attempt(9, scores[:step], is_open=True), 2)
        )
        stopped = next(stops, None)
        assert stopped == expected
        if stopped is None:
            whole.append(attempt(len(whole), scores))


@given(st.integers(0, 2**32), st.sampled_from(sorted(WIDE_SPACE)))
def test_every_value_survives_the_way_to_optuna_and_back(seed, name):
    """A sampler that is told another setting than was trained learns nonsense."""
    value = WIDE_SPACE.sample(Key(seed))[name]
    back = _decoded(WIDE_SPACE[name], _encoded(WIDE_SPACE[name], value))
    assert back == (pytest.approx(value) if isinstance(value, float) else value)
    assert type(back) is type(value)


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_suggestions_keep_to_the_space_and_depend_on_the_log_alone(seed):
    """A run of a sampler must resume and verify like any other, with conditions, integers and choices."""
    past = [
        attempt(n, [n % 3, n % 5], hyperparameters=WIDE_SPACE.sample(Key(seed).fold(n))) for n in range(6)
    ]  # fmt: skip
    chosen = suggest("tpe", nobody(WIDE_SPACE), past, whole=2, key=Key(seed))
    WIDE_SPACE.check(chosen)
    assert chosen == suggest("tpe", nobody(WIDE_SPACE), past, whole=2, key=Key(seed))
    assert chosen != suggest("tpe", nobody(WIDE_SPACE), past, whole=2, key=Key(seed).fold("another"))


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "draws"), [("tpe", 12), ("gp", 4)])
def test_sampler_prefers_what_scored_well(sampler, draws):
    """Else it is random search at a price; and a sampler told the wrong sign would look for the worst."""
    if sampler == "gp":
        pytest.importorskip("torch")
    space = Space({"lr": Uniform(0, 1)})
    for mode in Mode:
        sign = 1 if mode is Mode.MAX else -1
        past = [attempt(n, [-sign * abs(n / 20 - 0.75)], hyperparameters={"lr": n / 20}) for n in range(21)]
        chosen = [suggest(sampler, nobody(space, mode), past, whole=1, key=Key(k))["lr"] for k in range(draws)]
        assert sum(abs(lr - 0.75) < 0.2 for lr in chosen) >= 0.75 * draws


def sequential(tmp_path, **settings):
    """Runs one member through attempts of four steps."""
    policy = Attempts(steps=4, **settings)
    return tune_toy(
        NoisyBowl(), policy=policy, population=1, steps=24, interval=2, metric="score", directory=tmp_path, name="seq"
    )


@pytest.mark.slow
@pytest.mark.parametrize("policy", [{"sampler": "prior"}, {"sampler": "tpe"}, {"sampler": "tpe", "pruner": "median"}])
def test_attempts_spend_the_whole_budget_from_fresh_weights_and_verify(tmp_path, policy):
    """The rival must cost what it says, and must not train on the weights of the attempt before."""
    result = sequential(tmp_path, startup=2, **policy)
    assert result.state.steps == (24,)
    roots = [s for s in result.segments if s.parent is None]
    assert len(roots) >= 6
    assert len({s.hyperparameters["lr"] for s in roots}) == len(roots)
    assert all(s.start_step == 0 for s in roots)
    assert verify(result.directory) == []
    # Each begins with weights of its own, and a schedule from any of them is replayed bit for bit.
    first = [s.evaluations[0].metrics["norm"] for s in roots]
    assert len(set(first)) == len(first)
    replayed = replay(result.schedule, NoisyBowl(), metric="score")
    assert replayed.checkpoint == result.best.segment.checkpoint


@pytest.mark.slow
def test_first_attempts_are_what_a_population_of_the_seed_begins_with(tmp_path):
    """Only then do a sequential search and random search start from the same draws."""
    result = sequential(tmp_path, startup=3, sampler="tpe")
    drawn = [s.hyperparameters for s in result.segments if s.parent is None][:3]
    random = tune_toy(
        NoisyBowl(), policy=populace.RandomSearch(), population=3, steps=2, metric="score", directory=tmp_path, name="r"
    )
    assert drawn == [s.hyperparameters for s in random.segments if s.parent is None]


@pytest.mark.slow
def test_a_loop_is_called_anew_for_every_attempt(tmp_path):
    """What a user's function builds before its loop belongs to one attempt, not to the next."""
    calls = []

    def train(member):
        assert member.is_new or member.step > 0
        calls.append(member.is_new)
        holder = {"x": 0.0}
        member.track(holder=holder)
        for _ in member:
            holder["x"] += member["lr"]
            member.report(holder["x"])

    result = tune_toy(train, policy=Attempts(steps=2), population=1, steps=8, interval=1, directory=tmp_path, name="l")
    assert calls == [True] * 4
    ends = [s.score for s in result.segments if s.end_step == 2]
    rates = [s.hyperparameters["lr"] for s in result.segments if s.end_step == 2]
    assert ends == pytest.approx([2 * lr for lr in rates])


def test_history_of_a_log_is_read_root_by_root():
    """Samplers learn from whole attempts, not from segments."""
    chain = [
        replace(attempt(0, [1]).segments[0], generation=g, parent=p, start_step=a, end_step=a + 1)
        for g, p, a in ((0, None, 0), (1, (0, 0), 1), (2, None, 0))
    ]
    population = nobody().with_ended(chain, 3)
    first, second = attempts_of(population)
    assert (first.steps, first.is_open, second.steps, second.is_open) == (2, False, 1, True)


def test_policy_comes_back_from_the_log():
    """A run of a baseline is looked at by people who have not got the call that made it."""
    policy = Attempts(steps=4, sampler="tpe", pruner="halving", initial=({"lr": 0.1},))
    assert policy_from_json(policy_to_json(policy)) == policy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attempts(steps=0), "`steps >= 1` must hold, but got steps=0: it is the steps of a whole attempt"),
        (lambda: Attempts(steps=4, sampler="cma"), "`sampler` must be one of 'prior', 'tpe', 'gp', but got 'cma'"),
        (lambda: Attempts(steps=4, pruner="x"), "`pruner` must be one of 'median', 'halving', but got 'x'"),
        (lambda: Attempts(steps=4, factor=1), "`factor >= 2` must hold, but got factor=1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    """A setting that is quietly ignored is found after the run."""
    with pytest.raises(UsageError, match="^" + message.replace("(", r"\(")):
        make()


@pytest.mark.slow
def test_vectorised_refuses_attempts_before_it_creates_anything(tmp_path):
    """It keeps no whole log in memory, so it would try settings that the log disproves."""
    pytest.importorskip("jax")
    from populace.testing import JaxBowl

    with pytest.raises(UsageError, match="Attempts makes one attempt after another: use executor"):
        tune_toy(JaxBowl(), policy=Attempts(steps=2), executor=populace.Vectorised(), directory=tmp_path)
    assert not any(tmp_path.iterdir())


def _damaged(fallback):
    """A member whose newest checkpoint was found damaged after its second segment, and what it goes back to."""
    (first,) = population_of([1.0], space=Space(BOWL_SPACE)).latest
    second = replace(first, generation=1, parent=first.id, start_step=1, end_step=2, member_start=1, ended=4)
    lost = replace(
        second, generation=2, parent=second.id, start_step=2, parent_damaged=True, fallback=fallback, ended=6,
        outcome=Failed(reason="lost"), evaluations=(), checkpoint=None,
    )  # fmt: skip
    return population_of([None], space=Space(BOWL_SPACE)).with_ended([first, second, lost], 6)


SCHEDULE = Schedule((Piece(start_step=0, end_step=9, hyperparameters={"lr": 0.05}),)).to_json()


@pytest.mark.parametrize("policy", [Attempts(steps=4), Follow(schedule=SCHEDULE, members=1), Rally(step=9)])
def test_damaged_checkpoint_costs_no_attempt(policy):
    """A rival that lost its member to a tired disk would be compared unfairly."""
    decision = decide(_damaged(SegmentId(0, 0)), 0, policy, decision_key(0, 0, 3))
    assert isinstance(decision, Continue)


@pytest.mark.parametrize(("policy", "gives_up"), [(Follow(schedule=SCHEDULE, members=1), True), (Rally(step=9), True)])
def test_rival_whose_code_failed_is_given_up_and_says_so(policy, gives_up):
    """Nobody is copied in these, so that there is nothing to replace it with."""
    decision = decide(_damaged(None), 0, policy, decision_key(0, 0, 3))
    assert isinstance(decision, Retire) is gives_up
    assert decision.why["status"] == "failed"


def test_attempt_that_goes_on_says_so():
    """The log tells of every interval which attempt it was."""
    decision = decide(population_of([1.0], space=Space(BOWL_SPACE)), 0, Attempts(steps=4), decision_key(0, 0, 1))
    assert isinstance(decision, Continue)
    assert decision.why == {"rule": "attempt", "attempt": "m00/0", "steps": 1, "score": 1.0}


@pytest.mark.parametrize(("name", "sampler"), [("tpe", "TPESampler"), ("gp", "GPSampler")])
def test_sampler_is_the_one_that_was_asked_for(name, sampler):
    """Whoever asks for Gaussian processes must not be given another search under their name."""
    with _quiet():
        assert type(_sampler(name, Key(0))).__name__ == sampler


def test_attempt_whose_code_failed_makes_room_for_the_next_until_ten_have_in_a_row():
    """One bad setting is like any other; ten in a row are a bug, and trying might never end."""
    (first,) = population_of([Failed(reason="boom")], space=Space(BOWL_SPACE)).latest
    policy = Attempts(steps=4)
    for num in (1, 9, 10):
        life = [replace(first, generation=g, ended=g + 1, begun=g) for g in range(num)]
        population = population_of([None], space=Space(BOWL_SPACE)).with_ended(life, num)
        decision = decide(population, 0, policy, decision_key(0, 0, num))
        if num == 10:
            assert decision == Retire(why={**decision.why, "rule": "beyond help", "failed": 10})
        else:
            assert isinstance(decision, Start)
            assert (decision.why["ended"], decision.why["number"]) == ("failed", num)


def test_empty_schedule_cannot_be_followed():
    """A run that has trained nothing has no winner."""
    with pytest.raises(UsageError, match="`schedule` must have at least one piece"):
        Follow(schedule=Schedule(()).to_json(), members=1)


def test_rally_before_the_first_step_is_refused():
    """There is nothing to copy yet."""
    message = "`step >= 1` must hold, but got step=0: it is the ready point at which weights are copied"
    with pytest.raises(UsageError, match=re.escape(message)):
        Rally(step=0)


def test_attempt_that_was_stopped_entered_one_rung_at_its_last_report():
    """A long interval jumps over rungs; who goes on has entered them all, who is stopped was stopped at the first."""
    assert rungs({9: 5.0}, 1, 3, stopped=False) == {0: 5.0, 1: 5.0, 2: 5.0}
    assert rungs({9: 5.0}, 1, 3, stopped=True) == {0: 5.0}
    assert rungs({1: 4.0, 9: 5.0}, 1, 3, stopped=True) == {0: 4.0, 1: 5.0}


@pytest.mark.parametrize(("step", "shrinks"), [(1, False), (2, True), (3, False), (4, False)])
def test_followers_weights_are_shrunk_where_the_schedules_were(step, shrinks):
    """A schedule of a run with restarts is another one without them."""
    half = Shrink(keep=0.5, renew=0.1)
    pieces = [(0, 2, None), (2, 3, half), (3, 9, None)]
    schedule = Schedule(
        tuple(Piece(start_step=a, end_step=b, hyperparameters={"lr": 0.05}, shrink=shrink) for a, b, shrink in pieces)
    )
    (first,) = population_of([1.0], space=Space(BOWL_SPACE)).latest
    population = population_of([None], space=Space(BOWL_SPACE)).with_ended([replace(first, end_step=step)], 1)
    decision = decide(population, 0, Follow(schedule=schedule.to_json(), members=1), decision_key(0, 0, 1))
    assert decision.shrink == (half if shrinks else None)


def test_sampler_models_what_only_some_attempts_had():
    """Optuna would draw each conditional dimension on its own, at random, unless it is told to group them."""
    places = dict.fromkeys(("lr", "momentum", "beta"), optuna.distributions.FloatDistribution(0, 1))
    with _quiet():
        sampler = _sampler("tpe", Key(0))
    study = optuna.create_study(sampler=sampler)
    for own in ("momentum", "beta"):
        held = {name: places[name] for name in ("lr", own)}
        study.add_trial(optuna.trial.create_trial(params={"lr": 0.5, own: 0.5}, distributions=held, value=1.0))
    asked = study.ask()
    modelled = study.sampler.infer_relative_search_space(study, study.get_trials()[asked.number])
    assert set(modelled) == set(places)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, math.nan]), min_size=2, max_size=5), st.sampled_from(Mode))
def test_rally_gives_everybody_the_best_weights_once(scores, mode):
    """What members do after it then differs by their own hyperparameters alone."""
    space = Space(BOWL_SPACE)
    population = population_of(scores, mode=mode, space=space)
    best = int(population.ranking[0])
    for member, segment in enumerate(population.latest):
        decision = decide(population, member, Rally(step=1), decision_key(0, member, 1))
        copies = not math.isnan(scores[best]) and member != best
        assert isinstance(decision, Exploit) is copies
        assert decision.hyperparameters == segment.hyperparameters
        if copies:
            assert decision.donor.member == best
            assert (decision.why["donor"], decision.why["donor_score"]) == (f"m{best:02}/0", scores[best])
        later = decide(population, member, Rally(step=2), decision_key(0, member, 1))
        assert isinstance(later, Continue)
        assert later.why == {"rule": "rally", "at": 2, "score": segment.score}


def test_members_that_have_not_trained_have_made_no_attempt():
    """The others' histories are read all the same."""
    population = population_of([None, 1.0], space=Space(BOWL_SPACE))
    assert [a.root for a in attempts_of(population)] == [SegmentId(1, 0)]


def test_missing_optuna_is_named_with_the_extra(monkeypatch):
    """A comparison that was asked for by name must say what to install."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r'this baseline needs Optuna: pip install "populace\[optuna\]"'):
        import_optuna()


@pytest.mark.slow
def test_settings_that_broke_teach_the_sampler_to_stay_away():
    """A rate at which training diverges tells as much as a bad score: it must not be tried again and again."""

    def tried(score, rate):
        one = attempt(round(rate * 1000), [score, score], hyperparameters={"lr": rate})
        bad = replace(one.segments[-1], outcome=Diverged(reason="nan"))
        return one if rate < 0.02 else replace(one, segments=(*one.segments[:-1], bad))

    space = Space({"lr": Uniform(0.0, 0.1)})
    past = [tried(1.0 + 10 * rate, rate) for rate in np.linspace(0.005, 0.095, 10)]
    drawn = [suggest("tpe", nobody(space), past, whole=2, key=Key(seed))["lr"] for seed in range(10)]
    assert float(np.median(drawn)) < 0.03
