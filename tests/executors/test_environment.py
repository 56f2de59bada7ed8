"""What reaches a worker: the environment of the moment, its device, its threads, and the user's code by value."""

from __future__ import annotations

import functools
import os

import pytest

from populace import PBT, PopulaceError, Processes, Space, Trainable
from populace.checkpoints import unpack
from populace.core import RunSpec
from populace.testing import BOWL_SPACE, Bowl, bowl_loop, tune_toy


class Telling(Trainable):
    """Its state tells in which process it was made, and with which environment."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def init(self, key, hp):
        return {name: os.environ.get(name, "") for name in self.names} | {"pid": os.getpid(), "cwd": os.getcwd()}

    def step(self, key, state, hp):
        return state

    def evaluate(self, key, state):
        return 0.0


def _states(result):
    """Returns what the segments of all members saved."""
    blobs = [result.checkpoints.get(s.checkpoint) for s in result.segments if s.checkpoint_kept]
    return [unpack(blob)["state"]["state"] for blob in blobs]


@pytest.mark.slow
def test_workers_see_the_environment_and_folder_of_the_moment(tmp_path, monkeypatch):
    """In a notebook one sets a variable or changes the folder between two runs; the fork server is older than that."""
    tune_toy(Bowl(), tmp_path, executor=Processes(workers=1), name="first")
    monkeypatch.setenv("POPULACE_TEST_VARIABLE", "new")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = tune_toy(Telling("POPULACE_TEST_VARIABLE"), "runs", steps=1, executor=Processes(workers=1), name="second")
    assert {s["POPULACE_TEST_VARIABLE"] for s in _states(result)} == {"new"}
    assert {s["cwd"] for s in _states(result)} == {str(tmp_path / "elsewhere")}


@pytest.mark.slow
def test_devices_go_round_and_threads_are_shared_out(tmp_path, monkeypatch):
    """Every worker has a device of its own; without limits each would use all cores for its matrix products."""
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "NPROC"):
        monkeypatch.delenv(name, raising=False)
    task = Telling("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "NPROC")
    executor = Processes(workers=2, devices=[5, "7"], threads=3)
    states = _states(tune_toy(task, tmp_path, population=8, steps=1, executor=executor))
    by_process = {s["pid"]: s["CUDA_VISIBLE_DEVICES"] for s in states}
    assert set(by_process.values()) <= {"5", "7"}
    assert len(set(by_process.values())) == len(by_process)
    assert {s["OMP_NUM_THREADS"] for s in states} == {s["NPROC"] for s in states} == {"3"}
    assert os.getpid() not in by_process
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.slow
def test_cached_data_stays_warm_in_a_worker(tmp_path):
    """Seven members share a worker: the data is loaded once, and the function is entered once per stay."""
    log = tmp_path / "loads"

    @functools.cache
    def data():
        with log.open("a") as file:
            file.write("loaded\n")
        return 0.9

    def train(member):
        data()
        with log.open("a") as file:
            file.write(f"entered {member.id}\n")
        bowl_loop(member)

    result = tune_toy(train, tmp_path, population=7, executor=Processes(workers=1))
    assert result.finished
    lines = log.read_text().splitlines()
    assert lines.count("loaded") == 1
    handed_over = [a.member != b.member for a, b in zip(result.segments, result.segments[1:], strict=False)]
    assert len(lines) - 1 == 1 + sum(handed_over)


@pytest.mark.slow
def test_code_that_workers_cannot_load_is_told_in_one_line(tmp_path):
    """A module that only this process has (patched in, or since deleted) is named."""

    class Unloadable:
        def __reduce__(self):
            return (__import__, ("no_such_module_anywhere",))

    thing = Unloadable()

    def train(member):
        return thing

    with pytest.raises(PopulaceError, match=r"could not load the training code: ModuleNotFoundError: .*no_such_module"):
        tune_toy(train, tmp_path, executor=Processes(workers=2))


def test_as_many_workers_as_cores_or_members():
    """Nobody should have to count cores; and a population of one needs no eight processes."""
    spec = RunSpec(name="r", space=Space.of(BOWL_SPACE), policy=PBT(), seed=0, population=1, steps=1)
    assert Processes().num_workers(spec) == 1
    assert Processes(workers=3).num_workers(spec) == 3
