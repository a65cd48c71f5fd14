"""The attempts to have a body: what is worth another one, and when that is made."""

from typing import Any

import anyio

from ..._core.contracts import Owner
from ..._labels import visible
from ..._operators.recover import in_except
from ..._retry import Backoff, Retry, checked_retry
from .._clients import place, request_of
from .._errors import (
    BodyCutError,
    BodyStatusError,
    BodyTypeError,
    ErrorResponse,
    is_of_the_connection,
)
from .._pauses import ASKING, is_spent, wanted_pause
from .._refusals import is_certificate_error, read_refusal, reason
from .chunks import BodyChunks
from .requests import BodyRequest, is_response

MAX_PAUSE = 120.0
"""Seconds of the longest pause that a server may ask for by default."""

SHOWN = 200
"""Characters of where a redirect leads to, or of a content type."""


def checked_policy(request: BodyRequest, retry: Any, default: Retry) -> Retry | None:
    """The policy that holds: what may change something at the server nobody sends again unasked."""
    policy = checked_retry(retry)
    is_once = is_response(request.what) or (retry is default and not request.repeatable)
    return None if is_once else policy


class Openings:
    """The attempts in a row, by a policy; None makes no further one."""

    def __init__(
        self, request: BodyRequest, policy: Retry | None, longest: float, owner: Owner
    ) -> None:
        self.request = request
        self.given = policy
        self.longest = longest  # seconds that the server may ask for
        self.owner = owner
        self.backoff: Backoff = Backoff(policy or Retry(times=0))
        self.due: float = 0.0  # when to ask again

    @property
    def policy(self) -> Retry | None:
        """The one that holds: what cannot be sent again is not."""
        return None if self.request.is_spent else self.given

    async def wait(self) -> None:
        self.owner.unless_over()
        await anyio.sleep_until(self.due)

    def granted(self, error: Exception) -> float:
        """The least seconds before the next attempt; raises the error if there is none."""
        if self.policy is None or not self.may_pass(error):
            raise error
        self.backoff.grant(error)
        return getattr(error, "retry_after", None) or 0.0

    def may_pass(self, error: Exception) -> bool:
        if isinstance(error, BodyStatusError):
            return passes(error.response) and (error.retry_after or 0.0) <= self.longest
        return is_broken(error)

    async def leave(self, body: BodyChunks, error: Exception | None, pause: float) -> None:
        """Close what has failed or ended, tell the hook, and begin the pause."""
        await body.close(self.owner)
        self.owner.raise_collected(error)
        if error is not None and self.policy is not None and self.policy.hook is not None:
            await in_except(error, self.policy.hook, self.backoff.number, error, pause)
        self.due = anyio.current_time() + pause

    async def refused(self, response: Any) -> BodyStatusError:
        """The error for a response with another status, which is read and closed."""
        answer = await read_refusal(response)
        pause = wanted_pause(answer.headers)
        hint = leads_to(response)
        if self.policy is not None and passes(answer) and (pause or 0.0) > self.longest:
            hint = (
                f"the server asks for a pause of {pause:g} s,"
                f" but max_retry_after allows {self.longest:g} s"
            )
        return BodyStatusError(
            answer.status,
            visible(response.reason_phrase),
            place(response),
            said=reason(answer, request_of(response)),
            hint=hint,
            retry_after=pause,
            response=answer,
        )


async def other_type(response: Any, wanted: str) -> BodyTypeError:
    """The error for a response of another content type, which is read and closed."""
    answer = await read_refusal(response)
    kind, said = answer.headers.get("content-type", ""), reason(answer, request_of(response))
    problem = f"the content type is {kind[:SHOWN]!r}, not {wanted}"
    text = f"{problem}: {said}" if said else problem
    return BodyTypeError(text, place(response), response=answer)


def is_broken(error: Exception) -> bool:
    """Whether the connection was cut off, which another one may mend."""
    if is_certificate_error(error):
        return False
    return is_of_the_connection(error) or isinstance(error, (OSError, BodyCutError))


def passes(answer: ErrorResponse | None) -> bool:
    """Whether a server that answers so may answer otherwise later, as it says itself."""
    if answer is None or answer.status < 400:
        return False
    asks = not answer.headers.keys().isdisjoint(ASKING)
    limited = answer.status == 403 and is_spent(answer.headers)
    return answer.status in (429, 503) or asks or limited


def leads_to(response: Any) -> str:
    """Where a redirect leads that the client does not follow, and how it would."""
    if response.next_request is None:
        return ""
    there = visible(place(response.next_request))[:SHOWN]
    return f"it redirects to {there}; a client with follow_redirects=True would follow it"
