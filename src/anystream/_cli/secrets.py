"""Credentials: where they come from, and that none of them is ever shown."""

import base64
import netrc
import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from getpass import getpass
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from ..http._urls import is_secret
from .endings import UsageError
from .output import unless_same
from .values import FromFile, Pair

PASSWORD_VARIABLE = "ANYSTREAM_PASSWORD"  # the name of a variable, no password


class Secrets:
    """Knows the credentials of this run, and takes them out of everything that is shown."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def add(self, *values: str) -> None:
        for value in values:
            self.known |= {value, quote(value, safe=""), quote(value), quote_plus(value)}
        self.known.discard("")

    def clean(self, text: str) -> str:
        for value in sorted(self.known, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def add_password(self, url: str) -> None:
        password = re.search(r":([^/@]*)@", url)
        if password:
            self.add(password[1], unquote(password[1]))

    def add_pairs(self, pairs: Iterable[Pair]) -> None:
        """Headers or parameters: the values of those that are credentials."""
        for name, value in pairs:
            if is_credential(name, value):
                self.add(value, *value.split(" ", 1)[1:])  # "Bearer TOKEN", too

    def add_url(self, url: str) -> None:
        self.add_password(url)
        parts = urlsplit(url)
        if parts.username and not parts.password:
            self.add(parts.username)  # a token in the place of the name
        self.add_pairs(parse_qsl(parts.query))


def is_credential(name: str, value: str) -> bool:
    return is_secret(name) or isinstance(value, FromFile)


def without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def secret_pairs(url: str, query: Iterable[Pair]) -> dict[str, str]:
    """The parameters of a request that are credentials."""
    pairs = [*parse_qsl(urlsplit(url).query), *query]
    return {name: value for name, value in pairs if is_credential(name, value)}


def concealed(url: str, secret: dict[str, str]) -> str:
    """A URL without its user, and with *** for the values of these parameters."""

    def conceal(name: str, value: str, text: str) -> str:
        return f"{text.partition('=')[0]}=***" if secret.get(name) == value else text

    return each_parameter(without_user(url), conceal)


def revealed(url: str, secret: dict[str, str]) -> str:
    """What was `concealed`."""

    def reveal(name: str, value: str, text: str) -> str:
        known = value == "***" and name in secret
        return f"{text.partition('=')[0]}={quote_plus(secret[name])}" if known else text

    return each_parameter(url, reveal)


def each_parameter(url: str, change: Callable[[str, str, str], str]) -> str:
    head, mark, query = url.partition("?")
    parts = [(part, part.partition("=")) for part in query.split("&")]
    changed = [
        change(unquote_plus(name), unquote_plus(value), part) for part, (name, _, value) in parts
    ]
    return head + mark + "&".join(changed)


def credentials(options: Namespace, url: str, secrets: Secrets) -> list[Pair]:
    """The `Authorization` header that the options ask for, if any, told to `secrets`."""
    secrets.add_url(url)
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy"):
            secrets.add_password(value)
    secrets.add_password(options.proxy or "")
    secrets.add_pairs(options.header)
    secrets.add_pairs(options.query)
    if options.user and options.user[1]:
        secrets.add(options.user[1])
    if any(name.lower() == "authorization" for name, _ in options.header):
        return []
    if options.bearer_env:
        return [("Authorization", f"Bearer {token(options.bearer_env, secrets)}")]
    pair = name_and_password(options, url)
    if pair is None:
        return []
    encoded = base64.b64encode(":".join(pair).encode()).decode()
    secrets.add(pair[1], encoded)
    return [("Authorization", f"Basic {encoded}")]


def token(variable: str, secrets: Secrets) -> str:
    value = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        problem = "must be printable ASCII without spaces" if value else "is not set or is empty"
        raise UsageError(f"argument --bearer-env: the variable {variable} {problem}")
    secrets.add(value)
    return value


def name_and_password(options: Namespace, url: str) -> Pair | None:
    parts = urlsplit(url)
    if options.user is None and parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    if options.user is None:
        return from_netrc(options, parts.hostname or "", None)
    name, password = options.user
    if password is not None:
        return name, password
    if (given := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return name, given
    if (found := from_netrc(options, parts.hostname or "", name)) is not None:
        return found
    return name, prompt(name, parts.hostname or "")


def prompt(name: str, host: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"argument -u/--user: no password for {name!r}: set {PASSWORD_VARIABLE}, or use --netrc"
        )
    return getpass(f"Password of {name} for {host}: ")


def from_netrc(options: Namespace, host: str, name: str | None) -> Pair | None:
    """The name and the password for this host, and for this `name` if it is given."""
    if not (options.netrc or options.netrc_file):
        return None
    path = str(options.netrc_file or os.environ.get("NETRC") or Path.home() / ".netrc")
    unless_same(options.output, path, "the netrc file")
    try:
        found = netrc.netrc(path).authenticators(host)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from None
    except netrc.NetrcParseError as exc:
        # Its message may quote the token that it stumbled over.
        raise UsageError(f"{path}: line {exc.lineno} is not valid in a netrc file") from None
    if found is None or (name is not None and found[0] != name):
        return None
    return found[0], found[2] or ""
