"""Where credentials come from, and that they are not shown."""

import base64
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from anystream._cli import secrets
from anystream._cli.endings import UsageError
from anystream._cli.secrets import Secrets, credentials, without_user
from anystream._cli.values import FromFile

URL = "https://api.example.com/users"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ANYSTREAM_PASSWORD", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".netrc").write_text(
        "machine api.example.com login ada password from-netrc\n"
        "machine token.example.com login grace\n"
    )


def options(**given: Any) -> Namespace:
    defaults: dict[str, Any] = {"header": [], "query": [], "user": None, "bearer_env": None}
    return Namespace(
        **{**defaults, "output": None, "proxy": None, "netrc": False, "netrc_file": None, **given}
    )


def sent(url: str = URL, **given: Any) -> str | None:
    """The name and the password that are sent, or the whole header if it is of another kind."""
    secret = Secrets()
    found = credentials(options(**given), url, secret)
    if not found:
        return None
    ((name, value),) = found
    assert name == "Authorization"
    kind, text = value.split(" ")
    assert text not in secret.clean(f"it was {value}")
    if kind != "Basic":
        return value
    pair = base64.b64decode(text).decode()
    assert not (password := pair.partition(":")[2]) or password not in secret.clean(pair)
    return pair


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert sent() is None


def test_a_bearer_token_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t\n")
    assert sent(bearer_env="TOKEN") == "Bearer s3cr3t"
    monkeypatch.setenv("TOKEN", "s3cr3t\nX-Evil: 1")
    with pytest.raises(UsageError, match="TOKEN must be printable ASCII without spaces") as raised:
        sent(bearer_env="TOKEN")
    assert "s3cr3t" not in str(raised.value)
    monkeypatch.delenv("TOKEN")
    with pytest.raises(UsageError, match=r"^argument --bearer-env: the variable TOKEN is not set"):
        sent(bearer_env="TOKEN")


def test_an_authorization_header_goes_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(header=[("authorization", "Digest x")], user=("me", "it")) is None


def test_a_password_is_given_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(user=("me", "it")) == "me:it"
    assert sent(user=("me", "")) == "me:"
    assert sent(user=("ada", None), netrc=True) == "ada:from-netrc"
    monkeypatch.setenv("ANYSTREAM_PASSWORD", "from-env")
    assert sent(user=("ada", None), netrc=True) == "ada:from-env"


def test_a_password_is_asked_for_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no password for 'bob': set ANYSTREAM_PASSWORD"):
        sent(user=("bob", None), netrc=True)
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Namespace(isatty=lambda: True))
    monkeypatch.setattr(secrets, "getpass", lambda text: asked.append(text) or "typed")
    assert sent(user=("bob", None)) == "bob:typed"
    assert asked == ["Password of bob for api.example.com: "]


def test_the_user_of_a_url() -> None:
    assert sent("https://me:it%40s@api.example.com/") == "me:it@s"
    assert sent("https://me:it@api.example.com/", user=("you", "your")) == "you:your"
    assert sent("https://sk-live-1@api.example.com/") == "sk-live-1:"
    assert (
        without_user("https://me:it@api.example.com:8/x?y#z") == "https://api.example.com:8/x?y#z"
    )


def test_netrc_is_read_if_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(netrc=True) == "ada:from-netrc"
    assert sent("https://token.example.com/", netrc=True) == "grace:"
    assert sent("https://other.example.com/", netrc=True) is None
    other = tmp_path / "other"
    other.write_text("default login any password one\n")
    assert sent(netrc_file=str(other)) == "any:one"
    monkeypatch.setenv("NETRC", str(other))
    assert sent(netrc=True) == "any:one"


def test_a_netrc_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file"):
        sent(netrc_file=str(tmp_path / "nowhere"))
    bad = tmp_path / "bad"
    bad.write_text("machine x\nlogin y hunter2 z\n")
    with pytest.raises(UsageError, match="line 2 is not valid in a netrc file") as raised:
        sent(netrc_file=str(bad))
    assert "hunter2" not in str(raised.value)


def test_a_url_is_kept_without_its_secrets() -> None:
    secret = secrets.secret_pairs(
        "https://x/?api_key=k1%2F&n=1", [("appid", FromFile("a b")), ("page", "2")]
    )
    assert secret == {"api_key": "k1/", "appid": "a b"}
    for url, kept, again in (
        ("https://me:pw@x/?api_key=k1/&n=1", "https://x/?api_key=***&n=1", "api_key=k1%2F&n=1"),
        ("https://x/?appid=a%20b&c=%2B", "https://x/?appid=***&c=%2B", "appid=a+b&c=%2B"),
        ("https://x/?api_key=other", "https://x/?api_key=other", "api_key=other"),
    ):
        assert secrets.concealed(url, secret) == kept
        assert secrets.revealed(kept, secret).partition("?")[2] == again
    assert secrets.concealed("https://x/y", secret) == "https://x/y"


def test_what_is_secret_is_hidden_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:pr0xy%21@host:1")
    known = Secrets()
    header = [("X-Api-Key", "k/1 2"), ("Accept", "json"), ("Cookie", "id=7f")]
    query = [("token", "t&t"), ("page", "5")]
    asked = options(header=header, query=query, user=("me", "p w"), netrc=True)
    credentials(asked, "https://u:url%2Fpw@api.example.com/?api_key=q123", known)
    text = "k/1 2 k%2F1%202 json id=7f t&t t%26t 5 p%20w p w url%2Fpw url/pw q123 pr0xy! pr0xy%21"
    assert known.clean(text) == "*** *** json *** *** *** 5 *** *** *** *** *** *** ***"
