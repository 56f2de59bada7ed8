"""Reading spaces as users write them: shorthand, and the distributions of other packages."""

from __future__ import annotations

import math
from types import ModuleType
from typing import cast

import pytest

from populace._errors import SpaceError
from populace.space import (
    Choice,
    Constant,
    Dimension,
    IntUniform,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Space,
    Uniform,
)


@pytest.fixture(scope="module")
def distributions() -> ModuleType:
    return cast(ModuleType, pytest.importorskip("optuna.distributions"))


@pytest.fixture(scope="module")
def cs() -> ModuleType:
    return cast(ModuleType, pytest.importorskip("ConfigSpace"))


@pytest.fixture(scope="module")
def stats() -> ModuleType:
    return cast(ModuleType, pytest.importorskip("scipy.stats"))


def read(entry: object) -> Dimension:
    return Space.of({"x": entry})["x"]


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ((0.0, 1.0), Uniform(0, 1)),
        ((0, 0.5), Uniform(0, 0.5)),
        ((1, 8), IntUniform(1, 8)),
        (["a", "b"], Choice(["a", "b"])),
        (3, Constant(3)),
        ("adam", Constant("adam")),
        (True, Constant(True)),
        (None, Constant(None)),
        (Uniform(0, 1), Uniform(0, 1)),
    ],
)
def test_shorthand_is_read(entry: object, wanted: Dimension) -> None:
    """A first space is typed without an import."""
    assert read(entry) == wanted
    assert type(read(entry)) is type(wanted)


def test_space_of_a_space_is_itself() -> None:
    """Functions accept both and normalise once."""
    space = Space.of({"x": (0, 1)})
    assert Space.of(space) is space


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            object(),
            r"search space entry 'x': cannot read <object .*> of type object: give a populace dimension such as",
        ),
        (max, r"search space entry 'x': cannot read .* of type builtin_function_or_method"),
        ({"grid_search": [1]}, r"search space entry 'x': cannot read .* of type dict: give"),
        ((1, 2, 3), r"search space entry 'x': a range must be two finite numbers \(low, high\), but got \(1, 2, 3\)"),
        (("a", "b"), r"a range must be two finite numbers .* use a list for choices"),
        ((False, True), r"a range must be two finite numbers"),
        ((2, 1), r"search space entry 'x': `low < high` must hold, but got \(low=2, high=1\): swap them"),
        ([], r"search space entry 'x': `values` must hold at least 1"),
    ],
)
def test_unreadable_entry_is_named_with_what_is_accepted(entry: object, message: str) -> None:
    """The message alone is enough to repair a space of twenty entries."""
    with pytest.raises(SpaceError, match=message):
        read(entry)


# ------------------------------------------------------------------------------------------------------------- Optuna


def test_optuna_distributions_are_read(distributions: ModuleType) -> None:
    """Who comes from Optuna brings the space along."""
    real, integer = distributions.FloatDistribution, distributions.IntDistribution
    assert read(real(0, 1)) == Uniform(0, 1)
    assert read(real(1e-5, 0.1, log=True)) == LogUniform(1e-5, 0.1)
    assert read(real(0.1, 0.4, step=0.1)) == Ordinal([0.1, 0.2, 0.3, 0.4])
    assert read(real(2, 2)) == Constant(2)
    assert read(integer(1, 8)) == IntUniform(1, 8)
    assert read(integer(1, 8, log=True)) == LogIntUniform(1, 8)
    assert read(integer(16, 64, step=16)) == Ordinal([16, 32, 48, 64])
    assert read(distributions.CategoricalDistribution(["a", None, 2])) == Choice(["a", None, 2])


def test_step_with_too_many_values_is_refused(distributions: ModuleType) -> None:
    """A list of a million values is no list; the step can go."""
    with pytest.raises(
        SpaceError, match=r"entry 'x': a range with a step must hold at most 1000 values, but got 10001"
    ):
        read(distributions.FloatDistribution(0, 1, step=1e-4))


# ----------------------------------------------------------------------------------------------------------- Ray Tune
# Stand-ins with the module, class and attribute names of ray.tune.search.sample, which is too heavy to install here.


def _ray(name: str, **attributes: object) -> object:
    return type(name, (), {"__module__": "ray.tune.search.sample", **attributes})()


UNIFORM, LOG = _ray("_Uniform"), _ray("_LogUniform")


def _quantized(sampler: object, q: float) -> object:
    return _ray("Quantized", sampler=sampler, q=q)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (_ray("Float", lower=0.0, upper=1.0, sampler=UNIFORM), Uniform(0, 1)),
        (_ray("Float", lower=0.0, upper=1.0, sampler=None), Uniform(0, 1)),
        (_ray("Float", lower=1e-5, upper=0.1, sampler=LOG), LogUniform(1e-5, 0.1)),
        (_ray("Float", lower=0.0, upper=0.3, sampler=_quantized(UNIFORM, 0.1)), Ordinal([0.0, 0.1, 0.2, 0.3])),
        (_ray("Integer", lower=1, upper=9, sampler=UNIFORM), IntUniform(1, 8)),
        (_ray("Integer", lower=1, upper=2, sampler=UNIFORM), Constant(1)),
        (_ray("Integer", lower=1, upper=9, sampler=LOG), LogIntUniform(1, 8)),
        (_ray("Integer", lower=1, upper=8, sampler=_quantized(UNIFORM, 1)), IntUniform(1, 8)),
        (_ray("Integer", lower=3, upper=9, sampler=_quantized(UNIFORM, 2)), Ordinal([4, 6, 8])),
        (_ray("Categorical", categories=["a", "b"], sampler=UNIFORM), Choice(["a", "b"])),
    ],
)
def test_ray_tune_domains_are_read(entry: object, wanted: Dimension) -> None:
    """`tune.randint` excludes its upper bound and the quantized domains include it: both are kept."""
    assert read(entry) == wanted


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            _ray("Float", lower=-math.inf, upper=math.inf, sampler=_ray("_Normal", mean=0, sd=1)),
            "got the sampler _Normal",
        ),
        (_ray("Float", lower=-math.inf, upper=1.0, sampler=UNIFORM), "must be finite numbers"),
        (_ray("Float", lower=1e-4, upper=1.0, sampler=_quantized(LOG, 1e-4)), "a step cannot be kept on a log scale"),
        (_ray("Categorical", categories=["a"], sampler=_ray("Grid")), "got the sampler Grid"),
        (_ray("Function", func=max), "tune.sample_from cannot be read"),
    ],
)
def test_ray_tune_domain_that_cannot_be_kept_is_refused(entry: object, message: str) -> None:
    """A prior is never silently replaced by another."""
    with pytest.raises(SpaceError, match=f"search space entry 'x': .*{message}"):
        read(entry)


# --------------------------------------------------------------------------------------------------------- ConfigSpace


def test_whole_configuration_space_is_read_with_its_conditions(cs: ModuleType) -> None:
    """AutoML users bring conditional spaces; a condition becomes `when`."""
    space = cs.ConfigurationSpace()
    optimizer = cs.CategoricalHyperparameter("optimizer", ["sgd", "adam", "lion"])
    depth = cs.UniformIntegerHyperparameter("depth", 1, 8)
    lr = cs.UniformFloatHyperparameter("lr", 1e-5, 0.1, log=True)
    width = cs.UniformIntegerHyperparameter("width", 8, 512, log=True)
    batch = cs.OrdinalHyperparameter("batch", [16, 32, 64])
    space.add([optimizer, depth, lr, width, batch, cs.Constant("epochs", 3)])
    space.add(cs.EqualsCondition(lr, optimizer, "sgd"))
    space.add(cs.AndConjunction(cs.InCondition(width, optimizer, ["adam", "sgd"]), cs.EqualsCondition(width, depth, 2)))
    assert Space.of(space) == Space(
        {
            "batch": Ordinal([16, 32, 64]),
            "depth": IntUniform(1, 8),
            "epochs": Constant(3),
            "lr": LogUniform(1e-5, 0.1, when={"optimizer": "sgd"}),
            "optimizer": Choice(["sgd", "adam", "lion"]),
            "width": LogIntUniform(8, 512, when={"optimizer": ["adam", "sgd"], "depth": 2}),
        }
    )


def test_single_configspace_hyperparameters_are_read(cs: ModuleType) -> None:
    """They may be mixed with others in a dict."""
    assert read(cs.UniformFloatHyperparameter("lr", 0.0, 1.0)) == Uniform(0, 1)
    assert read(cs.CategoricalHyperparameter("c", ["a", "b"], weights=[2, 2])) == Choice(["a", "b"])
    assert read(cs.Float("lr", (1e-5, 0.1), log=True)) == LogUniform(1e-5, 0.1)


def test_configspace_that_cannot_be_kept_is_refused(cs: ModuleType) -> None:
    """Weights, other priors, other conditions and forbidden combinations are not dropped in silence."""
    with pytest.raises(SpaceError, match=r"equal weights, but got \(1, 2\)"):
        read(cs.CategoricalHyperparameter("c", ["a", "b"], weights=[1, 2]))
    with pytest.raises(SpaceError, match=r"cannot read .*NormalFloatHyperparameter"):
        read(cs.NormalFloatHyperparameter("n", 0.0, 1.0, lower=-1.0, upper=1.0))
    space = cs.ConfigurationSpace({"a": ["x", "y"], "b": (0.0, 1.0)})
    space.add(cs.NotEqualsCondition(space["b"], space["a"], "x"))
    with pytest.raises(SpaceError, match="must be EqualsCondition, InCondition or AndConjunction, but got NotEquals"):
        Space.of(space)
    space = cs.ConfigurationSpace({"a": ["x", "y"]})
    space.add(cs.ForbiddenEqualsClause(space["a"], "y"))
    with pytest.raises(SpaceError, match="a space must have no forbidden combinations"):
        Space.of(space)


# ---------------------------------------------------------------------------------------------------------- scipy.stats


def test_scipy_distributions_are_read(stats: ModuleType) -> None:
    """scikit-learn's randomised search is written with them."""
    assert read(stats.uniform(1, 3)) == Uniform(1, 4)
    assert read(stats.uniform(loc=2, scale=3)) == Uniform(2, 5)
    assert read(stats.loguniform(1e-5, 0.1)) == LogUniform(1e-5, 0.1)
    assert read(stats.reciprocal(a=1, b=2)) == LogUniform(1, 2)
    assert read(stats.randint(1, 5)) == IntUniform(1, 4)
    assert read(stats.randint(1, 5, loc=2)) == IntUniform(3, 6)


def test_scipy_distribution_that_cannot_be_kept_is_refused(stats: ModuleType) -> None:
    """A normal prior has no bounds to perturb within."""
    with pytest.raises(SpaceError, match="must be uniform, loguniform or randint, but got norm"):
        read(stats.norm(0, 1))
    with pytest.raises(SpaceError, match="loguniform must have loc=0"):
        read(stats.loguniform(1, 10, loc=5))
