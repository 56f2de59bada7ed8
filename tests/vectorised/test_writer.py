"""The thread that writes behind the training."""

from types import SimpleNamespace

from populace.core import SegmentId
from populace.vectorised import _writer
from populace.vectorised._writer import Batch, Writer


class _Disk:
    def put(self, chunks):
        return "0" * 64

    def publish_all(self, claims, generations):
        return []

    def close(self):
        pass


def test_waiting_for_the_disk_does_not_count_as_time_taken_from_the_training(monkeypatch):
    """A slow disk would have checkpoints written more seldom, and a kill cost more, though nobody waited for it."""
    clock = SimpleNamespace(thread_time=iter([1.0, 1.25]).__next__, perf_counter=iter([5.0, 9.0]).__next__)
    monkeypatch.setattr(_writer, "time", clock)
    disk = _Disk()
    writer = Writer(lambda: disk, disk, allow_pickle=False)
    writer.write(Batch(claims=(), generations=(), states={SegmentId(0, 0): lambda: {"w": 1.0}}))
    writer.wait()
    assert writer.last_s == 0.25
