"""The trial of mutants goes on, and counts them, whatever a mutant does to the tests."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("resource", reason="a limit for the memory of a process is POSIX's")

import mutate

WAYS: dict[str, tuple[str, str]] = {
    "passes": ("pass", "None"),
    "fails": ("assert False", "test_it.py::test_it"),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "they end with -9"),
    "interrupts its group": ("os.killpg(0, signal.SIGINT)", "they end with "),
    "ends the process": ("os._exit(3)", "they end with 3"),
    "is no text": ("os.write(1, b'\\xff\\n'); os._exit(3)", "they end with 3"),
    "fills the memory": ("bytearray(mutate.MEMORY)", "test_it.py::test_it"),
    "hangs": ("time.sleep(60)", "nothing ends within 3 s"),
    "leaves a process behind": (
        "subprocess.Popen(['sleep', '60']); os._exit(0)",
        "None",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_end_of_the_tests_is_told(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "hangs":
        monkeypatch.setattr(mutate, "LIMIT", 3)
    body, told = WAYS[way]
    test = tmp_path / "test_it.py"
    body = body.replace("mutate.MEMORY", str(mutate.MEMORY))
    test.write_text(f"import os, signal, subprocess, time\ndef test_it(): {body}\n")
    assert told in str(mutate.first_failure(tmp_path / "anystream", [str(test), "-s"]))


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise OSError("no space left")


@pytest.mark.parametrize("end", [interrupt, fail, lambda: signal.raise_signal(signal.SIGTERM)])
def test_the_last_line_counts_what_was_tried(
    end: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts: list[Any] = ["a test", None]

    def killer(mutant: mutate.Mutant, package: Path) -> str | None:
        if not verdicts:
            end()
        verdict: str | None = verdicts.pop(0)
        return verdict

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(mutate, "killer", killer)
    monkeypatch.setattr(sys, "argv", ["mutate.py", "--count", "5", "--modules", "turns"])
    try:
        assert mutate.main() == 130
    except OSError:
        assert end is fail
    finally:
        signal.signal(signal.SIGTERM, handler)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "1 killed, 1 survived, 3 not tried (seed 0)"


def test_a_mutant_is_tried_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = next(mutate.mutants(mutate.PACKAGE / "_core/turns.py"))
    path = tmp_path / mutant.path.relative_to(mutate.PACKAGE)
    path.parent.mkdir()
    seen: list[bytes] = []

    def first_failure(package: Path, tests: list[str]) -> str | None:
        seen.append(path.read_bytes())
        raise KeyboardInterrupt

    monkeypatch.setattr(mutate, "first_failure", first_failure)
    with pytest.raises(KeyboardInterrupt):
        mutate.killer(mutant, tmp_path)
    assert seen == [mutant.applied()]
    assert path.read_bytes() == mutant.source == mutant.path.read_bytes() != seen[0]
