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
