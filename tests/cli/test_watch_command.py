"""`anystream watch`: a function of the user's, beside the page."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from anystream._cli import main

pytestmark = pytest.mark.real_time

PROGRAM = """
import os
import signal
import sys

import anyio
from anystream import ticker

async def short():
    print(await ticker(0.01).buffer(2).take(3).count())

async def long():
    await ticker(0.1).buffer(2).drain()

async def fails():
    raise LookupError("lost")

async def fails_to_listen():
    raise OSError("of the program")

async def exits():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(long)
        sys.exit(7)

async def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    await ticker(0.1).drain()

number = 3
"""

Capture = pytest.CaptureFixture[str]
BACKEND = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("watched_program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "watched_program", raising=False)


@BACKEND
def test_it_runs_the_function(capsys: Capture, backend: str) -> None:
    asked = ["watch", "watched_program:short", "--backend", backend, "--port", "0"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert out == "3\n"
    assert err.startswith("watch it on http://127.0.0.1:")


@BACKEND
def test_a_function_that_fails(capsys: Capture, backend: str) -> None:
    assert main(["watch", "watched_program:fails", "--backend", backend, "--port", "0"]) == 1
    assert "LookupError: lost" in capsys.readouterr().err


@BACKEND
def test_a_function_that_cannot_listen(capsys: Capture, backend: str) -> None:
    asked = ["watch", "watched_program:fails_to_listen", "--backend", backend, "--port", "0"]
    assert main(asked) == 1
    err = capsys.readouterr().err
    assert "OSError: of the program" in err
    assert "cannot serve" not in err


@BACKEND
def test_a_function_that_exits(capsys: Capture, backend: str) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["watch", "watched_program:exits", "--backend", backend, "--port", "0"])
    assert exited.value.code == 7
    assert "Traceback" not in capsys.readouterr().err


@BACKEND
def test_ctrl_c_in_the_function(capsys: Capture, backend: str) -> None:
    asked = ["watch", "watched_program:interrupted", "--backend", backend, "--port", "0"]
    assert main(asked) == 130
    assert "Traceback" not in capsys.readouterr().err


@BACKEND
def test_a_port_that_is_taken(capsys: Capture, backend: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        asked = ["watch", "watched_program:short", "--backend", backend, "--port", port]
        assert main(asked) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"anystream watch: cannot serve on port {port}: ")
    assert "in use" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("backend", "package"), [("asyncio", "uvicorn"), ("trio", "hypercorn")])
def test_without_a_server(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    for name in (package, f"{package}.config"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["watch", "watched_program:short", "--backend", backend, "--port", "0"]) == 1
    err = capsys.readouterr().err
    assert f"pip install {package}\n" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("watched_program", "is not of the form MODULE:FUNCTION"),
        (":short", "is not of the form MODULE:FUNCTION"),
        ("./watched_program.py:short", "is not of the form MODULE:FUNCTION"),
        (".watched_program:short", "is not of the form MODULE:FUNCTION"),
        ("no_such_program:short", "cannot find no_such_program:short: No module named"),
        ("watched_program:none", "has no attribute 'none'"),
        ("watched_program:number", "watched_program:number is not a function"),
    ],
)
def test_what_is_not_there(capsys: Capture, path: str, problem: str) -> None:
    assert main(["watch", path]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="there a process cannot be sent SIGINT")
@BACKEND
def test_it_is_interrupted(backend: str) -> None:
    command = [sys.executable, "-m", "anystream", "watch", "watched_program:long"]
    command += ["--backend", backend, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        with httpx.Client(trust_env=False) as client:
            assert "Open pipelines" in client.get(url).text
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
