"""Laws of the user's loop: what it may do, what it must not do, and what it is told."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import numpy as np
import pytest

from populace import PBT, Choice, Inline, LogUniform, PopulaceError, Uniform
from populace.core import Diverged, Failed, Finite, Status
from populace.run import Result
from populace.store import EventKind, SqliteStore
from populace.testing import Bowl, DivergingBowl, FailingBowl, ToyError, bowl_loop, tune_toy

NUM_STEPS = 4 * 6


def _events(result: Result, *kinds: EventKind):
    store = SqliteStore(result.directory)
    try:
        return [event for event in store.events() if event.kind in kinds]
    finally:
        store.close()


def _assert_exact(result: Result, *, population: int = 4, steps: int = 6):
    """Every member has trained exactly its steps, however it came to them."""
    assert result.finished
    assert result.state.steps == (steps,) * population
    assert sum(s.end_step - s.start_step for s in result.segments) == population * steps


def test_a_loop_and_a_trainable_train_alike(tmp_path):
    """The two shapes are one idea: whoever changes from one to the other must not get another result."""
    loop = tune_toy(bowl_loop, tmp_path / "loop")
    trainable = tune_toy(Bowl(), tmp_path / "trainable", evaluate_every=1)  # the loop reports at every step
    _assert_exact(loop)
    scores = [[(r["member"], r["generation"], r["score"]) for r in x.to_records()] for x in (loop, trainable)]
    assert scores[0] == scores[1]


def test_steps_are_exact_where_the_interval_does_not_divide_them(tmp_path):
    """7 steps at interval 3 are two intervals and one step, not three intervals."""
    result = tune_toy(bowl_loop, tmp_path, steps=7, interval=3)
    _assert_exact(result, steps=7)
    assert [s.end_step - s.start_step for s in result.segments if s.member == 2] == [3, 3, 1]


def test_an_interval_longer_than_the_training_is_cut(tmp_path):
    """A short trial run with the settings of a long one must not train longer than asked."""
    result = tune_toy(bowl_loop, tmp_path, steps=2, interval=50)
    _assert_exact(result, steps=2)
    assert len(result.segments) == 4


def test_evaluations_inside_an_interval_are_kept_in_order(tmp_path):
    """A t-test over a window of evaluations needs them all, each at its step."""
    result = tune_toy(Bowl(), tmp_path, steps=10, interval=5, evaluate_every=2)
    assert all([e.step - s.start_step for e in s.evaluations] == [2, 4, 5] for s in result.segments)
    assert all(s.score == s.evaluations[-1].score for s in result.segments)


def test_loop_resumes_at_the_right_step_with_the_right_state(tmp_path):
    """Whoever schedules by the step (warm-up, curriculum) must meet every step once, with the weights of that step."""
    met = []

    def train(member):
        state = {"steps": []}
        member.track(state=state)
        for step in member:
            assert state["steps"] == list(range(step))
            assert step == member.step
            met.append((member.id, step))
            state["steps"].append(step)
            member.report(-member["x"])

    result = tune_toy(train, tmp_path, space={"x": Uniform(0, 1)})
    _assert_exact(result)
    assert len(met) == NUM_STEPS


def test_function_is_entered_once_per_stay(tmp_path):
    """Building a model takes seconds: a member that is the worker's only one is never built twice."""
    entered = []

    def train(member):
        entered.append(member.id)
        bowl_loop(member)

    tune_toy(train, tmp_path / "alone", population=1, steps=20, interval=1)
    assert entered == [0]


def test_seven_members_share_one_worker_fairly(tmp_path):
    """With time-sharing nobody runs ahead: scores are compared at about equal progress."""
    spread = []
    steps = [0] * 7

    def count(member, step):
        steps[member.id] += 1
        spread.append(max(steps) - min(steps))

    result = tune_toy(lambda member: bowl_loop(member, count), tmp_path, population=7, steps=6, interval=2)
    _assert_exact(result, population=7)
    assert max(spread) <= 2 * 2


@pytest.mark.parametrize("way", ["break", "return"])
def test_leaving_the_loop_early_is_refused_by_name(tmp_path, way):
    """An early `break` looks like early stopping, but would leave the budget unfilled without a word."""

    def train(member):
        state = {"w": 1.0}
        member.track(state=state)
        for _ in member:
            member.report(1.0)
            if way == "break":
                break
            return

    with pytest.raises(PopulaceError, match=r"returned before the loop ended .*let `for step in member` run out"):
        tune_toy(train, tmp_path)


def test_an_exception_now_and_then_is_retried(tmp_path):
    """A data server that answers late once must cost an interval, not the run."""
    stumbled = set()

    def stumble(member, step):
        if member.id == 1 and step in (2, 3) and step not in stumbled:
            stumbled.add(step)
            raise ToyError("the data server did not answer")

    result = tune_toy(lambda member: bowl_loop(member, stumble), tmp_path, policy=PBT.paper())
    _assert_exact(result)
    failures = _events(result, EventKind.FAILURE)
    assert [(e.member, e.generation) for e in failures] == [(1, 1), (1, 1)]
    assert all("ToyError: the data server did not answer" in e.detail["reason"] for e in failures)
    assert all("in stumble" in e.detail["reason"] and "_worker.py" not in e.detail["reason"] for e in failures)
    assert all(s.status is Status.FINISHED for s in result.segments)


def test_a_member_that_always_fails_is_replaced_by_a_clone(tmp_path):
    """Hyperparameters that crash the code must not cost the population a member for the rest of the run."""
    result = tune_toy(FailingBowl(above=0.02), tmp_path, max_failures=1, population=6, seed=3)
    _assert_exact(result, population=6)
    failed = [s for s in result.segments if isinstance(s.outcome, Failed)]
    assert failed, "this seed draws a learning rate above the bound"
    for segment in failed:
        assert "ToyError" in segment.outcome.reason
        assert segment.end_step == segment.start_step
        clone = next(s for s in result.segments if (s.member, s.generation) == (segment.member, segment.generation + 1))
        assert clone.why["rule"] == "replace"
    assert all(s.hyperparameters["lr"] <= 0.02 for s in result.segments if isinstance(s.outcome, Finite))


def test_a_member_whose_clones_all_fail_is_given_up_for_good(tmp_path):
    """A member that fails wherever it comes from must not keep the run from ending."""

    def fail(member, step):
        if member.id == 1 and step > 1:
            raise ToyError("again")

    result = tune_toy(lambda member: bowl_loop(member, fail), tmp_path, max_failures=0)
    assert result.finished
    assert result.state.retired == (1,)
    assert [steps for member, steps in enumerate(result.state.steps) if member != 1] == [6, 6, 6]
    assert len([s for s in result.segments if isinstance(s.outcome, Failed)]) == 10


def test_a_bug_that_everybody_hits_stops_the_run_at_once(tmp_path):
    """A typo must be shown with its own traceback after the first round, not after all retries of all members."""
    entered = []

    def train(member):
        entered.append(member.id)
        raise ToyError("a typo")

    with pytest.raises(PopulaceError, match=r"every member failed before any had trained an interval") as caught:
        tune_toy(train, tmp_path)
    assert sorted(entered) == [0, 1, 2, 3]
    text = str(caught.value)
    assert text.rstrip().endswith("ToyError: a typo")
    assert "in train" in text
    assert "_worker.py" not in text


@pytest.mark.parametrize("error", [SystemExit(3), ToyError("once"), GeneratorExit()])
def test_leaving_by_any_exception_is_a_failure_of_the_member(tmp_path, error):
    """`sys.exit` in a helper that thinks it owns the process must not end the training of the others."""
    raised = []

    def leave(member, step):
        if member.id == 2 and not raised:
            raised.append(step)
            raise error

    result = tune_toy(lambda member: bowl_loop(member, leave), tmp_path)
    _assert_exact(result)
    (event,) = _events(result, EventKind.FAILURE)
    assert type(error).__name__ in event.detail["reason"]


def test_ctrl_c_inside_the_users_code_stops_the_run(tmp_path):
    """A KeyboardInterrupt is the user's wish, not a failure of the member to be retried."""

    def train(member):
        bowl_loop(member, lambda member, step: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(PopulaceError, match="stopped at once"):
        tune_toy(train, tmp_path)


def test_users_who_catch_everything_still_train_exactly(tmp_path):
    """A blanket `except Exception` around the loop must not swallow what the run has to say."""

    def train(member):
        state = {"w": np.ones(2)}
        member.track(state=state)
        try:
            for _ in member:
                member.report(float("nan"))
        except Exception:
            return

    with pytest.raises(PopulaceError, match="no member has reported a finite score"):
        tune_toy(train, tmp_path)


def test_catching_what_report_raises_leaves_nothing_reported(tmp_path):
    """A report that raised and was ignored is none: the member diverged, and says so."""

    def train(member):
        state = {"w": np.ones(2)}
        member.track(state=state)
        for _ in member:
            with suppress(TypeError):
                member.report("0.5" if member.id else 0.5)

    result = tune_toy(train, tmp_path)
    assert {s.member for s in result.segments if isinstance(s.outcome, Diverged) and not s.generation} == {1, 2, 3}


def test_nan_from_one_member_replaces_it_at_its_next_ready_point(tmp_path):
    """A diverged member keeps a worker busy for nothing until it copies somebody."""
    result = tune_toy(DivergingBowl(above=0.02), tmp_path, population=6, seed=3)
    _assert_exact(result, population=6)
    diverged = [s for s in result.segments if isinstance(s.outcome, Diverged)]
    assert diverged
    assert all(s.score is None for s in diverged)
    following = {(s.member, s.generation): s for s in result.segments}
    for segment in diverged:
        clone = following.get((segment.member, segment.generation + 1))
        assert clone is None or (clone.donor is not None and clone.why["rule"] == "replace")


@pytest.mark.parametrize("steps", [2, 6])
def test_nan_from_everyone_is_one_clear_line(tmp_path, steps):
    """Nothing can be selected: the run says so at the first ready point, and also where there is only one."""
    with pytest.raises(PopulaceError, match=r"no member has reported a finite score") as caught:
        tune_toy(DivergingBowl(above=0), tmp_path, steps=steps)
    assert "\n" not in str(caught.value)


def test_forgetting_to_report_is_one_clear_line(tmp_path):
    """The first thing that a new user forgets."""

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            pass

    with pytest.raises(PopulaceError, match=r"no member has reported a finite score \(member \d reported nothing\)"):
        tune_toy(train, tmp_path)


def test_a_missing_metric_is_one_clear_line_after_one_report(tmp_path):
    """A misspelt metric is everybody's mistake: the first report tells, and what was reported is in the line."""
    entered = []

    def train(member):
        entered.append(member.id)
        member.track(state={"w": 1})
        for _ in member:
            member.report({"loss": 1.0, "acc": 0.5})

    with pytest.raises(PopulaceError, match=r"got metric='accuracy' and reported loss, acc") as caught:
        tune_toy(train, tmp_path, metric="accuracy")
    assert entered == [0]
    assert "\n" not in str(caught.value)
    with pytest.raises(PopulaceError, match=r"got metric=None and reported loss, acc"):
        tune_toy(train, tmp_path, name="other")


@pytest.mark.parametrize(
    ("value", "shown"), [("0.5", "a str"), (None, "a NoneType"), ([0.5], "a list"), (np.ones(2), "a ndarray")]
)
def test_reporting_no_number_says_what_was_reported(tmp_path, value, shown):
    """Reporting the whole array of losses instead of their mean is a common slip."""

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            member.report(value)

    with pytest.raises(PopulaceError, match=rf"a reported score must be a number, but got {shown} at step 0"):
        tune_toy(train, tmp_path)


_SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("torch", "jax")]


@pytest.mark.parametrize("kind", ["numpy", "bool", "int", *_SLOW])
def test_any_scalar_can_be_reported(tmp_path, kind):
    """Nobody should have to know that a loss must be unwrapped with `.item()`."""
    if kind == "torch":
        wrap = pytest.importorskip("torch").tensor
    elif kind == "jax":
        wrap = pytest.importorskip("jax.numpy").asarray
    else:
        wrap = {"numpy": np.float32, "bool": bool, "int": int}[kind]

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            member.report(wrap(1.0))

    result = tune_toy(train, tmp_path, population=2, steps=1)
    assert result.best.score == 1.0
    assert type(result.best.score) is float


@pytest.mark.parametrize("late", ["raise", "report", "exit"])
def test_what_happens_after_the_loop_costs_nothing(tmp_path, late, caplog):
    """A plot that fails at the very end must not undo or stop a training that is saved already."""

    def train(member):
        bowl_loop(member)
        assert member.id in range(4)
        assert member["lr"] == member.hyperparameters["lr"]
        match late:
            case "raise":
                raise ToyError("no display")
            case "report":
                member.report(1.0)
            case "exit":
                sys.exit(1)

    with caplog.at_level(logging.ERROR):
        result = tune_toy(train, tmp_path)
    _assert_exact(result)
    assert not _events(result, EventKind.FAILURE, EventKind.LOST)
    assert "raised after its loop had ended" in caplog.text


def test_a_loop_runs_once_per_call(tmp_path):
    """A second `for` would train steps that nobody counts."""

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            for _ in member:
                member.report(1.0)

    with pytest.raises(PopulaceError, match="runs once per call"):
        tune_toy(train, tmp_path)


def test_a_loop_without_track_is_refused(tmp_path):
    """Without state there is nothing to copy: every exploit would be an empty one."""

    def train(member):
        for _ in member:
            member.report(1.0)

    with pytest.raises(PopulaceError, match=r"nothing to save: call member\.track"):
        tune_toy(train, tmp_path)


def test_hyperparameters_come_by_name_and_unknown_ones_say_which_there_are(tmp_path):
    """A misspelt name must not train with a default."""

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            member.report(member["learning_rate"])

    with pytest.raises(PopulaceError, match=r"no hyperparameter 'learning_rate': the active ones are lr"):
        tune_toy(train, tmp_path)


def test_inactive_hyperparameters_are_not_there(tmp_path):
    """A condition that does not hold hides a hyperparameter; reading it is a bug of the user's code."""
    space = {"opt": Choice(["sgd", "adam"]), "momentum": Uniform(0, 1, when={"opt": "sgd"})}

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            assert ("momentum" in member.hyperparameters) == (member["opt"] == "sgd")
            member.report(1.0)

    result = tune_toy(train, tmp_path, space=space)
    _assert_exact(result)


def test_keys_of_steps_never_repeat(tmp_path):
    """Two steps with the same random numbers are one step less of augmentation."""
    seeds = []

    def train(member):
        member.track(state={"w": 1})
        for _ in member:
            seeds.append(member.key.seed())
            seeds.append(member.evaluation_key.seed())
            member.report(member["lr"])

    tune_toy(train, tmp_path, space={"lr": LogUniform(1e-3, 1)})
    assert len(seeds) == len(set(seeds)) == 2 * NUM_STEPS


def test_a_policy_that_raises_stops_the_run_with_its_traceback(tmp_path):
    """A bug in a user's explore function is nobody's hardware failure: trying again shows the same."""

    def explore(hyperparameters, space, key):
        raise ToyError("cannot explore")

    with pytest.raises(PopulaceError, match=r"the policy could not decide on member (.|\n)*ToyError: cannot explore"):
        tune_toy(bowl_loop, tmp_path, policy=PBT(explore=explore), executor=Inline())
