"""The plugin runs async tests on both backends and looks for leaks and deadlocks, only there."""

import pytest

from testing.test_leaks import kept

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def project(pytester: pytest.Pytester) -> None:
    """A project that has the line of the docs, and is strict in all that pytest is strict in."""
    pytester.makeconftest('pytest_plugins = ["anystream.testing.plugin"]')
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error")


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("-o asyncio_mode=auto", "asyncio_mode = strict"),
        ("--asyncio-mode=auto", "asyncio_mode = strict"),
        ("-o trio_mode=true", "trio_mode = false"),
    ],
)
def test_the_mode_of_another_plugin_that_takes_all_tests_is_refused(
    pytester: pytest.Pytester, option: str, instead: str
) -> None:
    pytester.makepyfile(
        plugins_alike="""
        def pytest_addoption(parser):
            parser.addoption("--asyncio-mode", dest="asyncio_mode", default=None)
            parser.addini("asyncio_mode", "", default="strict")
            parser.addini("trio_mode", "", type="bool", default=False)
        """,
        test_it="async def test_it(): pass",
    )
    pytester.syspathinsert()
    with_them = ["-p", "plugins_alike"]
    assert pytester.runpytest(*with_them).ret == 0
    result = pytester.runpytest(*with_them, *option.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*set {instead}*"])


def test_the_fixtures_check_async_tests_and_leave_sync_ones_alone(
    pytester: pytest.Pytester,
) -> None:
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

        class TestClass:
            async def test_method_leaks(self):
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
    result.assert_outcomes(passed=10 + 2 + 2 + 1, failed=4, errors=10 + 2)
    result.stdout.fnmatch_lines(["  open: numbers"])


def test_the_clock_is_virtual_unless_a_test_is_marked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import time
        import anyio
        import pytest

        async def test_virtual():
            started = time.monotonic()
            await anyio.sleep(1000)
            assert time.monotonic() - started < 500

        @pytest.mark.real_time
        async def test_real():
            started = time.monotonic()
            await anyio.sleep(0.05)
            assert time.monotonic() - started > 0.04

        @pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
        async def test_on_one_backend(anyio_backend_name):
            assert anyio_backend_name == "trio"
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=5)


def test_async_tests_of_other_plugins_are_theirs(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers =\n asyncio\n trio\nfilterwarnings = error")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_of_pytest_asyncio():
            pass

        @pytest.mark.trio
        class TestTrio:
            async def test_of_pytest_trio(self):
                pass
        """
    )
    # They fail, because nobody runs them here.
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_async_tests_without_an_instance_are_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import anyio
        import pytest
        from hypothesis import given, settings, strategies
        from testing.test_leaks import leave_a_generator_open

        class Base:
            @staticmethod
            async def test_static():
                await anyio.sleep(1000)

            @classmethod
            async def test_of_class(cls):
                assert issubclass(cls, Base)
                await anyio.sleep(1000)

            @pytest.mark.parametrize("number", [1, 2])
            @staticmethod
            async def test_static_with_a_mark(number):
                await anyio.sleep(number)

            @staticmethod
            @given(strategies.integers())
            @settings(max_examples=3, database=None)
            async def test_static_property(number):
                await anyio.sleep(1)

            @classmethod
            async def test_of_class_leaks(cls):
                await leave_a_generator_open()

            @staticmethod
            def test_sync(request):
                assert "leak_check" not in request.fixturenames

        class TestInherited(Base):
            pass
        """
    )
    result = pytester.runpytest_inprocess()
    kept.clear()
    result.assert_outcomes(passed=2 + 2 + 4 + 2 + 2 + 1, errors=2)


@pytest.mark.parametrize("kind", ["staticmethod", "classmethod"])
def test_such_tests_of_other_plugins_are_theirs(pytester: pytest.Pytester, kind: str) -> None:
    pytester.makeini("[pytest]\nmarkers =\n trio\nfilterwarnings = error")
    pytester.makepyfile(
        f"""
        import pytest

        class TestTrio:
            @pytest.mark.trio
            @{kind}
            async def test_it(*args):
                pass
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(failed=1)


def test_real_time_by_mistake_is_an_error(pytester: pytest.Pytester) -> None:
    """Before anyio's plugin it would not get to the clock: a test of a day would take one."""
    pytester.makeconftest("")
    result = pytester.runpytest_subprocess("-p", "anystream.testing.plugin")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*must be loaded after anyio's plugin*"])


def test_the_leak_check_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        pytest_plugins = ["anystream.testing.plugin"]

        @pytest.fixture
        def leak_check():
            pass
        """
    )
    pytester.makepyfile(
        """
        from testing.test_leaks import leave_a_generator_open

        async def test_leaks():
            await leave_a_generator_open()
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
    kept.clear()
