"""The fixtures in conftest.py look for leaks and deadlocks where they should, and only there."""

from pathlib import Path

import pytest

from testing.test_leaks import kept

pytest_plugins = ["pytester"]


def test_the_fixtures_check_async_tests_and_leave_sync_ones_alone(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(Path(__file__).parents[1].joinpath("conftest.py").read_text())
    pytester.makepyprojecttoml(
        '[tool.pytest]\nstrict = true\nanyio_mode = "auto"\nfilterwarnings = ["error"]'
    )
    pytester.makepyfile(
        """
        import anyio
        import pytest
        from hypothesis import given, settings, strategies
        from testing.test_leaks import leave_a_generator_open, leave_nothing

        async def test_leaks():
            await leave_a_generator_open()

        @pytest.mark.real_time
        async def test_leaks_in_real_time():
            await leave_a_generator_open()

        @given(strategies.integers())
        @settings(max_examples=3, database=None)
        async def test_property_leaks(number):
            await leave_a_generator_open()

        async def test_forgets_to_close_something_in_a_cycle():
            cycle = []
            cycle += [cycle, *anyio.create_memory_object_stream()]

        @pytest.mark.leaks_expected("open")
        async def test_leaks_and_says_so():
            await leave_a_generator_open()

        @pytest.mark.leaks_expected("opne")
        async def test_misspells():
            pass

        async def test_fails_and_leaks():
            await leave_a_generator_open()
            pytest.fail()

        async def test_deadlocks():
            await anyio.Event().wait()

        async def test_is_clean():
            await leave_nothing()

        def test_is_sync(request):
            assert "leak_check" not in request.fixturenames
        """
    )
    result = pytester.runpytest_inprocess()
    kept.clear()
    # Each async test counts twice. A leaking test passes, and its teardown is an error.
    result.assert_outcomes(passed=8 + 2 + 2 + 1, failed=4, errors=8 + 2)
    result.stdout.fnmatch_lines(["  open: numbers"])
