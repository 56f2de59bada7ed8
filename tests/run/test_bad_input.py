"""Bad input gets one clear line with rule, value and remedy, and creates nothing."""

import threading

import pytest

import populace
from populace import Inline, LogUniform, PopulaceError, RandomSearch
from populace.testing import BOWL_SPACE, Bowl, bowl_loop, tune_toy

LOCK = threading.Lock()


def refused(tmp_path, match, trainable=None, **arguments):
    directory = tmp_path / "runs"
    with pytest.raises(PopulaceError, match=match) as caught:
        tune_toy(trainable or Bowl(), directory, **arguments)
    assert "\n" not in str(caught.value)
    assert not directory.exists(), "nothing is created"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"population": 0}, r"`population >= 1` must hold, but got population=0"),
        ({"population": 2.5}, r"`population` must be a whole number, but got 2.5"),
        ({"steps": 0}, r"`steps >= 1` must hold, but got steps=0"),
        ({"interval": 0}, r"`interval >= 1` must hold, but got interval=0"),
        ({"evaluate_every": 5}, r"`evaluate_every <= interval` must hold"),
        ({"mode": "maximum"}, r"`mode` must be 'max' or 'min', but got 'maximum'"),
        ({"seed": -1}, r"seed >= 0"),
        ({"name": "a/b"}, r"a run's name has 1 to 64 letters"),
        ({"policy": "pbt"}, r"`policy` must be a policy such as PBT\(\)"),
        ({"executor": 4}, r"`executor` must be an executor such as Processes\(workers=4\)"),
        ({"callbacks": [print]}, r"derive from it"),
        ({"space": {}}, r"empty|at least one"),
        ({"space": {"lr": object()}}, r"lr"),
        ({"policy": populace.PBT(initial=[{"rl": 0.1}])}, r"rl.*lr|unknown"),
        ({"policy": populace.PBT(initial=[{"lr": 7.0}])}, r"lr"),
        ({"policy": RandomSearch(initial=[{"lr": 0.01}] * 9)}, r"at most one mapping per member"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_created(tmp_path, arguments, match):
    """A typo found after an hour, or half a run left behind, is worse than a refusal."""
    refused(tmp_path, match, **arguments)


def test_bounds_in_the_wrong_order_are_refused_with_both():
    """The most common slip in a search space."""
    with pytest.raises(PopulaceError, match=r"low < high.*low=0.1, high=0.001"):
        LogUniform(1e-1, 1e-3)


@pytest.mark.parametrize("trainable", [42, Bowl, lambda: None])
def test_what_is_no_trainable_is_refused(tmp_path, trainable):
    """A class instead of an object, or a loop without its argument, is found before training."""
    refused(tmp_path, "trainable|training loop", trainable=trainable)


def test_unpicklable_code_is_refused_with_what_to_do(tmp_path):
    """Locks and files cannot travel to a worker; where to create them can be said."""

    def train(member):
        with LOCK_HERE:
            bowl_loop(member)

    LOCK_HERE = threading.Lock()
    refused(tmp_path, "must be picklable.*inside the function", trainable=train, executor=populace.Processes(workers=1))


def test_missing_metric_stops_the_run_with_the_names_there_are(tmp_path):
    """Every member hits it, so the first interval must tell."""

    def train(member):
        state = {"w": 0.0}
        member.track(state=state)
        for _ in member:
            member.report({"loss": 1.0, "accuracy": 0.5})

    with pytest.raises(PopulaceError, match=r"metric='acc'.*loss, accuracy"):
        tune_toy(train, tmp_path, metric="acc")


def test_nan_from_everyone_stops_the_run(tmp_path):
    """Nothing can be selected, and the budget must not be spent on it."""

    def train(member):
        state = {"w": 0.0}
        member.track(state=state)
        for _ in member:
            member.report(float("nan"))

    with pytest.raises(PopulaceError, match=r"no member has reported a finite score.*nan"):
        tune_toy(train, tmp_path)


def test_state_that_cannot_be_saved_is_named_with_the_remedy(tmp_path):
    """The path of the part matters: states have hundreds."""

    def train(member):
        state = {"model": {"hook": bowl_loop}}
        member.track(state=state)
        for _ in member:
            member.report(1.0)

    with pytest.raises(PopulaceError, match=r"state\.model\.hook.*allow_pickle=True"):
        tune_toy(train, tmp_path)


def test_changed_space_is_refused_with_the_difference_and_changes_nothing(tmp_path):
    """A run that goes on under another space would be two runs in one log."""
    before = tune_toy(Bowl(), tmp_path).to_records()
    with pytest.raises(PopulaceError, match=r"lr: LogUniform\(0.001, 0.1\) became LogUniform\(0.001, 1\)"):
        tune_toy(Bowl(), tmp_path, space={"lr": LogUniform(1e-3, 1.0)}, steps=8)
    assert populace.Result.load("toy", tmp_path).to_records() == before


def test_changed_policy_and_seed_are_refused(tmp_path):
    """What decides is part of what a run is."""
    tune_toy(Bowl(), tmp_path)
    with pytest.raises(PopulaceError, match="policy"):
        tune_toy(Bowl(), tmp_path, policy=RandomSearch(), steps=8)
    with pytest.raises(PopulaceError, match="seed: 0 became 1"):
        tune_toy(Bowl(), tmp_path, seed=1, steps=8)


def test_run_already_running_is_refused_with_its_process(tmp_path):
    """The same command in two terminals must not train twice."""
    from populace.store import RunLock

    tune_toy(Bowl(), tmp_path)
    with RunLock(tmp_path / "toy"), pytest.raises(PopulaceError, match=r"being trained by process \d+"):
        tune_toy(Bowl(), tmp_path, steps=8)


def test_more_steps_and_more_members_go_on(tmp_path):
    """Limits are what a user changes after seeing a result."""
    first = tune_toy(Bowl(), tmp_path)
    more = tune_toy(Bowl(), tmp_path, steps=10, population=6)
    assert [s.member for s in more.final] == list(range(6))
    assert sum(s.end_step - s.start_step for s in more.segments) == 60
    held = {s.id: s.checkpoint for s in more.segments}
    assert all(held[s.id] == s.checkpoint for s in first.segments)


def test_finished_run_is_returned_at_once(tmp_path):
    """The same script run twice shows its result again."""
    calls = []

    def train(member):
        calls.append(member.id)
        bowl_loop(member)

    tune_toy(train, tmp_path)
    trained = len(calls)
    again = tune_toy(train, tmp_path)
    assert len(calls) == trained
    assert again.finished


def test_usage_errors_are_value_errors():
    """Code around `tune` catches what Python's own mistakes raise."""
    with pytest.raises(ValueError, match="population"):
        populace.tune(Bowl(), BOWL_SPACE, population=0, steps=1, executor=Inline())
