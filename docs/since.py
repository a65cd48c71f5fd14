"""Since which version each name of the reference is there."""

FIRST = "0.1.0"
LATER: dict[str, str] = {}
"""Names that came after that, with their module or class: `"anystream.Stream.map"`."""


def since(name: str) -> str:
    return LATER.get(name, FIRST)
