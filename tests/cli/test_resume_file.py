"""The file of `--resume`."""

import json
import os
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from anystream._cli.endings import CommandError, UsageError
from anystream._cli.resume import Resume, open_output

URL = "https://api.example.com/users"


def test_what_was_saved_is_found_again(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    first = Resume(path, "pages", URL, ["GET", None])
    assert (first.exists, first.state, first.done) == (False, None, False)
    first.save({"page": 2})
    again = Resume(path, "pages", URL, ["GET", None])
    assert (again.exists, again.state, again.done) == (True, {"page": 2}, False)
    again.save({"page": 3}, done=True)
    last = Resume(path, "pages", URL, ["GET", None])
    assert (last.exists, last.state, last.done) == (True, {"page": 3}, True)
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


@pytest.mark.skipif(os.name == "nt", reason="has no such permissions")
def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    Resume(str(path), "pages", URL, []).save({"url": "https://x?token=t"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_credentials_of_a_url_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "state"
    Resume(str(path), "pages", "https://me:p4ss@x/y?api_key=k3y&n=1", []).save(1)
    assert json.loads(path.read_text())["url"] == "https://x/y?api_key=***&n=1"
    assert Resume(str(path), "pages", "https://x/y?api_key=new&n=1", []).state == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    Resume(str(link), "pages", URL, []).save(1)
    assert link.is_symlink()
    assert json.loads(target.read_text())["state"] == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_nothing_is_written_through_a_link_that_somebody_has_put_there(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "state.tmp").symlink_to(tmp_path / "precious")
    Resume(str(tmp_path / "state"), "pages", URL, []).save(1)
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="has no named pipes among its files")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe': it is not a regular file"):
        Resume(str(tmp_path / "pipe"), "pages", URL, [])
    os.mkfifo(tmp_path / "state.tmp")
    Resume(str(tmp_path / "state"), "pages", URL, []).save(1)
    assert Resume(str(tmp_path / "state"), "pages", URL, []).state == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege, and modes are others")
def test_a_file_of_the_name_of_an_unfinished_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    os.link(tmp_path / "precious", tmp_path / "state.tmp")
    (tmp_path / "precious").chmod(0o666)
    Resume(str(tmp_path / "state"), "pages", URL, []).save(1)
    assert (tmp_path / "precious").read_text() == "precious"
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("command", "url", "asked", "why"),
    [
        ("sse", URL, ["GET"], "it belongs to `anystream pages`"),
        ("pages", URL + "2", ["GET"], f"it belongs to another URL, {URL}"),
        ("pages", URL, ["POST"], "but to other options, which change the requests"),
    ],
)
def test_a_state_of_something_else_is_refused(
    tmp_path: Path, command: str, url: str, asked: list[str], why: str
) -> None:
    path = str(tmp_path / "state")
    Resume(path, "pages", URL, ["GET"]).save(1)
    with pytest.raises(UsageError, match=r"^argument --resume: '.*state': ") as raised:
        Resume(path, command, url, asked)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is not a state written by anystream"),
        ("[1]", "it is not a state written by anystream"),
        ("[" * 100_000, "it is not a state written by anystream"),
        ('{"anystream": "pages"}', "it is not a state written by anystream"),
        (
            '{"anystream": "pages", "version": 9, "url": "", "request": "", "state": 1, "done": 0}',
            "it was written by another version, 9",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "state"
    path.write_text(content)
    with pytest.raises(UsageError) as raised:
        Resume(str(path), "pages", URL, [])
    assert why in str(raised.value)
    assert path.read_text() == content


def test_a_file_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        Resume(str(tmp_path), "pages", URL, [])
    resume = Resume(str(tmp_path / "nowhere" / "state"), "pages", URL, [])
    with pytest.raises(CommandError, match="the state cannot be saved: No such file"):
        resume.save(1)


def test_a_failed_replacement_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "state")
    resume = Resume(path, "pages", URL, [])
    resume.save(1)

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CommandError, match="No space left on device"):
        resume.save(2)
    assert Resume(path, "pages", URL, []).state == 1
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_only_the_line_of_a_run_before_is_cut(tmp_path: Path) -> None:
    state, out = str(tmp_path / "state"), tmp_path / "out"
    out.write_text("a\nb")
    with ExitStack() as stack, pytest.raises(UsageError, match="in the middle of a line"):
        open_output(stack, str(out), Resume(state, "pages", URL, []))
    out.write_text("a\n")
    for before, after in (("a\n", "a\n"), ("a\nb", "a\n")):  # the first one leaves a state
        out.write_text(before)
        with ExitStack() as stack:
            open_output(stack, str(out), Resume(state, "pages", URL, []))
        assert out.read_text() == after
