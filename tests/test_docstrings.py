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
import anystream.net
from anystream import Stream

MODULES = (anystream, anystream.http, anystream.net)
GLOBALS = {"anyio": anyio, "itertools": itertools, "operator": operator}
for module in MODULES:
    GLOBALS |= {name: getattr(module, name) for name in module.__all__}


def members() -> list[Any]:
    """The public functions and classes, and the public methods of `Stream`."""
    public = dict.fromkeys(getattr(module, name) for module in MODULES for name in module.__all__)
    streams = (Stream, anystream.http.PageStream)
    methods = [member for each in streams for name, member in vars(each).items() if name[0] != "_"]
    return [*public, *methods]


def in_words(member: Any) -> str:
    return f"{member.__module__.removeprefix('anystream.')}.{member.__qualname__}"


@pytest.mark.parametrize("member", members(), ids=in_words)
def test_has_a_docstring_with_an_example_that_runs(member: Any) -> None:
    text = inspect.getdoc(member)
    assert text, "no docstring"
    examples = doctest.DocTestParser().get_doctest(text, dict(GLOBALS), str(member), None, 0)
    if (isinstance(member, type) and issubclass(member, Exception)) or member is anystream.Run:
        return
    assert examples.examples, "no example"
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples)
    assert result.failed == 0
    assert result.attempted
