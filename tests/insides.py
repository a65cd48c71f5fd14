"""What tests look at that users do not see."""

from typing import Any

from anystream import Run
from anystream._core.run import reader_of


def opening_of(run: Run[Any]) -> Any:
    """What a run holds."""
    return reader_of(run).opening
