"""Drawing the pipelines of the guides: where a page has a comment

    <!-- pipeline: merge(ticker(60), async_range(9).buffer(3)) -->

the site has what `explain(format="svg")` gives for it, in the colours of the theme.
"""

import re

import anystream
from anystream import Stream

COMMENT = re.compile(r"<!-- pipeline: (.*?) -->", re.DOTALL)
NAMES = {name: getattr(anystream, name) for name in [*anystream.__all__, "zip"]}
STYLE = re.compile(r"<style>.*?</style>\n", re.DOTALL)


def stream_of(expression: str) -> "Stream[object]":
    """The stream of a comment, which knows the public names of `anystream`, and `fetch`."""
    made = eval(expression, NAMES | {"fetch": fetch})
    if not isinstance(made, Stream):
        raise TypeError(f"{expression} is no stream but {made!r}")
    return made


async def fetch(item: object) -> object:
    raise NotImplementedError("nothing runs for a picture")


def drawing(expression: str) -> str:
    """The picture, whose style is that of the site."""
    picture = STYLE.sub("", stream_of(expression).explain(format="svg"))
    picture = picture.replace("<svg ", '<svg class="pipeline" ', 1)
    return f'<div class="wide" role="group" aria-label="Pipeline">{picture}</div>'
