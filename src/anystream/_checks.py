"""Checks of arguments, made when an operator is called and not at its first item."""

import math
import operator
from typing import Any


def function(name: str, value: object) -> None:
    """`value` must be callable."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, plain or async, got {value!r}")


def integer(name: str, value: Any, least: int | None = None) -> int:
    """`value` must be an integer, of at least `least` if that is given."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return number


def seconds(name: str, value: Any, *, zero: bool = True) -> float:
    """`value` must be a finite number of seconds, positive, or not negative if `zero` is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "at least 0" if zero else "more than 0"
        raise ValueError(f"{name} must be finite and {least} seconds, got {value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """`value` must be a finite number of more than 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be finite and more than 0, got {value!r}")
    return value


def amount(name: str, value: Any) -> None:
    """`value` must be a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be finite and at least 0, got {value!r}")


def text(name: str, value: Any) -> None:
    """`value` must be a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r}")


def choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """`value` must be one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
