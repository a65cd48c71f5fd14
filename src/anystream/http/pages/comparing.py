"""Whether a page is new: which of its items another page has had."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ..._core.contracts import MISSING
from .page import lookup

NAMES = ("id", "_id", "uuid", "guid", "key", "url", "slug", "sha", "ID", "Id")
WRAPPERS = ("node", "data", "attributes", "_source")
IDENTITIES = (*NAMES, *(f"{wrapper}.{name}" for wrapper in WRAPPERS for name in NAMES))
"""What tells one item from another, in the order in which it is looked for."""


def same(records: list[Any], others: list[Any]) -> bool:
    """Whether both hold the same items in the same order, and any at all."""
    if len(records) != len(others) or not records:
        return False
    if records[0] != others[0]:  # nearly always, and then mostly no more is to be looked at
        path = identity_of(records[0])
        if path is None or lookup(records[0], path) != lookup(others[0], path):
            return False
    key = identity([*records, *others])
    return [*map(key, records)] == [*map(key, others)]


def repeated(records: list[Any], others: list[Any]) -> list[bool]:
    """For each of the `others`, whether it is one of `records`."""
    key = identity([*records, *others])
    known = {*map(key, records)}
    return [key(item) in known for item in others]


def identity(items: list[Any]) -> Callable[[Any], Any]:
    """What an item is known by: an id if all of them have one, otherwise all of it."""
    path = identity_of(items[0]) if items else None
    if path is not None and all(has(item, path) for item in items):
        return partial(at, path)
    return whole_text


def identity_of(item: Any) -> str | None:
    """The path of the id of an item."""
    return next((path for path in IDENTITIES if has(item, path)), None)


def has(item: Any, path: str) -> bool:
    value = lookup(item, path)
    return value is not MISSING and isinstance(value, str | int) and not isinstance(value, bool)


def at(path: str, item: Any) -> Any:
    return lookup(item, path)


def whole_text(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=repr)
