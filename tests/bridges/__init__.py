"""What the tests of the bridges share: places in which a source can stand, and some items."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from anystream import Stream, merge

ITEMS = [3, 0, 1, 2, 5, 4, 7, 1]

Form = Callable[[Stream[int]], Stream[Any]]

FORMS: dict[str, Form] = {
    "no task": lambda s: s,
    "buffer 0": lambda s: s.buffer(0),
    "buffer 3": lambda s: s.buffer(3),
    "merge": lambda s: merge(s, []),
}
FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())

setting: ContextVar[str] = ContextVar("setting", default="unset")
