"""Whether two pages have the same items, also where a part of each item changes all the time."""

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any, cast

IDENTITIES = ("id", "_id", "uuid", "guid", "key", "url", "slug", "sha", "ID", "Id")
"""What tells one item from another, in the order in which it is looked for."""

WRAPPERS = ("node", "data", "attributes", "_source")
"""What an item may be wrapped in, as its only object or beside others."""


def same(records: list[Any], others: list[Any]) -> bool:
    """Whether both hold the same items in the same order, and any at all."""
    if len(records) != len(others) or not records:
        return False
    if records[0] != others[0] and identified(records[0]) != identified(others[0]):
        return False  # nearly always, and at once
    key = identity([*records, *others])
    return [*map(key, records)] == [*map(key, others)]


def repeated(records: list[Any], others: list[Any]) -> list[bool]:
    """For each of the `others`, whether it is one of `records`."""
    key = identity([*records, *others])
    known = {*map(key, records)}
    return [key(item) in known for item in others]


def identity(items: list[Any]) -> Callable[[Any], Any]:
    """What an item is known by: an id if all of them have one, otherwise all of it."""
    for name in IDENTITIES:
        if all(has(item, name) for item in items):
            return itemgetter(name)
    for wrapper in WRAPPERS:
        for name in IDENTITIES:
            if all(isinstance(item, dict) and has(item.get(wrapper), name) for item in items):
                return lambda item, wrapper=wrapper, name=name: item[wrapper][name]
    return lambda item: json.dumps(item, sort_keys=True, default=repr)


def identified(item: Any) -> Any:
    """The id of an item by itself, or something that is like nothing else."""
    for part in (item, *(item.get(name) for name in WRAPPERS if isinstance(item, dict))):
        for name in IDENTITIES:
            if has(part, name):
                return part[name]
    return object()


def has(item: Any, name: str) -> bool:
    """Whether an item has an id of this name."""
    if not isinstance(item, dict):
        return False
    value = cast("dict[str, Any]", item).get(name)
    return isinstance(value, str | int) and not isinstance(value, bool)
