"""The rows of the table, by theme: what is measured, against what, and the limit."""

import memory
import pages
import segment

CASES = (*segment.CASES, *pages.CASES, *memory.CASES)
