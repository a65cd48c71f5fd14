"""A stream in a fixture, with pytest-asyncio and with anyio's plugin."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def pytest_asyncio(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the project have that plugin."""
    pytest.importorskip("pytest_asyncio")
    monkeypatch.delenv("PYTEST_ADDOPTS")


SOURCE = """
import anyio
import pytest
from anystream import WrongTaskError, merge, stream

closed = []

@stream
async def numbers():
    try:
        for n in range(1000):
            await anyio.sleep(0.001)
            yield n
    finally:
        await anyio.sleep(0.001)
        closed.append("numbers")

FORMS = {
    "plain": lambda: numbers(),
    "buffer": lambda: numbers().buffer(2),
    "merge": lambda: merge(numbers(), []),
    "workers": lambda: numbers().map(lambda n: n, concurrency=2),
}
form = pytest.fixture(params=FORMS.values(), ids=FORMS.keys())(lambda request: request.param)
"""

USES = """
async def test_it_is_read(items):
    assert [await anext(items), await anext(items)] == [0, 1]

async def test_it_ends(items):
    async for item in items:
        if item == 5:
            break

async def test_it_is_not_read(items):
    pass

async def test_it_is_closed_by_the_test(items):
    await anext(items)
    await items.aclose()
"""

FIXTURE = """
{mark}
async def items(form):
    del closed[:]
    async with form() as items:
        yield items
    assert closed in ([], ["numbers"])
    with pytest.raises(Exception):
        await anext(items)
"""

CLOSED = """
{mark}
async def items(form):
    del closed[:]
    items = await form().__aenter__()
    assert await items.peek() == 0
    yield items
    await items.aclose()
    assert closed == ["numbers"]
"""

INI = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

FORMS = 4
TESTS = 4


@pytest.mark.usefixtures("pytest_asyncio")
@pytest.mark.parametrize("fixture", [FIXTURE, CLOSED], ids=["async with", "aclose"])
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_of_pytest_asyncio(pytester: pytest.Pytester, mode: str, fixture: str) -> None:
    mark = "@pytest_asyncio.fixture" if mode == "strict" else "@pytest.fixture"
    strict = "import pytest_asyncio\npytestmark = pytest.mark.asyncio\n" if mode == "strict" else ""
    pytester.makeini(INI + f"asyncio_mode = {mode}")
    pytester.makepyfile(SOURCE + strict + fixture.format(mark=mark) + USES)
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    result.assert_outcomes(passed=FORMS * TESTS)


@pytest.mark.usefixtures("pytest_asyncio")
def test_of_pytest_asyncio_for_a_whole_module(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(
        SOURCE
        + """
import pytest_asyncio
pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def items():
    async with numbers().buffer(2) as items:
        yield items
    assert closed == ["numbers"]

async def test_the_first_items(items):
    assert [await anext(items), await anext(items)] == [0, 1]

async def test_the_next_ones(items):
    assert await anext(items) == 2

@pytest.mark.asyncio(loop_scope="function")
async def test_another_event_loop(items):
    with pytest.raises(WrongTaskError, match="another event loop"):
        await anext(items)
    with pytest.raises(WrongTaskError, match="another event loop"):
        await items.aclose()
"""
    )
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=3)


@pytest.mark.parametrize("fixture", [FIXTURE, CLOSED], ids=["async with", "aclose"])
@pytest.mark.parametrize("plugin", ["anyio", "anystream"])
def test_of_anyio(pytester: pytest.Pytester, plugin: str, fixture: str) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error")
    mark = "pytestmark = pytest.mark.anyio\n"
    if plugin == "anystream":
        pytester.makeconftest('pytest_plugins = ["anystream.testing.plugin"]')
        mark = ""
    pytester.makepyfile(SOURCE + mark + fixture.format(mark="@pytest.fixture") + USES)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=FORMS * TESTS * 2)


@pytest.mark.usefixtures("pytest_asyncio")
def test_pytest_asyncio_that_takes_all_tests_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["anystream.testing.plugin"]')
    pytester.makepyfile("async def test_it(): pass")
    result = pytester.runpytest("-o", "asyncio_mode=auto")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*set asyncio_mode = strict*"])
