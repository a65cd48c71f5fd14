"""What docs/testing.md shows runs as it stands."""

import pytest

from testing import project

pytest_plugins = ["pytester"]


def test_the_project_of_the_docs_passes_on_both_backends(pytester: pytest.Pytester) -> None:
    names = project.write(pytester.path)
    assert "conftest.py" in names
    result = pytester.runpytest_inprocess("-v", "--strict-markers", "-Werror")
    assert result.ret == 0
    for name in names:
        if name != "conftest.py":
            result.stdout.fnmatch_lines_random(f"*{name}::* PASSED*")
    for name in ("asyncio", "trio"):
        result.stdout.fnmatch_lines_random(f"test_time.py::test_a_day?{name}? PASSED*")
