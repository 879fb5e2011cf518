"""How a workspace is told to misbehave: latency, a rate limit, scripted answers.

Holds and hands out the script; carrying it out is the wire's business. Times are handed in.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MAX_SCRIPT_BYTES = 1_000_000

_Seconds = Annotated[float, Meta(ge=0, le=600)]


class ScriptedAnswer(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the next matching request gets. Without `status` it is the usual answer, perhaps late or torn."""

    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    headers: dict[str, str] = {}
    body: object = None
    """Text as it is, anything else as JSON; none: `{}` or Customer.io's error for the status."""
    times: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """For this many requests."""
    apply: Literal["before", "no"] | None = None
    """Whether the request takes effect, `before` it is answered. Unless said: not with a `status`, else
    yes."""
    refuse_names: Annotated[list[str], Meta(max_length=1_000)] = []
    """Operations whose event name or identifier is among these are refused, the others take effect."""
    drip_s: _Seconds = 0.0
    """The response's body arrives in small pieces over this many seconds."""
    reset: Literal["before", "after"] | None = None
    """The connection is cut instead of an answer: before the request takes effect, or after."""
    hang_s: _Seconds = 0.0
    """So long nothing is said."""
    path: str | None = None
    """Only for requests whose path begins so. None: any that delivers, v1 or v2."""

    def takes_effect(self) -> bool:
        if self.reset is not None:
            return self.reset == "after"
        if self.apply is not None:
            return self.apply == "before"
        return self.status is None


class Script(Struct, kw_only=True, forbid_unknown_fields=True):
    latency_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    """Every delivery is answered so much later."""
    requests_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Deliveries beyond it get a 429 with `Retry-After`."""
    answers: Annotated[list[ScriptedAnswer], Meta(max_length=1_000)] = []
    """Used up one by one, the first that matches the request's path."""


class InvalidScript(ValueError):
    """A script that cannot be followed; the text says where and why."""


_decoder = msgspec.json.Decoder(Script)


def read_script(body: bytes) -> Script:
    """Raises `InvalidScript`."""
    if len(body) > MAX_SCRIPT_BYTES:
        raise InvalidScript(f"The script is longer than {MAX_SCRIPT_BYTES:,} bytes.")
    try:
        script = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidScript(f"The script is not understood: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidScript("The script is not JSON.") from None
    for answer in script.answers:
        for name, value in answer.headers.items():
            if not name.isascii() or not name.replace("-", "").isalnum():
                raise InvalidScript("A header's name has characters other than letters, digits and hyphens.")
            if not value.isascii() or not value.isprintable():
                raise InvalidScript(f"The header {name} has a value that is not printable ASCII.")
    return script


class Director:
    """Follows one script."""

    def __init__(self) -> None:
        self.script = Script()
        self._window_from_s = 0.0
        self._in_window = 0

    def follow(self, script: Script) -> None:
        self.script = script
        self._in_window = 0

    def exceeds_rate(self, now_s: float) -> bool:
        """Count one delivery; True if there were more than allowed within one second."""
        limit = self.script.requests_per_second
        if limit is None:
            return False
        if not 0 <= now_s - self._window_from_s < 1:
            self._window_from_s = now_s
            self._in_window = 0
        self._in_window += 1
        return self._in_window > limit

    def next_answer(self, path: str, *, delivers: bool) -> ScriptedAnswer | None:
        """The answer scripted for this request, used up by it."""
        answers = self.script.answers
        for index, answer in enumerate(answers):
            if path.startswith(answer.path) if answer.path is not None else delivers:
                answer.times -= 1
                if not answer.times:
                    del answers[index]
                # A copy: what is shown as left changes, what this request got does not.
                return msgspec.structs.replace(answer)
        return None
