"""The table of all cases, by family. Each module has its cases, and the sides above them."""

from . import life, live, operators, pages, scale, sources, tasks, terminals, timing

CASES = (
    *operators.CASES,
    *terminals.CASES,
    *sources.CASES,
    *scale.CASES,
    *tasks.CASES,
    *timing.CASES,
    *life.CASES,
    *pages.CASES,
    *live.CASES,
)
