"""Every async test runs on asyncio and on trio, in virtual time, and is checked for leaks."""

import inspect
import signal
from collections import Counter
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from rows import Row

from anystream.testing import KINDS, LeakWatch, backend

SWEPT = ("points", "bad")
"""What a sweep says of itself, by pytest's `record_property`."""

_ended_early = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sweep")
    group.addoption("--seeds", type=int, default=2, help="how many schedules to sweep on trio")
    group.addoption("--every-mode", action="store_true", help="sweep each form in every mode")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does so for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "real_time: run on the backends' real clocks, as sockets and processes need."
    )
    config.addinivalue_line(
        "markers", f"leaks_expected(*kinds): leaks that do not matter here, of {', '.join(KINDS)}."
    )


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: Any) -> None:
    """Let ``leak_check`` be used by each async test, be it a property of hypothesis or not."""
    if collector.istestfunction(obj, name):
        function = obj.hypothesis.inner_test if hasattr(obj, "hypothesis") else obj
        if inspect.iscoroutinefunction(function):
            pytest.mark.usefixtures("leak_check")(obj)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        item.stash[_ended_early] = call.excinfo is not None
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the sweeps have swept, from what their tests have recorded."""
    totals = Counter[str]()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            totals.update({name: n for name, n in report.user_properties if name in SWEPT})
    if totals:
        terminalreporter.write_line(f"swept {totals['points']:,} points, {totals['bad']:,} bad")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    real_time = request.node.get_closest_marker("real_time") is not None
    return backend(request.param, real_time=real_time)


@pytest.fixture
async def leak_check(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail a test that passed but left something behind."""
    marker = request.node.get_closest_marker("leaks_expected")
    expected = marker.args if marker else ()
    unknown = set(expected) - set(KINDS)
    assert not unknown, f"no such kinds of leak: {unknown}"
    with LeakWatch() as watch:
        yield
        leaks = [str(leak) for leak in await watch.leaks() if leak.kind not in expected]
    if leaks and not request.node.stash.get(_ended_early, True):
        pytest.fail("the test left behind\n  " + "\n  ".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def exempt(request: pytest.FixtureRequest) -> None:
    """Skip what a row of the table says does not apply to it."""
    callspec = getattr(request.node, "callspec", None)
    row = callspec.params.get("row") if callspec else None
    if isinstance(row, Row) and (reason := row.skips.get(request.node.originalname)):
        pytest.skip(reason)
