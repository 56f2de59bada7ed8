"""Every error a user can meet, under one root.

The docstring of a class is its default message, so that documentation and message cannot drift apart.
"""


class PopulaceError(Exception):
    """Something populace was asked to do cannot be done."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class UsageError(PopulaceError, ValueError):
    """A setting or argument does not obey its rule."""


class SpaceError(UsageError):
    """A search space or a value in it does not obey its rule."""


class UnsavableState(PopulaceError, TypeError):
    """A part of the tracked state cannot be written to a checkpoint."""


class DamagedCheckpoint(PopulaceError):
    """A checkpoint's bytes are missing, or are not those that were saved."""


class StateMismatch(PopulaceError):
    """A restored state does not fit the objects it was restored into."""


class StoreError(PopulaceError):
    """The store cannot do what was asked."""


class DiskFull(StoreError):
    """The disk takes no more; nothing was written, and the same call can be made again when there is space."""


class UnknownRun(StoreError):
    """There is no run of this name."""


class RunExists(StoreError):
    """A run of this name exists and differs from what was asked."""


class RunBusy(StoreError):
    """The run is being trained by another process."""


class StaleClaim(StoreError):
    """The member was claimed by another worker since; nothing was written."""


class DonorGone(StoreError):
    """The chosen parent's checkpoint was collected since the snapshot; decide again."""


class MemberFailed(PopulaceError):
    """A member's own code failed."""


class RunFailed(PopulaceError):
    """The run cannot go on."""


class RunInterrupted(PopulaceError):
    """The run was interrupted and can be resumed."""


class ReplayMismatch(PopulaceError):
    """A replayed schedule did not give what was recorded."""


class MissingExtra(PopulaceError, ImportError):
    """An optional package is needed here and is not installed."""
