"""Every example runs clean, as its docstring says, on both backends."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[1].joinpath("examples").glob("*.py"))
SECONDS = {"dashboard": "0.5", "sensors": "1.1"}
"""For those that would go on for longer than a test needs."""

SERVED = ("lesson",)
"""Those that read what `anystream demo --serve` serves."""


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    command = [sys.executable, "-m", "anystream", "demo", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout
        yield served.stdout.readline().split()[2].removesuffix(",")
        served.kill()


def test_all_of_them_are_in_the_list() -> None:
    listed = EXAMPLES[0].with_name("README.md").read_text()
    assert [example.name for example in EXAMPLES if f"]({example.name})" not in listed] == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, backend: str, url: str) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", str(example), backend]
    command += [SECONDS[example.stem]] if example.stem in SECONDS else []
    command += [url] if example.stem in SERVED else []
    ran = subprocess.run(command, capture_output=True, text=True)
    # asyncio tells of each step that has taken more than 0.1 s, and a busy machine may do so.
    errors = [line for line in ran.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ran.returncode, errors) == (0, [])
    assert ran.stdout
