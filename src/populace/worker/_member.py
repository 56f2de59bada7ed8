"""The user's side of a loop: `for step in member`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, SupportsFloat, final

from populace._errors import DamagedCheckpoint, StateMismatch, UsageError
from populace.checkpoints import needs_template, unpack
from populace.core import Evaluation
from populace.space import Key, Value
from populace.worker._bindings import Binding, bindings
from populace.worker._life import Life
from populace.worker._tracked import Tracked, as_tree, load_into, tracked
from populace.worker._trainable import NOT_SHRINKABLE


@final
class Member:
    """One stay of one member with one worker, as the user's loop sees it.

    ```python
    def train(member):
        model, opt = build()
        member.track(model=model, opt=opt)
        for step in member:
            fit(model, opt, dropout=member["dropout"])
            member.report(accuracy(model))
    ```

    One turn of the loop is one step. The loop resumes at the right step by itself and ends by itself: when the member
    has trained its steps, or when the worker hands it over to another; whoever takes it calls the function again.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._things: dict[str, object] = {}
        self._tracked: dict[str, Tracked] = {}
        self._bindings: list[Binding] = []
        self._blob = life.checkpoint()
        self._needs_template = self._blob is not None and self._asks_for_template(self._blob)
        self._saved_names: set[str] = set()
        self._shrink: Callable[[Key, float, float], object] | None = None
        self._evaluations: list[Evaluation] = []
        self._step: int | None = None
        self._is_looping = False
        self._has_ended = False

    @property
    def id(self) -> int:
        """The member's number, 0..N-1."""
        return self._life.stretch.member

    @property
    def is_new(self) -> bool:
        """Whether the member has no weights yet; else `track` restores them."""
        return self._blob is None and self._step is None

    @property
    def needs_template(self) -> bool:
        """Whether the saved state holds the user's own classes, so that a live one must be tracked to restore it."""
        return self._blob is not None and self._needs_template

    @property
    def step(self) -> int:
        """Steps that the weights have seen before the current turn."""
        return self._life.stretch.start_step if self._step is None else self._step

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """The hyperparameters of the current step; they may change from one step to the next, so read them there."""
        return dict(self._life.stretch.hyperparameters)

    def __getitem__(self, name: str) -> Any:
        """Returns one hyperparameter of the current step.

        Raises:
            KeyError: There is none of this name (its condition may not hold now).
        """
        try:
            return self._life.stretch.hyperparameters[name]
        except KeyError:
            known = ", ".join(self._life.stretch.hyperparameters)
            raise KeyError(f"there is no hyperparameter {name!r}: the active ones are {known}") from None

    @property
    def key(self) -> Key:
        """The random key of the current step; before the loop, that of the first weights."""
        if self._step is None:
            return self._life.init_key
        return self._stretch_key("step", self._step)

    @property
    def evaluation_key(self) -> Key:
        """The random key of an evaluation after the current step."""
        return self._stretch_key("evaluate", self.step)

    @property
    def interval_key(self) -> Key:
        """The random key of the current interval, for code that derives the keys of its steps itself."""
        stretch = self._life.stretch
        return Key(self._life.seed).fold(stretch.member, stretch.generation, "interval")

    @property
    def evaluation_due(self) -> bool:
        """Whether the run wants an evaluation after the current step."""
        stretch = self._life.stretch
        done = self.step + 1
        every = stretch.evaluate_every
        return done == stretch.end_step or (every is not None and (done - stretch.start_step) % every == 0)

    def track(self, **objects: object) -> None:
        """Puts the objects that hold the state under the member's care, and restores them if the member has trained.

        Takes anything with `state_dict` and `load_state_dict` (torch's modules, optimisers, schedulers), a dict or list
        that holds the state, a numpy array or generator, or a pair `(save, load)` of functions of a directory.
        Hyperparameters named as an entry of a tracked optimiser's parameter groups (`lr`, `momentum`, `weight_decay`,
        `beta1` ...) are set there after every restore and read back; `NAME.lr` sets that of the optimiser NAME alone.

        Raises:
            UsageError: An object cannot be tracked, or its name is taken.
            StateMismatch: The saved state does not fit.
        """
        if self._step is not None:
            raise UsageError("`track` comes before the loop, but it was called inside: move it up")
        for name, thing in objects.items():
            if name in self._things:
                raise UsageError(f"every tracked object has its own name, but {name!r} was tracked before")
            self._tracked[name] = tracked(name, thing, self._life.scratch)
            self._things[name] = thing
        # Before the load: what the user has built tells whether one value fits all groups.
        bound = bindings(objects, self._life.names)
        if self._blob is not None:
            self._load(self._blob, objects)
        self._bindings += bound
        self._apply()

    def shrink_by(self, function: Callable[[Key, float, float], object]) -> None:
        """Says how the weights are shrunk and perturbed in place, which `Restart` asks for; before the loop.

        ```python
        def shrink(key, keep, renew):
            torch.manual_seed(key.seed())
            fresh = build()
            with torch.no_grad():
                for w, new in zip(model.parameters(), fresh.parameters()):
                    w.mul_(keep).add_(new, alpha=renew)
            opt.state.clear()

        member.shrink_by(shrink)
        ```

        Args:
            function: `(key, keep, renew)`: makes each weight `keep` times itself plus `renew` times a fresh one, drawn
                with the key. What it changes must be tracked.
        """
        if self._step is not None:
            raise UsageError("`shrink_by` comes before the loop, but it was called inside: move it up")
        if not callable(function):
            raise UsageError(f"`shrink_by` takes a function of (key, keep, renew), but got {function!r}")
        self._shrink = function

    def __iter__(self) -> Iterator[int]:
        """Yields the number of steps that the weights have seen before each turn."""
        self._check_loop()
        self._is_looping = True  # all is tracked that will be
        self._blob = None
        self._renew()
        self._apply()
        while True:
            stretch = self._life.stretch
            for step in range(stretch.start_step, stretch.end_step):
                self._step = step
                yield step
            evaluations, self._evaluations = self._evaluations, []
            if not self._life.finish(evaluations, lambda: as_tree(self._tracked), self._discard):
                self._has_ended = True
                return
            blob = self._life.checkpoint()
            if blob is not None:
                self._needs_template = self._asks_for_template(blob)
                self._load(blob, self._things)
            self._renew()
            self._apply()

    def _check_loop(self) -> None:
        """Refuses a loop that would lose state."""
        if self._step is not None:
            raise UsageError(
                "`for step in member` runs once per call of the function, but it was begun again: return instead"
            )
        if not self._tracked:
            raise UsageError(
                "the loop has nothing to save: call member.track(model=model, opt=opt) with what holds the state "
                "before `for step in member`"
            )
        if self._life.shrinks and self._shrink is None:
            raise UsageError(NOT_SHRINKABLE)
        lost = self._saved_names - set(self._tracked)
        if lost:
            raise StateMismatch(
                f"the checkpoint holds {', '.join(sorted(lost))}, which is not tracked: "
                "track the same objects in every call"
            )

    def report(self, score: SupportsFloat | Mapping[str, SupportsFloat]) -> None:
        """Reports what was measured after the current step: a number, or several by name.

        The last report of an interval is its score. NaN, infinite or nothing at all means that the member diverged: it
        ranks last and is replaced.

        Raises:
            TypeError: A value is not a number.
            UsageError: The run's metric is not among the names.
        """
        if self._has_ended:
            raise UsageError(
                "a report belongs to a step, but the loop has ended: call `report` inside `for step in member`"
            )
        if isinstance(score, Mapping):
            metrics = {str(name): self._number(str(name), value) for name, value in score.items()}
            value = metrics[score_name(self._life.metric, metrics)]
        else:
            value = self._number("score", score)
            metrics = {} if self._life.metric is None else {self._life.metric: value}
        self._evaluations.append(Evaluation(step=self.step + (self._step is not None), score=value, metrics=metrics))

    def _number(self, name: str, value: SupportsFloat) -> float:
        try:
            if isinstance(value, str):
                raise TypeError
            return float(value)
        except (TypeError, ValueError):
            kind = type(value).__name__
            raise TypeError(
                f"a reported {name} must be a number, but got a {kind} at step {self.step}: {value!r}"
            ) from None

    def _stretch_key(self, purpose: str, step: int) -> Key:
        stretch = self._life.stretch
        return Key(self._life.seed).fold(stretch.member, stretch.generation, purpose, step)

    def _load(self, blob: bytes, objects: Mapping[str, object]) -> None:
        like = as_tree(self._tracked) if self._needs_template else None
        with self._told():
            state = unpack(blob, like=like, allow_pickle=self._life.allow_pickle)
        self._saved_names = set(state)
        load_into(self._tracked, state, objects)
        self._discard()

    def _asks_for_template(self, blob: bytes) -> bool:
        with self._told():
            return needs_template(blob)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tells the life of a checkpoint that cannot be read: the user's code may catch the error."""
        try:
            yield
        except DamagedCheckpoint as error:
            self._life.spoilt(error)
            raise

    def _renew(self) -> None:
        """Shrinks and perturbs the weights where the interval that begins asks for it."""
        stretch = self._life.stretch
        if stretch.shrink is None:
            return
        if self._shrink is None:
            raise UsageError(NOT_SHRINKABLE)  # a policy of the user's that has not said so
        key = Key(self._life.seed).fold(stretch.member, stretch.generation, "init")
        self._shrink(key, stretch.shrink.keep, stretch.shrink.renew)

    def _apply(self) -> None:
        active = self._life.stretch.hyperparameters
        for binding in self._bindings:
            if binding.hyperparameter in active:
                binding.apply(active[binding.hyperparameter])
                if self._is_looping:
                    binding.tell_schedulers(active[binding.hyperparameter], self._things.values())

    def _discard(self) -> None:
        for thing in self._tracked.values():
            thing.discard()


def score_name(metric: str | None, reported: Collection[str]) -> str:
    """Returns which of the reported metrics is the score.

    Raises:
        UsageError: The run's metric is not among them.
    """
    if metric is None and len(reported) == 1:
        return next(iter(reported))
    if metric is None or metric not in reported:
        asked = "metric=None" if metric is None else f"metric={metric!r}"
        names = ", ".join(reported) or "none"
        raise UsageError(
            f"the run's metric must be among the reported names, but got {asked} and reported {names}: "
            f"pass metric=... with one of them to tune"
        )
    return metric
