"""Where in a body the list of the items may be."""

from collections.abc import Callable, Iterator
from typing import Any

from .page import elements, is_list_of_links, is_object, lookup

DEPTH = 4
"""How many objects deep a list is looked for."""


def likely(data: Any) -> list[str]:
    """The paths of the lists in an object that could be the items: one if it is clear which.

    That is the list of a format that is known by its fields, or those nearest to the top.
    """
    known = [path for form in FORMATS if (path := of_format(form, data)) is not None]
    return known[:1] or connections(data) or nearest(data, is_list)


def inner(data: Any) -> int | None:
    """Where a list is in a body that is a list of other values as well: these are not all items."""
    places = [at for at, each in enumerate(elements(data)) if issubclass(type(each), list)]
    return places[0] if 0 < len(places) < len(data) else None


def lists(data: Any) -> list[str]:
    """The paths of all lists that are near enough to the top."""
    return [path for level in levels(data) for path, value in level if is_list(value)]


def filled(data: Any) -> list[str]:
    """The paths of the lists nearest to the top that are not empty."""
    return nearest(data, lambda value: is_list(value) and bool(value))


def nearest(data: Any, wanted: Callable[[Any], bool]) -> list[str]:
    """The paths of the members that are `wanted`, of the first level that has any."""
    for level in levels(data):
        paths = [path for path, value in level if wanted(value)]
        if paths:
            return paths
    return []


def is_list(value: Any) -> bool:
    return issubclass(type(value), list) and not is_list_of_links(value)


def levels(data: Any) -> Iterator[list[tuple[str, Any]]]:
    """The members of the objects of the body by their paths, one level below the other."""
    level: list[tuple[str, Any]] = [("", data)]
    for _ in range(DEPTH):
        level = [
            (f"{path}.{key}" if path else key, value)
            for path, part in level
            if is_object(part)
            for key, value in part.items()
        ]
        if not level:
            return
        yield level


def connections(data: Any) -> list[str]:
    """The nodes or edges of the connections of GraphQL that are nearest to the top."""
    for level in levels(data):
        found = [
            f"{path}.{name}"
            for path, part in level
            if is_object(part) and "pageInfo" in part
            for name in [next((each for each in ("nodes", "edges") if each in part), None)]
            if name is not None
        ]
        if found:
            return found
    return []


FORMATS: tuple[tuple[str, str | None, str], ...] = (
    ("resourceType", "Bundle", "entry"),  # FHIR
    ("type", "FeatureCollection", "features"),  # GeoJSON
    ("hits", None, "hits.hits"),  # Elasticsearch
    ("hydra:member", None, "hydra:member"),
    ("jsonapi", None, "data"),
    ("@odata.context", None, "value"),
)
"""What a format is known by, a field and perhaps its value, and where its items are."""


def of_format(form: tuple[str, str | None, str], data: Any) -> str | None:
    field, wanted, path = form
    if not is_object(data) or field not in data or wanted not in (None, data[field]):
        return None
    return path if issubclass(type(lookup(data, path)), list) else None
