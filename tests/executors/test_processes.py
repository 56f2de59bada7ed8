"""Worker processes: placed, warm, watched, replaced, and gone when they should be."""

import ctypes
import os
from multiprocessing.popen_forkserver import Popen
from pathlib import Path

import pytest

from populace import Inline, PopulaceError, Processes
from populace.run import verify
from populace.testing import Bowl, bowl_loop, tune_toy


def marks(folder, prefix):
    return sorted(path.name for path in folder.glob(f"{prefix}*"))


@pytest.mark.slow
def test_devices_are_given_round_robin(tmp_path):
    """Two workers on one GPU and none on the other is half a machine wasted."""

    def train(member):
        (tmp_path / f"device-{os.environ.get('CUDA_VISIBLE_DEVICES')}-{os.getpid()}").touch()
        bowl_loop(member)

    tune_toy(train, tmp_path / "runs", population=8, steps=8, executor=Processes(workers=4, devices=[0, "MIG-7"]))
    seen = {name.split("-", 1)[1].rsplit("-", 1)[0] for name in marks(tmp_path, "device-")}
    assert seen <= {"0", "MIG-7"}
    assert seen


@pytest.mark.slow
def test_members_share_warm_workers_in_turns(tmp_path):
    """Seven members on two workers: every stay is one call, in one of two processes."""

    def train(member):
        calls = tmp_path / f"stay-{os.getpid()}-{member.id}"
        calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
        bowl_loop(member)

    result = tune_toy(train, tmp_path / "runs", population=7, steps=7, interval=3, executor=Processes(workers=2))
    stays = marks(tmp_path, "stay-")
    assert len({name.split("-")[1] for name in stays}) <= 2
    assert {int(name.split("-")[2]) for name in stays} == set(range(7))
    assert result.state.steps == (7,) * 7
    assert [s.end_step - s.start_step for s in result.segments if s.member == 0] == [3, 3, 1]
    assert verify(result.directory) == []


@pytest.mark.slow
def test_more_workers_than_members_idle_and_end(tmp_path):
    """A cluster's allocation may be larger than the population."""
    result = tune_toy(Bowl(), tmp_path, population=2, executor=Processes(workers=6))
    assert result.finished


@pytest.mark.slow
def test_worker_killed_while_it_is_started_is_started_again(tmp_path, monkeypatch):
    """Memory runs out while a worker is being replaced: the run must not end for it."""
    launch, starts = Popen._launch, []

    def killed_at_first(self, process):
        starts.append(process.name)
        if len(starts) == 1:
            raise BrokenPipeError(32, "Broken pipe")
        launch(self, process)

    monkeypatch.setattr(Popen, "_launch", killed_at_first)
    assert tune_toy(Bowl(), tmp_path, executor=Processes(workers=1)).finished
    assert len(starts) == 2


def crash_by_exit(member, step):
    os._exit(0)


def crash_by_signal(member, step):
    ctypes.string_at(0)


@pytest.mark.slow
@pytest.mark.parametrize("crash", [crash_by_exit, crash_by_signal])
def test_process_that_dies_in_user_code_is_a_failure_of_its_member(tmp_path, crash):
    """Leaving with code 0 is no success where nothing was published."""

    def train(member):
        def meddle(member, step):
            flag = tmp_path / "crashed"
            if member.id == 1 and not flag.exists():
                flag.touch()
                crash(member, step)

        bowl_loop(member, meddle)

    result = tune_toy(train, tmp_path / "runs", executor=Processes(workers=2))
    assert (tmp_path / "crashed").exists()
    assert result.state.steps == (6,) * 4
    assert verify(result.directory) == []


@pytest.mark.slow
def test_code_that_kills_every_worker_stops_the_run(tmp_path):
    """A segmentation fault in everybody's first step must not restart workers for ever."""

    def train(member):
        bowl_loop(member, crash_by_exit)

    with pytest.raises(PopulaceError, match=r"every member|died one after another"):
        tune_toy(train, tmp_path, executor=Processes(workers=2))


@pytest.mark.slow
def test_exception_in_a_worker_reaches_the_caller_with_its_traceback(tmp_path):
    """The user's own line is what helps."""

    def train(member):
        raise ZeroDivisionError("my own mistake")

    with pytest.raises(PopulaceError, match=r"(?s)every member failed.*my own mistake"):
        tune_toy(train, tmp_path, executor=Processes(workers=2))


@pytest.mark.slow
def test_inline_and_one_worker_write_the_same_log(tmp_path):
    """The reference is what the others are held to, in asynchronous mode too where one worker alone has an order."""
    settings = {"population": 5, "steps": 8}
    inline = tune_toy(Bowl(), tmp_path / "a", executor=Inline(), **settings)
    process = tune_toy(Bowl(), tmp_path / "b", executor=Processes(workers=1), **settings)
    assert inline.to_records() == process.to_records()


@pytest.mark.slow
def test_nothing_is_left_behind_after_a_run(tmp_path):
    """File descriptors, processes and temporary files add up over a day of runs in one notebook."""
    tune_toy(Bowl(), tmp_path / "first", executor=Processes(workers=2))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("second", "third"):
        tune_toy(Bowl(), tmp_path / name, executor=Processes(workers=2))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


@pytest.mark.parametrize("settings", [{"workers": 0}, {"workers": 1.5}, {"threads": 0}, {"lease_s": 0}])
def test_bad_settings_are_refused(settings):
    """Zero workers would wait for ever."""
    with pytest.raises(PopulaceError, match=next(iter(settings))):
        Processes(**settings)
