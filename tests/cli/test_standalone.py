"""`anystream demo --serve`: the server in a process of its own."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from anystream._cli import main

pytestmark = pytest.mark.real_time


@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be sent SIGINT")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_serves_until_it_is_interrupted_and_leaves_quietly(backend: str) -> None:
    command = [sys.executable, "-m", "anystream", "demo", "--serve", "--backend", backend]
    env = os.environ | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        words = process.stdout.readline().split()
        url = words[2].removesuffix(",")
        with httpx.Client(base_url=url, trust_env=False) as client:
            for path in words[4:]:
                if "delay" not in path:
                    assert client.get(path).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == process.stderr.read() == ""
    assert process.returncode == 130


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--serve", "--port", str(port)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"anystream demo: cannot serve on port {port}: ")


@pytest.mark.parametrize(
    "args",
    [["--serve", "--port", "65536"], ["--port", "-1"], ["--port", "x"], ["--serve", "--json"]],
)
def test_arguments_that_make_no_sense(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["demo", *args])
    assert caught.value.code == 2
    assert "--" in capsys.readouterr().err.splitlines()[-1]
