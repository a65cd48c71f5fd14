"""Every public name has a docstring, and the examples in them run."""

import doctest
import inspect
import itertools
import operator
from typing import Any

import anyio
import pytest

import anystream
import anystream.http
from anystream import Stream

GLOBALS = {"anyio": anyio, "itertools": itertools, "operator": operator, **vars(anystream)}


def members() -> list[Any]:
    """The public functions and classes, and the public methods of `Stream`."""
    public = [getattr(anystream, name) for name in anystream.__all__]
    methods = [member for name, member in vars(Stream).items() if not name.startswith("_")]
    return [*public, *methods, *(getattr(anystream.http, name) for name in anystream.http.__all__)]


@pytest.mark.parametrize("member", members(), ids=lambda member: member.__qualname__)
def test_has_a_docstring_with_an_example_that_runs(member: Any) -> None:
    text = inspect.getdoc(member)
    assert text, "no docstring"
    examples = doctest.DocTestParser().get_doctest(text, dict(GLOBALS), str(member), None, 0)
    if (isinstance(member, type) and issubclass(member, Exception)) or member is anystream.Run:
        return
    assert examples.examples, "no example"
    if member.__name__ == "fetch_all_pages":
        return  # it asks a server that does not exist
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples)
    assert result.failed == 0
    assert result.attempted
