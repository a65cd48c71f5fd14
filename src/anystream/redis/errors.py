"""What goes wrong in the server or on the way to it, named after the stream and the group."""

from .. import _labels as label
from .._core.siblings import bare
from .._errors import StreamError, StreamInterruptedError

MOST = 2000
"""Characters of what the server says."""


class StreamPlace:
    """A stream and a group of it, at a server; its text has no credentials."""

    def __init__(self, server: str, stream: str, group: str | None = None) -> None:
        self.server = server
        self.stream = stream
        self.group = group

    def __str__(self) -> str:
        of_group = f", group {self.group!r}" if self.group is not None else ""
        return f"stream {self.stream!r}{of_group} at {self.server}"


class RedisError(StreamError):
    """The server, or the way to it, has failed.

    `stream` and `group` say whose messages it was about; `group` is None where only the stream is
    written to. The text has no credentials, and the cause is the error of the client.
    """

    __module__ = "anystream.redis"

    def __init__(self, problem: str, stream: str, group: str | None = None) -> None:
        super().__init__(label.visible(problem[:MOST]))
        self.stream = stream
        self.group = group


class RedisConnectionError(RedisError):
    """There is no connection to the server, or it was lost."""

    __module__ = "anystream.redis"


class RedisRefusedError(RedisError):
    """The server has refused a command: a wrong password, a key of another type, no memory."""

    __module__ = "anystream.redis"


def named(error: BaseException, place: StreamPlace) -> BaseException:
    """What is raised in the place of an error of the client; any other is what it is."""
    found = bare(error)
    if isinstance(found, passing()) or "NOGROUP" in str(found):  # of a script, before Redis 7
        kind: type[RedisError] = RedisConnectionError
    elif isinstance(found, client_error()):
        kind = RedisRefusedError
    else:
        return found
    said = str(found) or type(found).__name__
    made = kind(f"{place}: {said}", place.stream, place.group)
    made.__cause__ = found
    return made


def refusal(error: BaseException, place: StreamPlace) -> RedisRefusedError | None:
    """What is raised in the place of an error, if the server has refused a command."""
    found = named(error, place)
    return found if isinstance(found, RedisRefusedError) else None


def interrupted(place: StreamPlace) -> StreamInterruptedError:
    """What is raised in the place of a native cancellation of the task behind a stream."""
    return StreamInterruptedError(f"{place}: its task was cancelled from outside")


def client_error() -> type[Exception]:
    from coredis import exceptions as of_client

    return of_client.RedisError


def passing() -> tuple[type[Exception], ...]:
    """What another connection may mend, also since the server begins or ends just then."""
    from coredis import exceptions as of_client

    return (
        of_client.ConnectionError,
        of_client.NoScriptError,
        of_client.ReadOnlyError,
        of_client.StreamConsumerGroupError,  # it is gone, and made again
        of_client.UnblockedError,
        OSError,
        TimeoutError,
    )


def is_of_a_group_that_is_there(error: Exception) -> bool:
    """Whether the group exists already."""
    from coredis import exceptions as of_client

    return isinstance(error, of_client.StreamDuplicateConsumerGroupError)
