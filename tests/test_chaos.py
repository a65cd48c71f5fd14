"""Random programs are clean, on both backends; `nox -s chaos` runs many more of them."""

import pytest
from chaos import Program, Watch, unclean

from anystream.testing import backend

SHARE = 250


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, 2_000, SHARE))
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_random_programs_are_clean(name: str, first: int) -> None:
    assert unclean(range(first, first + SHARE), name, lambda: backend(name)[1]) == {}


def test_the_judge_tells_what_is_wrong() -> None:
    program = Program(0)
    program.watch = watch = Watch(1)
    program.way, program.stop, program.names = "collect", "nothing", ["map"]
    assert program.judge(None, []) == []
    watch.opened("a")
    watch.opened("b")
    watch.closed("b")
    watch.of_steps.append(OSError("of a step"))
    watch.of_cleanups.append(OSError("of a cleanup"))
    found = program.judge(KeyError("strange"), ["a task"])
    assert found == [
        "left: a task",
        "a is open",
        "KeyError('strange') came out",
        "OSError('of a cleanup') was lost",
        "an error of a source was lost",
    ]
    watch.open["c"] = 0
    watch.closed("c")
    assert "c was closed twice" in program.judge(None, [])
