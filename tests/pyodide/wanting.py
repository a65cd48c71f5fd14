"""A plugin for pytest: a test that asks for what WebAssembly lacks is skipped, and says so."""

import json
import re
import sys
from collections.abc import Generator
from typing import Any

import node  # of run.mjs
import pytest
from hypothesis import settings

LACKING = {
    "_thread.start_joinable_thread": "a thread",
    "_thread.start_new_thread": "a thread",
    "os.fork": "a process",
    "os.posix_spawn": "a process",
    "socket.__new__": "a socket",
    "socket.getaddrinfo": "a socket",
    "subprocess.Popen": "a process",
}
NO_WHEEL = "_multiprocessing|httpx2_jsfetch|msgspec|orjson|pydantic_core|resource|uvloop"
ABSENT = re.compile(
    rf"(?:No module named|Unsupported platform for standard library module) '(?:{NO_WHEEL})'"
    r"|module 'socket' has no attribute 'AF_UNIX'"
    r"|emscripten does not support processes"
    r"|build lacks multiprocessing"
    r"|(?:thread|process|socket) is not to be had here"
)
"""What errors say of modules and calls that are not there."""

_asked: set[str] = set()


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event in LACKING:
        _asked.add(LACKING[event])
        raise OSError(f"{LACKING[event]} is not to be had here")


@pytest.hookimpl(trylast=True)  # after the profile of tests/conftest.py
def pytest_configure() -> None:
    settings.register_profile("few", settings.default, max_examples=10, database=None)
    settings.load_profile("few")
    sys.addaudithook(_refuse)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer() -> bool:
    """Set none: there are neither alarms nor threads, and run.mjs looks at the time."""
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what would hang: in real time, anyio's runner of tests lets a thread wait for trio."""
    parameters = getattr(item, "callspec", None)
    on_trio = parameters is not None and parameters.params.get("anyio_backend") == "trio"
    if on_trio and item.get_closest_marker("real_time"):
        pytest.skip("needs a thread")


def pytest_runtest_logstart(nodeid: str) -> None:
    _asked.clear()
    node.begun(nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    _asked.clear()
    return judged((yield), collector)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return judged((yield), item)


def judged(report: Any, node: pytest.Item | pytest.Collector) -> Any:
    """Turn a failure into a skip if something was asked for that is not here."""
    if report.failed:
        absent = {
            f"what is not there: {found[0]}" for found in ABSENT.finditer(report.longreprtext)
        }
        if reasons := sorted(_asked | absent):
            report.outcome = "skipped"
            report.longrepr = (str(node.path), 0, f"Skipped: needs {' and '.join(reasons)}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    failed = [*stats.get("failed", []), *stats.get("error", [])]
    counts = {"failed": len(failed)} | {
        outcome: len(stats.get(outcome, [])) for outcome in ("passed", "skipped")
    }
    node.ended(json.dumps(counts))
