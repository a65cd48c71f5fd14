"""What the pages of a run have shown, which a run that continues has to know as well."""

from typing import Any, NamedTuple

from ..._labels import whole
from .failures import Outline
from .page import Answer
from .schemes import Countable, Numbering, Offset, PageNumber


class Known(NamedTuple):
    """What the pages so far have shown; part of a state, as JSON."""

    came: int | None = None  # items, unless some were passed over
    total: int = 0  # items by the first page; 0 if it does not tell
    answer: Answer = "more"  # of the last page
    items: str | None = None  # where they are
    beside: frozenset[str] | None = None  # lists that have stood beside that of the items
    outline: Outline | None = None  # of the first body that had the list
    scheme: Countable | None = None  # that was detected last
    echo: str | None = None  # where responses repeat the number that was asked for
    told: int | None = None  # how many pages or items there are, as told last

    def counting(self, came: int | None, total: int, answer: Answer) -> "Known":
        """The same with what is counted of the pages."""
        return self._replace(came=came, total=total, answer=answer)

    def saved(self) -> dict[str, Any]:
        """The same as JSON."""
        outline, scheme = self.outline, self.scheme
        return {
            **self._asdict(),
            "beside": None if self.beside is None else sorted(self.beside),
            "outline": None if outline is None else [sorted(outline.names), outline.outcome],
            "scheme": scheme and [type(scheme).__name__, scheme.param, scheme.start],
        }


COUNTABLE = {kind.__name__: kind for kind in (Numbering, PageNumber, Offset)}
"""Those that are detected."""


def restored(saved: Any) -> Known:
    """What was `saved`."""
    try:
        beside, outline, scheme = saved["beside"], saved["outline"], saved["scheme"]
        return Known(**saved)._replace(
            beside=None if beside is None else frozenset(beside),
            outline=outline and Outline(*outline),
            scheme=scheme and COUNTABLE[scheme[0]](param=scheme[1], start=scheme[2]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ValueError(
            f"resume_from must be the state of a run, got {whole(saved)} in it"
        ) from exc
