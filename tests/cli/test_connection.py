"""Certificates, proxies, methods and bodies: how a command connects, and what it sends."""

import json
import ssl
import subprocess
from pathlib import Path
from shutil import which

import httpx
import pytest
from server import Server

from anystream._cli import main

from .running import at_home, server
from .small import Small, serving

__all__ = ["at_home", "server"]  # fixtures

pytestmark = pytest.mark.real_time

Capture = pytest.CaptureFixture[str]

LIST = b'[{"id": 1}]'

EVENT = b"id: 1\ndata: one\n\n"


def events(**changes: object) -> Small:
    return Small(EVENT, "text/event-stream", **changes)  # type: ignore[arg-type]


# -- certificates -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one for 127.0.0.1, with its key."""
    if which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 2 -keyout"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    arguments = [*command.split(), str(path), "-out", str(path.with_suffix(".crt")), *names]
    subprocess.run(arguments, check=True, capture_output=True)
    return path


@pytest.fixture
def secure(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_suffix(".crt"), certificate)
    return context


@pytest.mark.parametrize("command", ["pages", "lines"])
def test_certificates(
    capfd: Capture, certificate: Path, secure: ssl.SSLContext, command: str
) -> None:
    retries = ["--retries", "0", "--max-pages", "1"] if command == "pages" else []
    with serving(Small(LIST + b"\n"), secure) as small:
        arguments = [command, small.url, *retries]
        assert main(arguments) == 4
        out, err = capfd.readouterr()
        assert not out
        assert "CERTIFICATE_VERIFY_FAILED" in err
        assert not small.asked
        assert main([*arguments, "--insecure"]) == 0
        assert main([*arguments, "--cacert", str(certificate.with_suffix(".crt"))]) == 0
        line = '{"id": 1}\n' if command == "pages" else '[{"id": 1}]\n'
        assert capfd.readouterr() == (line * 2, "")


# -- proxies ------------------------------------------------------------------------------------


def test_requests_go_through_the_proxy(capfd: Capture, tmp_path: Path) -> None:
    with serving(Small(LIST)) as proxy:
        address = proxy.url.replace("//", "//me:pr0xy-pw@")
        assert (
            main(
                ["pages", "http://api.example.com/x", "--proxy", address, "-v", "--max-pages", "1"]
            )
            == 0
        )
    ((method, target, headers, _),) = proxy.asked
    assert (method, target) == ("GET", "http://api.example.com/x")
    assert headers["proxy-authorization"].startswith("Basic ")
    out, err = capfd.readouterr()
    assert out == '{"id": 1}\n'
    assert err == "anystream: page 1 of http://api.example.com/x: 1 items\n"


@pytest.mark.parametrize(
    ("arguments", "status", "code", "problem"),
    [
        ("pages http://api.example.com/x", 407, 3, "status 407 Proxy Authentication Required"),
        ("pages https://api.example.com/x", 407, 4, "ProxyError: 407 Proxy Authentication"),
        ("sse https://api.example.com/x", 403, 4, "ProxyError: 403 Forbidden"),
    ],
)
@pytest.mark.parametrize("given", [True, False], ids=["option", "environment"])
def test_errors_name_the_proxy_without_its_password(
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    status: int,
    code: int,
    problem: str,
    given: bool,
) -> None:
    monkeypatch.setenv("no_proxy", "localhost")
    with serving(Small(status=status)) as proxy:
        address = proxy.url.replace("//", "//me:pr0xy-pw@")
        option = ["--proxy", address] if given else []
        if not given:
            monkeypatch.setenv("ALL_PROXY", address)
        assert main([*arguments.split(), "--retries", "0", *option, "-v"]) == code
    first, *_ = capfd.readouterr().err.splitlines()
    assert problem in first
    assert first.endswith(f"(through the proxy {proxy.url.replace('//', '//***@')})")


def test_a_proxy_that_is_not_there_is_named(capfd: Capture) -> None:
    arguments = ["--proxy", "http://127.0.0.1:9", "--retries", "1", "-v"]
    assert main(["pages", "http://api.example.com/", *arguments]) == 4
    err = capfd.readouterr().err
    assert err.count("(through the proxy http://127.0.0.1:9)") == 2  # at the retry, and at the end


def test_no_proxy_is_named_where_none_is_asked(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:8")
    assert main(["pages", "http://127.0.0.1:9/", "--retries", "0"]) == 4
    assert "proxy" not in capfd.readouterr().err


def test_a_socks_proxy_may_need_a_package(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*args: object, **options: object) -> None:
        raise ImportError("Using SOCKS proxy, but the 'socksio' package is not installed")

    monkeypatch.setattr(httpx, "AsyncClient", lacks)
    assert main(["pages", "http://api.example.com/", "--proxy", "socks5://127.0.0.1:9"]) == 2
    message = "anystream: a SOCKS proxy needs another package: pip install 'httpx[socks]'\n"
    assert capfd.readouterr() == ("", message)


# -- methods, bodies, parameters ----------------------------------------------------------------


def test_lines_are_asked_for_with_a_method_and_a_body(server: Server, capfd: Capture) -> None:
    for options, method, body in (
        (["-d", '{"a": 1}'], "POST", {"a": 1}),
        (["-X", "put", "-d", "[2]"], "PUT", [2]),
    ):
        assert main(["lines", f"{server.url}/echo", *options, "-H", "X-A: b"]) == 0
        echoed = json.loads(capfd.readouterr().out)
        assert (echoed["method"], json.loads(echoed["body"])) == (method, body)
        assert echoed["headers"]["x-a"] == "b"


@pytest.mark.parametrize(
    ("options", "method", "again"),
    [
        ("", "GET", True),
        ("--no-reconnect", "GET", False),
        ('-d {"a":1}', "POST", False),
        ("-X POST", "POST", False),
        ("-X POST --reconnect", "POST", True),
        ("-X POST --retries 5", "POST", True),
        ("-X POST --retries 5 --no-reconnect", "POST", False),
    ],
)
def test_only_requests_that_change_nothing_are_sent_again_unasked(
    capfd: Capture, options: str, method: str, again: bool
) -> None:
    with serving(events()) as small:
        assert main(["sse", small.url, "--max-events", "2", "--data-only", *options.split()]) == 0
    assert capfd.readouterr() == ("one\n" * (1 + again), "")
    assert [each[0] for each in small.asked] == [method] * (1 + again)
    assert {each[3] for each in small.asked} == {b'{"a":1}' if "-d" in options else b""}


def test_an_api_key_may_be_in_a_file(capfd: Capture, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k3y of+mine\r\n")
    arguments = ["-q", f"appid=@{tmp_path / 'key'}", "-q", "to=@@ada", "--dry-run", "-v"]
    with serving(Small(LIST)) as small:
        assert main(["pages", small.url, *arguments]) == 0
        small.status = 403
        assert main(["pages", small.url, *arguments]) == 3
    assert small.asked[0][1] == "/?appid=k3y+of%2Bmine&to=%40ada"
    shown = "".join(capfd.readouterr())
    assert "?appid=***&to=%40ada" in shown
    assert "k3y" not in shown


def test_a_key_that_is_not_text(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff")
    with pytest.raises(SystemExit) as raised:
        main(["sse", "http://x/", "-q", f"k=@{tmp_path / 'key'}"])
    assert raised.value.code == 2
    assert capsys.readouterr().err.endswith(f"'{tmp_path / 'key'}' is not UTF-8\n")


def test_an_option_for_urls_is_refused_for_files(capfd: Capture) -> None:
    for options in ("-X GET", "-d 1", "--insecure", "--proxy http://x"):
        assert main(["lines", "-", *options.split()]) == 2
        assert capfd.readouterr().err.endswith(": only for a URL\n")
