"""`Retry`, which errors are worth another attempt, how often, and after which pause; `Backoff`."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _args as check
from . import _labels as label
from ._core.siblings import add_notes


def evenly() -> float:
    """`random.random`, which would be pickled with the state of its generator.

    So clients in other processes would all draw the same pauses.
    """
    return random.random()


@dataclass(frozen=True, repr=False)
class Retry:
    """When `Stream.retry` opens its source again.

    The pauses are exponential: at most `first` seconds before the first attempt, `factor` times
    as many before each further one, and never more than `cap`. With `jitter` each is drawn evenly
    between 0 and that, so that clients that have failed together do not come back together; this
    is the "full jitter" of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015.

    Attributes:
        times: how often in a row the source is opened again; None is without end.
        on: the errors that are worth it: a class, a tuple of classes, or a function that is given
            the error and answers.
        first: seconds of the first pause.
        factor: by which each pause is longer than the one before it.
        cap: seconds of the longest pause.
        jitter: whether a pause is drawn between 0 and its length.
        hook: called before each pause as `hook(number, error, pause)`, with the number of the
            attempt that follows, counted from 1, and the seconds before it; plain or async. It
            runs as in an `except` block, so that `logging.exception` knows the error.
        reset: whether an error after an item starts the count again, so that a source that gives
            something each time is opened without end; otherwise `times` is for the whole run.
        random: gives the numbers from 0 to 1 of the jitter.

    Raises `TypeError` for an argument of another type, `ValueError` for one out of range.

    >>> def tell(number, error, pause):
    ...     print(f"{error!r}: attempt {number} in {pause} s")
    >>> answers = [OSError("down"), OSError("still down"), "up"]
    >>> def ask():
    ...     answer = answers.pop(0)
    ...     if isinstance(answer, OSError):
    ...         raise answer
    ...     return [answer]
    >>> policy = Retry(on=OSError, first=0.1, jitter=False, hook=tell)
    >>> print(anyio.run(Stream(ask).retry(policy).collect))
    OSError('down'): attempt 1 in 0.1 s
    OSError('still down'): attempt 2 in 0.2 s
    ['up']
    """

    times: int | None = 3
    on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], object] = Exception
    first: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    jitter: bool = True
    hook: Callable[[int, Exception, float], object] | None = None
    reset: bool = True
    random: Callable[[], float] = evenly

    def __post_init__(self) -> None:
        if self.times is not None:
            check.integer("times", self.times, 0)
        on: Any = self.on
        if callable(on) and not isinstance(on, type):
            check.called_plain("on", on)
        else:
            exception_types("on", on, ", or a plain function")
        check.seconds("first", self.first)
        check.seconds("cap", self.cap)
        check.amount("factor", self.factor, 1)
        if self.hook is not None:
            check.called_function("hook", self.hook, "")
        check.called_plain("random", self.random)
        check.flag("jitter", self.jitter)
        check.flag("reset", self.reset)

    def __repr__(self) -> str:
        return label.instance(self)


def checked_retry(value: Any) -> Retry | None:
    """The policy of `retry=`; None is never to try again."""
    if value is not None and not isinstance(value, Retry):
        raise TypeError(f"retry must be a Retry or None, got {label.whole(value)}")
    return value


class Backoff:
    """The attempts in a row that a policy has granted so far."""

    def __init__(self, policy: Retry) -> None:
        self.policy = policy
        self.number: int = 0  # of the attempt that was granted last
        self.longest: float = 0.0  # seconds of the last pause, before the jitter; 0 at first

    def reset(self) -> None:
        self.number, self.longest = 0, 0.0

    def grant(self, error: Exception) -> None:
        """Count one more attempt, or raise the `error` if there is none."""
        policy = self.policy
        try:
            if not self.wants(error):
                raise error
            if self.number == policy.times:
                made = self.number + 1
                add_notes(error, f"retry gave up after {made} attempt{'s' if made > 1 else ''}")
                raise error
        finally:
            del error  # which refers to this frame, once raised
        self.number += 1

    def wants(self, error: Exception) -> bool:
        """Whether `error` is one of those that are worth another attempt."""
        on: Any = self.policy.on
        if isinstance(on, (type, tuple)):
            return isinstance(error, on)
        return bool(check.unless_awaitable("on", on(error)))

    def pause(self, first: float | None = None, least: float = 0.0) -> float:
        """Seconds before this attempt; at least `least`, even beyond the cap and the jitter.

        `first` takes the place of that of the policy.
        """
        policy = self.policy
        first = policy.first if first is None else first
        longest = self.longest * policy.factor or first
        self.longest = max(least, min(longest, policy.cap))
        return least + (self.longest - least) * (policy.random() if policy.jitter else 1)


def exception_types(name: str, value: Any, more: str = "") -> None:
    """`value` must be a class of exceptions, or a tuple of them; cancellations are none.

    `more` goes into the message, for what else it may be.
    """
    kinds: Any = value
    for kind in kinds if isinstance(value, tuple) else (value,):
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise TypeError(
                f"{name} must be a class derived from Exception, or a tuple of such"
                f" classes{more}, got {label.whole(value)}"
            )
