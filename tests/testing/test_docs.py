"""What docs/testing.md shows runs as it stands, and so do the examples in docstrings."""

import doctest
import inspect
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

import anystream
from anystream import testing
from testing import project

pytest_plugins = ["pytester"]

GLOBALS: dict[str, Any] = {
    "AsyncGenerator": AsyncGenerator,
    "anyio": anyio,
    **vars(anystream),
    **{name: getattr(testing, name) for name in testing.__all__},
}


def test_the_project_of_the_docs_passes_on_both_backends(pytester: pytest.Pytester) -> None:
    names = project.write(pytester.path)
    assert "conftest.py" in names
    result = pytester.runpytest_inprocess("-v", "--strict-markers", "-Werror")
    assert result.ret == 0
    for name in names:
        if name != "conftest.py":
            result.stdout.fnmatch_lines_random(f"*{name}::* PASSED*")
    for name in ("asyncio", "trio"):
        result.stdout.fnmatch_lines_random(f"test_time.py::test_a_day?{name}? PASSED*")


PUBLIC = [GLOBALS[name] for name in testing.__all__]


@pytest.mark.parametrize(
    "member",
    [it for it in PUBLIC if inspect.isfunction(it) or inspect.isclass(it)],
    ids=lambda it: it.__name__,
)
def test_has_a_docstring_with_an_example_that_runs(member: Any) -> None:
    text = inspect.getdoc(member)
    assert text, "no docstring"
    examples = doctest.DocTestParser().get_doctest(text, dict(GLOBALS), str(member), None, 0)
    assert examples.examples, "no example"
    assert not doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples).failed
