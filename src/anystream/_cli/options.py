"""The options that several commands have."""

from __future__ import annotations

import argparse
from typing import Any

from . import values
from .inputs import Inputs

BACKENDS = ("asyncio", "trio")


class FileOption(argparse.Action):
    """Keeps the name of a file, which shells complete."""

    @property
    def complete(self) -> object:
        import shtab

        return shtab.FILE

    def __call__(
        self,
        parser: object,
        namespace: argparse.Namespace,
        values: Any,
        option_string: object = None,
    ) -> None:
        setattr(namespace, self.dest, values)


def request_options(sub: argparse.ArgumentParser, *, live: bool) -> None:
    inputs = Inputs()
    sub.set_defaults(inputs=inputs)
    option = sub.add_argument_group("request").add_argument
    option(
        "-H",
        "--header",
        metavar="NAME: VALUE",
        type=inputs.header,
        action="extend",
        default=[],
        help="a header; @FILE for those in a file; may be repeated",
    )
    option(
        "-q",
        "--query",
        metavar="NAME=VALUE",
        type=inputs.query,
        action="append",
        default=[],
        help="a parameter of the query; NAME=@FILE for a secret in a file; may be repeated",
    )
    option("-X", "--method", type=values.method, help="the method (GET, or POST with -d)")
    text = "a JSON body; @FILE for that of a file, - for standard input"
    option("-d", "--data", metavar="JSON", type=inputs.body, help=text)
    what = "a connection" if live else "a connection or for data"
    option(
        "--timeout",
        metavar="SECONDS",
        type=values.seconds,
        default=30.0,
        help=f"the longest wait for {what} (30)",
    )
    if live:
        text = "how long a server may be silent before it counts as gone (for ever)"
        option("--read-timeout", metavar="SECONDS", type=values.seconds, help=text)
    group = sub.add_argument_group("credentials and connection")
    option = group.add_argument
    text = "basic authentication; better without the password, see below"
    option("-u", "--user", metavar="NAME[:PASSWORD]", type=values.user, help=text)
    text = "the environment variable with a bearer token"
    option("--bearer-env", metavar="VARIABLE", help=text)
    text = "take name and password for the host from $NETRC or ~/.netrc, if they are there"
    option("-n", "--netrc", action="store_true", help=text)
    option(
        "--netrc-file",
        metavar="FILE",
        type=inputs.netrc_file,
        action=FileOption,
        help="the same from FILE",
    )
    option("--proxy", metavar="URL", type=values.proxy, help="send all requests through this proxy")
    verify = group.add_mutually_exclusive_group()
    text = "trust the certificates in FILE (PEM), and no others"
    verify.add_argument(
        "--cacert", metavar="FILE", type=inputs.ca_file, action=FileOption, help=text
    )
    text = "do not check the certificate of the server"
    verify.add_argument("--insecure", action="store_true", help=text)


def retry_options(sub: argparse.ArgumentParser, *, tries: int | None) -> Any:
    option = sub.add_argument_group("retries").add_argument
    shown = "without end" if tries is None else tries
    text = f"attempts after a failure, in a row ({shown})"
    option("--retries", metavar="N", type=values.integer(0), default=tries, help=text)
    return option


def output_options(sub: argparse.ArgumentParser) -> Any:
    option = sub.add_argument_group("output and running").add_argument
    text = "write there instead of to standard output"
    option("-o", "--output", metavar="FILE", action=FileOption, help=text)
    option(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show a line of progress on"
        " standard error (if that is a terminal, and the items go elsewhere)",
    )
    option("-v", "--verbose", action="store_true", help="tell of pages, retries and causes")
    option("--backend", choices=BACKENDS, default="asyncio", help="what to run on (asyncio)")
    return option
