"""Laws of bindings: after every restore a tracked optimiser carries the child's hyperparameters, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from populace import PopulaceError, Uniform
from populace.testing import tune_toy
from populace.worker import Member


class Sgd:
    """An optimiser in torch's style, without torch."""

    def __init__(self, **entries) -> None:
        self.param_groups = [dict(entries)]

    def state_dict(self):
        return {"groups": [dict(group) for group in self.param_groups]}

    def load_state_dict(self, state):
        self.param_groups = [dict(group) for group in state["groups"]]


class Clipping(Sgd):
    """An optimiser that corrects what it is told."""

    @property
    def param_groups(self):
        return self._groups

    @param_groups.setter
    def param_groups(self, groups):
        self._groups = [_Clipped(group) for group in groups]


class _Clipped(dict):
    def __setitem__(self, name, value):
        super().__setitem__(name, min(value, 0.1))


class Refusing(Clipping):
    """An optimiser that raises."""

    @property
    def param_groups(self):
        return [_Refusing(lr=1.0)]

    @param_groups.setter
    def param_groups(self, groups):
        pass


class _Refusing(dict):
    def __setitem__(self, name, value):
        raise ValueError("read-only")


def _loop(build, check):
    """A loop over an optimiser; at every step `check(member, opt)` looks at it."""

    def train(member: Member):
        opts = build()
        member.track(**opts)
        for _ in member:
            check(member, opts)
            member.report(next(iter(member.hyperparameters.values())))

    return train


def test_bound_hyperparameters_are_the_childs_at_every_step(tmp_path):
    """The optimiser's saved state carries the donor's: without binding, every exploration is undone at once."""

    def check(member, opts):
        (group,) = opts["opt"].param_groups
        assert group == {"lr": member["lr"], "momentum": member["momentum"], "betas": (member["beta1"], 0.999)}

    space = {"lr": Uniform(0.1, 1), "momentum": Uniform(0, 1), "beta1": Uniform(0, 1), "unbound": Uniform(0, 1)}
    build = lambda: {"opt": Sgd(lr=5.0, momentum=5.0, betas=(0.9, 0.999))}  # noqa: E731 - one line says it
    result = tune_toy(_loop(build, check), tmp_path, space=space)
    assert result.finished
    assert any(s.donor for s in result.segments)


def test_two_optimisers_are_told_apart_by_name(tmp_path):
    """A generator and a discriminator have learning rates of their own; what has no prefix is for both."""

    def check(member, opts):
        assert opts["gen"].param_groups[0] == {"lr": member["gen.lr"], "momentum": member["momentum"]}
        assert opts["dis"].param_groups[0] == {"lr": member["lr"], "momentum": member["momentum"]}

    space = {"gen.lr": Uniform(0.1, 1), "lr": Uniform(2, 3), "momentum": Uniform(0, 1)}
    build = lambda: {"gen": Sgd(lr=5.0, momentum=5.0), "dis": Sgd(lr=5.0, momentum=5.0)}  # noqa: E731 - as above
    assert tune_toy(_loop(build, check), tmp_path, space=space).finished


def test_a_conditional_hyperparameter_is_bound_when_it_becomes_active(tmp_path):
    """A clone may need a momentum that the member, when it was built, had no use for."""
    from populace import Choice

    def check(member, opts):
        if "momentum" in member.hyperparameters:
            assert opts["opt"].param_groups[0]["momentum"] == member["momentum"]

    space = {"kind": Choice([0, 1]), "momentum": Uniform(0.5, 1, when={"kind": 1})}
    build = lambda: {"opt": Sgd(lr=5.0, momentum=0.0)}  # noqa: E731 - as above
    assert tune_toy(_loop(build, check), tmp_path, space=space, steps=8, interval=1).finished


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Clipping, r"'lr' was set to .*, but opt\.lr reads \[0\.1\]: .*"),
        (Refusing, r"'lr' cannot be set: opt\.lr refuses"),
    ],
)
def test_an_optimiser_that_refuses_a_value_is_an_error_naming_it(tmp_path, kind, told):
    """An optimiser that clips or ignores what it is told would train with other values than the schedule says."""
    build = lambda: {"opt": kind(lr=1.0)}  # noqa: E731 - as above
    with pytest.raises(PopulaceError, match=told + r".*rename the hyperparameter and apply it in your loop"):
        tune_toy(_loop(build, lambda *_: None), tmp_path, space={"lr": Uniform(0.5, 1)})


def test_groups_with_different_values_are_refused(tmp_path):
    """A backbone at a tenth of the head's rate is the user's own distinction; one value would wipe it out."""

    def build():
        opt = Sgd(lr=1.0)
        opt.param_groups.append({"lr": 0.1})
        return {"opt": opt}

    with pytest.raises(
        PopulaceError, match=r"'lr' sets one value in all .*those of 'opt' hold 0\.1, 1\.0.*another name"
    ):
        tune_toy(_loop(build, lambda *_: None), tmp_path, space={"lr": Uniform(0.5, 1)})


# ------------------------------------------------------------------------------------------------------------- torch


def _net(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))


def _fit(torch, model, opt, key):
    x = torch.from_numpy(key.generator().normal(size=(8, 3)).astype(np.float32))
    loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return float(loss)


def _equal(torch, one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


@pytest.mark.slow
def test_torch_clone_has_the_donors_weights_and_the_childs_hyperparameters(tmp_path):
    """The promise of an exploit: bit-equal weights, buffers and moments, and the explored values read back."""
    torch = pytest.importorskip("torch")
    saved = {}
    checked = []

    def train(member):
        model = _net(torch)
        opt = torch.optim.AdamW(model.parameters(), lr=9.0, weight_decay=9.0)
        member.track(model=model, opt=opt)
        before = member.step
        for step in member:
            assert opt.param_groups[0]["lr"] == member["lr"]
            assert opt.param_groups[0]["weight_decay"] == member["weight_decay"]
            assert opt.param_groups[0]["betas"] == (member["beta1"], 0.999)
            if step in (2, 4) and before != step:
                digest = _digest(torch, model, opt)
                checked.append(digest in saved[step])
            loss = _fit(torch, model, opt, member.key)
            saved.setdefault(step + 1, set()).add(_digest(torch, model, opt))
            member.report(-loss)

    def _digest(torch, model, opt):
        moments = [v for s in opt.state_dict()["state"].values() for v in s.values()]
        return tuple(bytes(t.detach().numpy().tobytes()) for t in (*model.state_dict().values(), *moments))

    space = {"lr": Uniform(1e-3, 1e-1), "weight_decay": Uniform(0, 0.1), "beta1": Uniform(0.5, 0.95)}
    result = tune_toy(train, tmp_path, space=space, population=4)
    assert result.finished
    assert any(s.donor for s in result.segments)
    assert checked
    assert all(checked)
    model, opt = _net(torch), None
    opt = torch.optim.AdamW(model.parameters())
    result.best.restore(model=model, opt=opt)
    assert int(model[1].num_batches_tracked) == result.best.step
    assert float(next(iter(opt.state.values()))["step"]) == result.best.step


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lambda", "exponential", "cosine", "sequential"])
def test_torch_scheduler_multiplies_the_childs_rate(tmp_path, kind):
    """A scheduler's saved state carries the donor's rate, and its next step would bring it back."""
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler

    def build():
        model = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(model.parameters(), lr=1.0)
        match kind:
            case "lambda":
                scheduler = schedulers.LambdaLR(opt, lambda step: 0.9**step)
            case "exponential":
                scheduler = schedulers.ExponentialLR(opt, 0.9)
            case "cosine":
                scheduler = schedulers.CosineAnnealingLR(opt, T_max=12)
            case _:
                parts = [schedulers.ConstantLR(opt, 0.5, 3), schedulers.ExponentialLR(opt, 0.9)]
                scheduler = schedulers.SequentialLR(opt, parts, milestones=[3])
        return model, opt, scheduler

    _, opt, scheduler = build()
    factors = []
    for _ in range(40):  # a clone of an older donor's weights has seen more steps than its member has trained
        factors.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step()

    def train(member):
        model, opt, scheduler = build()
        member.track(model=model, opt=opt)
        member.track(scheduler=scheduler)
        for step in member:
            assert opt.param_groups[0]["lr"] == pytest.approx(member["lr"] * factors[step], rel=1e-6)
            _fit(torch, model, opt, member.key)
            scheduler.step()
            member.report(member["lr"])

    result = tune_toy(train, tmp_path, space={"lr": Uniform(1e-3, 1e-1)}, steps=8)
    assert result.finished
    assert any(s.donor for s in result.segments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "told"), [("untracked", "track it too"), ("cyclic", "name the hyperparameter max_lr")]
)
def test_torch_scheduler_that_would_undo_the_rate_is_refused(tmp_path, kind, told):
    """The rate would be the child's for one step, and the scheduler's ever after."""
    torch = pytest.importorskip("torch")

    def train(member):
        model = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(model.parameters(), lr=1.0)
        schedulers = torch.optim.lr_scheduler
        one = schedulers.OneCycleLR(opt, 1.0, 10) if kind == "cyclic" else schedulers.ExponentialLR(opt, 0.9)
        member.track(model=model, opt=opt, **({"scheduler": one} if kind == "cyclic" else {}))
        for _ in member:
            member.report(1.0)

    with pytest.raises(PopulaceError, match=told):
        tune_toy(train, tmp_path)


@pytest.mark.slow
def test_torch_rate_in_a_tensor_stays_the_same_tensor(tmp_path):
    """Compiled and captured optimiser steps read the rate from the tensor they were given."""
    torch = pytest.importorskip("torch")

    def train(member):
        model = torch.nn.Linear(3, 1)
        opt = torch.optim.Adam(model.parameters(), lr=torch.tensor(1.0))
        member.track(model=model, opt=opt)
        held = opt.param_groups[0]["lr"]
        for _ in member:
            assert opt.param_groups[0]["lr"] is held or member.step > 0
            assert float(opt.param_groups[0]["lr"]) == pytest.approx(member["lr"])
            _fit(torch, model, opt, member.key)
            member.report(member["lr"])

    assert tune_toy(train, tmp_path).finished
