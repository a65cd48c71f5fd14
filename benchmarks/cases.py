"""The rows of the table, by theme: what is measured, against what, and the limit."""

import clock
import memory
import opening
import pages
import progress
import segment
import sse
import tasks

CASES = (
    *segment.CASES,
    *progress.CASES,
    *pages.CASES,
    *sse.CASES,
    *memory.CASES,
    *tasks.CASES,
    *opening.CASES,
    *clock.CASES,
)
