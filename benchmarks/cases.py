"""The rows of the table, by theme: what is measured, against what, and the limit."""

import clock
import memory
import opening
import pages
import segment
import tasks

CASES = (*segment.CASES, *pages.CASES, *memory.CASES, *tasks.CASES, *opening.CASES, *clock.CASES)
