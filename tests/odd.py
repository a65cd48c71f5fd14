"""Values that behave as few do."""

from typing import Any


class Array:
    """Compares as those of numpy do."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Any:
        return self

    __ne__ = __eq__

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


class Byte:
    """Wraps round as the unsigned integers of numpy do."""

    def __init__(self, value: float) -> None:
        self.value = int(value) % 256

    def __float__(self) -> float:
        return float(self.value)

    def __ge__(self, other: Any) -> bool:
        return self.value >= float(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > float(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= float(other)

    def __rsub__(self, other: Any) -> "Byte":
        return Byte(other - self.value)

    def __sub__(self, other: Any) -> "Byte":
        return Byte(self.value - float(other))
