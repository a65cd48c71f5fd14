"""Every async test runs on asyncio and on trio, in virtual time, and is checked for leaks."""

import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
HELPERS = {each.stem for folder in (HERE, HERE / "http") for each in folder.glob("*.py")}
# An assert in what is imported before this would not tell its values.
pytest.register_assert_rewrite(*(HELPERS - {"conftest"}), "cli", "rows", "server")

from rows import Row  # noqa: E402  # as just said

pytest_plugins = ["anystream.testing.plugin"]

settings.register_profile("anystream", deadline=None)  # a busy machine is no failure
settings.load_profile("anystream")

SWEPT = ("points", "bad")
"""What a sweep says of itself, by pytest's `record_property`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sweep")
    group.addoption("--seeds", type=int, default=2, help="how many schedules to sweep on trio")
    group.addoption("--every-mode", action="store_true", help="sweep each form in every mode")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does so for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish() -> None:
    """Save what coverage has seen: xdist kills a worker that takes more than 10 s to exit."""
    if "coverage" in sys.modules and (measuring := sys.modules["coverage"].Coverage.current()):
        measuring.save()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the sweeps have swept, from what their tests have recorded."""
    totals = Counter[str]()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            totals.update({name: n for name, n in report.user_properties if name in SWEPT})
    if totals:
        terminalreporter.write_line(f"swept {totals['points']:,} points, {totals['bad']:,} bad")


@pytest.fixture(autouse=True)
def exempt(request: pytest.FixtureRequest) -> None:
    """Skip what a row of the table says does not apply to it."""
    callspec = getattr(request.node, "callspec", None)
    row = callspec.params.get("row") if callspec else None
    if isinstance(row, Row) and (reason := row.skips.get(request.node.originalname)):
        pytest.skip(reason)
