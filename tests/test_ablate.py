"""The table of removals speaks of the code as it is."""

from pathlib import Path

from ablate import REMOVALS

import anystream

PACKAGE = Path(anystream.__file__).parent


def test_each_text_stands_once_in_its_file() -> None:
    found = {
        str(removal): (PACKAGE / removal.file).read_text("utf-8").count(removal.old)
        for removal in REMOVALS
    }
    assert {removal: times for removal, times in found.items() if times != 1} == {}


def test_no_two_removals_are_called_the_same() -> None:
    assert len({str(removal) for removal in REMOVALS}) == len(REMOVALS)
