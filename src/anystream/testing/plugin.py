"""For pytest: async tests run on asyncio and trio, in virtual time, and may leave nothing behind.

A line of ``conftest.py`` switches it on::

    pytest_plugins = ["anystream.testing.plugin"]
"""

import inspect
from collections.abc import AsyncIterator, Generator
from typing import Any

import anyio
import pytest

from .clock import backend
from .leaks import KINDS, LeakWatch

OTHER_PLUGINS = ("asyncio", "trio")
"""The markers of tests that pytest-asyncio and pytest-trio run."""

TAKE_ALL = (
    ("asyncio_mode", "auto", "pytest-asyncio in auto mode", "strict"),
    ("trio_mode", True, "pytest-trio in trio mode", "false"),
)
"""The settings by which they take all async tests and fixtures for their own, and what to set."""

_ended_early = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    loaded = config.pluginmanager.list_name_plugin()
    names = [getattr(plugin, "__name__", "") for _, plugin in loaded]
    if "anyio.pytest_plugin" not in names[: names.index(__name__)]:  # whose fixture would stay
        raise pytest.UsageError(
            f"{__name__} must be loaded after anyio's plugin:"
            " name it in pytest_plugins in conftest.py, not with -p"
        )
    for name, value, other, instead in TAKE_ALL:
        if setting(config, name) == value:
            raise pytest.UsageError(
                f"{__name__} and {other} run the same async tests and fixtures, each in event loops"
                f" of its own: set {name} = {instead}"
            )
    for marker in (
        "real_time: run on the backends' real clocks, as sockets and processes need.",
        f"leaks_expected(*kinds): leaks that do not matter here, of {', '.join(KINDS)}.",
    ):
        config.addinivalue_line("markers", marker)


def setting(config: pytest.Config, name: str) -> object:
    """That of another plugin, by an option or in a file; None if the plugin is not there."""
    try:
        return config.getoption(name, None) or config.getini(name)
    except ValueError:
        return None


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: Any) -> None:
    """Let each async test use the fixtures, also one with a property of hypothesis."""
    if collector.istestfunction(obj, name):
        obj = getattr(obj, "__func__", obj)  # of a staticmethod or a classmethod
        function = obj.hypothesis.inner_test if hasattr(obj, "hypothesis") else obj
        marks = [*collector.iter_markers(), *getattr(obj, "pytestmark", [])]
        foreign = any(mark.name in OTHER_PLUGINS for mark in marks)
        if inspect.iscoroutinefunction(function) and not foreign:
            pytest.mark.usefixtures("anyio_backend", "leak_check")(obj)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        item.stash[_ended_early] = call.excinfo is not None
    return (yield)


@pytest.fixture(params=anyio.get_available_backends())
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run a test on each backend, in virtual time unless it is marked ``real_time``."""
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
