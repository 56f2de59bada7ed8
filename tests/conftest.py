"""What all tests share: Hypothesis profiles, and what becomes of a test whose package is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# A test's verdict is a fact about the code: the same every time, on a fast machine and on a busy one.
_TIMELESS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("repeatable", derandomize=True, max_examples=50, **_TIMELESS)
# To look for what nobody has seen yet: pytest --hypothesis-profile=search
settings.register_profile("search", max_examples=2000, **_TIMELESS)
settings.load_profile("repeatable")

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "3")  # read once JAX is imported, which the first test that needs it does

NOTHING_MAY_BE_MISSING = os.environ.get("POPULACE_TEST_ALL") == "1"
_MISSING_PACKAGE = re.compile(r"could not import|unable to import|no module named|not installed|\bpopulace\[", re.I)
_EXTRA_OF = {"torch": "torch", "jax": "jax", "sklearn": "sklearn", "matplotlib": "plot", "scipy": "stats"}
_EXTRA_OF |= {"optuna": "optuna", "sacrebleu": "bench", "num2words": "bench"}


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """JAX programs that several tests need, or processes that they start, are compiled once."""
    jax = pytest.importorskip("jax")
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.getbasetemp() / "programs"),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))  # JAX reads its options there too
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Makes examples in docstrings count too: elsewhere, those of a module that cannot be imported are skipped."""
    if NOTHING_MAY_BE_MISSING:
        config.option.doctest_ignore_import_errors = False


def _judge_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Names the extra that a skipped test needs; where everything must be installed, the skip is a failure."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return
    path, line, reason = report.longrepr
    if not _MISSING_PACKAGE.search(reason):
        return
    package = re.search(r"'(\w+)[\w.]*'", reason)
    if package and package[1] in _EXTRA_OF:
        reason = f"{reason} (it comes with populace[{_EXTRA_OF[package[1]]}])"
    report.longrepr = (path, line, reason)
    if NOTHING_MAY_BE_MISSING:
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: POPULACE_TEST_ALL=1 allows no missing package, but got: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judges skips of single tests."""
    report = yield
    _judge_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judges skips of whole modules."""
    report = yield
    _judge_skip(report)
    return report
