"""Where a block is entered: Python ends an async generator in another task, or never.

So a block inside one may be left by the task that ends the generator. A cancel scope that was
entered in it stays in the task that has read it, and corrupts the stack of scopes there.
"""

import inspect
import sys
import warnings
from collections.abc import Iterator
from types import FrameType

ENDING = ("anystream.", "anyio.", "contextlib", "trio.", "pytest", "_pytest")
"""The beginnings of the names of modules that end the generators that they step, in one task."""

ENTERING = 4
"""The frames of this package when a block is entered.

They are `__aenter__`, `Reader.enter`, `abandonable` and `caller`.
"""

RESPONDING = ("django.", "fastapi.", "sse_starlette.", "starlette.")
"""The beginnings of the names of modules that iterate the body of a response."""


def caller(inside: int = 1) -> FrameType | None:
    """The frame outside of this package that has called into it.

    The search begins `inside` frames up the stack, all of which have to be of this package: it
    costs less to skip a frame than to look at it [open].
    """
    frame: FrameType | None = sys._getframe(inside)  # pyright: ignore[reportPrivateUsage]  # documented
    while frame is not None and module(frame).startswith("anystream."):
        frame = frame.f_back
    return frame


def holders() -> Iterator[FrameType]:
    """The frames whose block it may be: what calls, and whom that is a context manager for.

    An exit stack enters and leaves for whom it belongs to, and so does a function that contextlib
    has made a context manager.
    """
    frame = caller()
    while frame is not None:  # pragma: no branch  # what runs the event loop is not a generator
        stepper = frame.f_back
        if module(frame) != "contextlib":
            yield frame
            if not is_generator(frame) or stepper is None or module(stepper) != "contextlib":
                return
        frame = stepper


def abandonable() -> int | None:
    """What identifies the async generator whose block is entered, if nothing sees to its end."""
    frame = caller(ENTERING)
    if frame is None or not (is_generator(frame) or module(frame) == "contextlib"):
        return None
    *_, frame = [None, *holders()]
    if frame is None or not is_generator(frame):
        return None
    stepper = frame.f_back
    if stepper is not None and module(stepper).startswith(ENDING):
        return None
    return id(frame)


def is_responding() -> bool:
    """Whether a web framework calls this, which has no block to open a stream in."""
    frame = caller()
    return frame is not None and module(frame).startswith(RESPONDING)


def is_generator(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & inspect.CO_ASYNC_GENERATOR)


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line outside of this package that has called into it."""
    frame = next(holders())
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        text, category, frame.f_code.co_filename, frame.f_lineno, registry=registry
    )


def module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
