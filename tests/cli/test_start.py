"""How the command begins: its help, completion for shells, Ctrl-C before anything runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import shtab

from anystream._cli import main
from anystream._cli.parser import SHELLS

from .running import environment, run

pytestmark = pytest.mark.real_time

posix = pytest.mark.skipif(os.name == "nt", reason="is about signals and shells of POSIX")

Capture = pytest.CaptureFixture[str]

COMMANDS = ("pages", "sse", "lines", "demo", "watch", "completion")


def test_nothing_asked_for_is_the_help(capsys: Capture) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert not err
    for command in COMMANDS:
        assert command in out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_ends_in_examples(capsys: Capture, command: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main([*command.split(), "--help"])
    assert raised.value.code == 0
    examples = capsys.readouterr().out.partition("\nexamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith("  ") for line in examples)
    assert f"anystream {command}".strip() in examples[0]


# -- standard input and output ------------------------------------------------------------------

PRINTS = (
    "",
    "--help",
    "--version",
    "pages --help",
    "completion bash",
    "demo --json --backend asyncio",
    "demo --serve",
    "demo --serve --backend trio",
)


def said(err: str) -> str:
    """Without the progress that a slow demo shows."""
    return re.sub(r"(?m)^asyncio: .*\n", "", err)


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", PRINTS)
def test_a_full_disk_is_an_error(command: str, unbuffered: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("has no /dev/full")
    with open("/dev/full", "wb") as full:
        env = environment(PYTHONUNBUFFERED=unbuffered)
        code, _, err = run(*command.split(), stdout=full, env=env)
    assert (code, said(err)) == (1, "anystream: standard output: No space left on device\n")


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", PRINTS)
def test_a_closed_pipe_is_silent(command: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = environment(PYTHONUNBUFFERED=unbuffered)
    code, _, err = run(*command.split(), stdout=writing, env=env)
    os.close(writing)
    assert (code, said(err)) == (141, "")


def closing(descriptor: int) -> Callable[[], None]:
    """What makes a process begin with this descriptor closed."""
    return lambda: os.close(descriptor)


@posix
@pytest.mark.parametrize("command", PRINTS)
def test_standard_output_may_be_closed(command: str) -> None:
    code, _, err = run(*command.split(), preexec_fn=closing(1))
    assert (code, said(err)) == (2, "anystream: standard output is closed\n")


@posix
@pytest.mark.parametrize(
    "command",
    [
        "pages http://127.0.0.1:9 -d -",
        "pages http://127.0.0.1:9 -d @-",
        "sse http://127.0.0.1:9 -H @-",
        "lines http://127.0.0.1:9 -q a=@-",
        "lines -",
        "lines - -o {}",
    ],
)
def test_standard_input_may_be_closed(command: str, tmp_path: Path) -> None:
    words = command.format(tmp_path / "out").split()
    code, out, err = run(*words, preexec_fn=closing(0))
    assert (code, out) == (2, b"")
    assert err.endswith(": standard input is closed\n")
    assert not (tmp_path / "out").exists()


# -- completion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_commands_and_options(capsys: Capture, shell: str) -> None:
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert not err
    for word in (*COMMANDS, "same-origin", "last-event-id", "ndjson", "asyncio", "bash"):
        assert word in out
    assert shtab.FILE[shell] in out


def test_another_shell_is_refused(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["completion", "ksh"])
    assert raised.value.code == 2
    assert "invalid choice: 'ksh'" in capsys.readouterr().err


@posix
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("anystream p", {"pages"}),
        ("anystream pages --max-p", {"--max-pages", "--max-page-bytes"}),
        ("anystream sse http://x --backend ", {"asyncio", "trio"}),
        ("anystream lines pypr", {"pyproject.toml"}),
        ("anystream sse http://x --resume pypr", {"pyproject.toml"}),
        ("anystream completion f", {"fish"}),
    ],
)
def test_bash_completes(words: str, completed: set[str]) -> None:
    *before, last = words.split(" ")
    script = (
        f'source <({sys.executable} -m anystream completion bash); COMP_WORDS=({words} "{last}");'
        f" COMP_CWORD={len(before)}; _shtab_anystream; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert not done.stderr
    assert {*done.stdout.split()} == completed


@posix
@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_what_is_printed(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    _, out, _ = run("completion", shell)
    subprocess.run([shell, "-n"], input=out, check=True)


# -- what is imported ---------------------------------------------------------------------------

IMPORTED = """
import sys
sys.modules["click"] = None  # with which httpx imports its own command, and rich
before = {*sys.modules}  # what a measure of coverage has imported
from anystream._cli import main
code = main(sys.argv[1:])
print(code, *(name for name in %r if name in {*sys.modules} - before))
"""
HEAVY = ("asyncio", "trio", "httpcore", "rich", "anystream.http.pages", "anystream.http.bodies")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("command", ["pages", "sse"])
def test_a_command_imports_what_it_needs(command: str, backend: str) -> None:
    """The client alone would import the other backend as well."""
    words = [command, "http://127.0.0.1:9", "--retries", "0", "--backend", backend]
    code = [sys.executable, "-c", IMPORTED % (HEAVY,), *words]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    status, *imported = done.stdout.split()
    assert status == "4"
    reader = "anystream.http.pages" if command == "pages" else "anystream.http.bodies"
    assert {*imported} - {"asyncio"} == {"httpcore", reader} | ({backend} - {"asyncio"})
    assert ("asyncio" in imported) or backend == "trio"


def test_the_parser_imports_no_stream() -> None:
    code = [sys.executable, "-c", IMPORTED % (("anyio", "anystream._core", "inspect"),)]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"


# -- Ctrl-C -------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from anystream._cli import main
sys.exit(main(sys.argv[2:]))
"""


@posix
@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("argparse", "--version"),
        ("anystream._cli.parser", "--version"),
        ("shtab", "completion bash"),
        ("anyio", "lines -"),
        ("anystream._cli.pages", "pages http://127.0.0.1:9"),
        ("anystream.http.bodies.sse", "sse http://127.0.0.1:9"),
        ("rich", "demo"),
    ],
)
def test_an_interruption_while_something_is_imported_is_silent(module: str, command: str) -> None:
    code = [sys.executable, "-c", INTERRUPTED, module, *command.split()]
    done = subprocess.run(code, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert (done.stdout, done.stderr) == (b"", b"")
