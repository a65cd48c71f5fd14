"""Drawing figures as bars: blocks of the language `bars`.

    an item through `map` and `filter`
      anystream   0.33 µs
      by hand     0.85 µs

A line that is not indented begins a group, whose bars have one scale. The text stays the source:
`tests/test_landing.py` compares it with the published figures.
"""

import re
from html import escape

FIGURE = re.compile(r" +(\S.*?) {2,}([\d,.]+) (\S+)")
OURS = "anystream"
WIDTH = 220
STEP = 40  # from one bar to the next; its words stand above it


def groups(text: str) -> dict[str, dict[str, tuple[float, str]]]:
    """The figures of each group, with their units."""
    found: dict[str, dict[str, tuple[float, str]]] = {}
    title = ""
    for line in filter(None, text.split("\n")):
        figure = FIGURE.fullmatch(line)
        if figure and title:
            found[title][figure[1]] = float(figure[2].replace(",", "")), figure[3]
        elif line.startswith(" "):
            raise ValueError(f"no figure, or no title before it: {line!r}")
        else:
            title = line
            found[title] = {}
    return found


def picture(text: str) -> str:
    drawn = [group(title, figures) for title, figures in groups(text).items()]
    return "\n".join(('<div class="bars">', *drawn, "</div>"))


def group(title: str, figures: dict[str, tuple[float, str]]) -> str:
    longest = max(value for value, _ in figures.values())
    parts: list[str] = []
    for place, (name, (value, unit)) in enumerate(figures.items()):
        y = place * STEP
        kind = ' class="ours"' if name == OURS else ""
        parts += [
            f"<g{kind}>",
            f'<text x="0" y="{y + 14}">{escape(name)}</text>',
            f'<text x="{WIDTH}" y="{y + 14}" text-anchor="end">{value:,g} {escape(unit)}</text>',
            f'<rect class="all" x="0" y="{y + 20}" width="{WIDTH}" height="10"/>',
            f'<rect x="0" y="{y + 20}" width="{value / longest * WIDTH:.1f}" height="10"/>',
            "</g>",
        ]
    told = ", ".join(f"{name} {value:,g} {unit}" for name, (value, unit) in figures.items())
    height = len(figures) * STEP
    heading = re.sub(r"`(.*?)`", r"<code>\1</code>", escape(title))
    label = escape(f"{title.replace('`', '')}: {told}")
    head = (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        f' aria-label="{label}">'
    )
    return "\n".join(
        ("<figure>", f"<figcaption>{heading}</figcaption>", head, *parts, "</svg></figure>")
    )
