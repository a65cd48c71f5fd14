"""Errors of one instant: which of them is raised, and how it tells of the others.

When several tasks of a pipeline fail at the same time, as all of them do when a server goes away,
the first error in order is the error, bare. Each other one is attached to it: in the tuple
`__siblings__`, and the first fifteen as notes. It counts as an error of the same time if its task
had not heard of the first one. An error that comes after its task was interrupted is one of the
cleanup.

`catch` and `retry` look at all of them, and act only if each is one of theirs.

An error that was read ahead, and that the reader has never come to, is dropped as the items are,
unless another error is propagating: then it is attached to that one. One of a cleanup is never
dropped: it is raised when the stream is left.
"""

from collections.abc import Iterator
from typing import Any, cast

from .. import _labels as label

ATTRIBUTE = "__siblings__"
CLEANUP = "__of_cleanup__"

MORE = f"and {{}} more errors in {ATTRIBUTE}"

MOST_NOTES = 15
"""As many errors as Python prints of a group: a thousand tasks may fail with a server."""


def bare(error: BaseException) -> BaseException:
    """An error out of the groups that task groups of others have put around it, the first one."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("Any", error).exceptions[0]
    return error


def parted(
    error: BaseException, kind: type[BaseException]
) -> tuple[BaseException | None, BaseException | None]:
    """What of the error is of this kind, and what is not: of a group it may be both."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        matching, rest = group.split(kind)
        return (None, group) if matching is None else (matching, rest)  # it may be known elsewhere
    return (error, None) if isinstance(error, kind) else (None, error)


def attach(
    error: BaseException, others: tuple[BaseException, ...], when: str = "at the same time"
) -> None:
    """Let `error` tell of `others`, and of `when` they have happened."""
    known = siblings(error)
    ids = {id(error), *map(id, known)}  # in C: a thousand tasks may attach theirs one by one
    found = {id(each): each for given in others for each in all_of(given)}
    fresh = [each for key, each in found.items() if key not in ids]
    object.__setattr__(error, ATTRIBUTE, (*known, *fresh))
    noted = fresh[: max(0, MOST_NOTES - len(known))]
    add_notes(error, *(f"{when}: {label.whole(other)}" for other in noted))
    if len(noted) < len(fresh):
        before = max(0, len(known) - MOST_NOTES)
        tell_how_many_more(error, before, before + len(fresh) - len(noted))


def tell_how_many_more(error: BaseException, before: int, more: int) -> None:
    """Let a note tell of `more` siblings without one of their own; it told of those `before`."""
    said, says = MORE.format(before), MORE.format(more)
    notes: list[str] = [*attribute(error, "__notes__", ())]
    place = notes.index(said) if said in notes else len(notes)
    notes[place : place + 1] = [says]
    object.__setattr__(error, "__notes__", notes)


def add_notes(error: BaseException, *notes: str) -> None:
    # As its `add_note`, but past the `__setattr__` of the error itself, which may allow nothing.
    known = attribute(error, "__notes__", None)
    object.__setattr__(error, "__notes__", [*(known if isinstance(known, list) else ()), *notes])


def attribute(error: BaseException, name: str, default: Any) -> Any:
    """What was set on `error`, past its own `__getattr__`, which may give or raise anything."""
    return object.__getattribute__(error, "__dict__").get(name, default)


def mark_as_of_cleanup(error: BaseException) -> None:
    object.__setattr__(error, CLEANUP, True)


def is_of_cleanup(error: BaseException) -> bool:
    """Whether `error` has to be reported, even if no reader gets to it."""
    return bool(attribute(error, CLEANUP, False))


def siblings(error: BaseException) -> tuple[BaseException, ...]:
    """What is attached to `error`."""
    found: tuple[BaseException, ...] = attribute(error, ATTRIBUTE, ())
    return found


def all_of(error: BaseException) -> Iterator[BaseException]:
    """`error`, and all that has happened at the same time."""
    found = [error]
    ids = {id(error)}
    for each in found:
        yield each
        for other in siblings(each):
            if id(other) not in ids:
                ids.add(id(other))
                found.append(other)
