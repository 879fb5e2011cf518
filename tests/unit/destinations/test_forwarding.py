"""The base of destinations that only take events: what it does where a destination says nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from msgspec import Struct

from hogline.destinations.base import PACE, Destination, Written
from hogline.destinations.forwarding import Forwarding
from hogline.model import Operation, Refusal, Refused, Request, Response, Retry, Settled, Stop
from hogline.posthog.entry import Entry

TWO = [Operation("event", b"1"), Operation("event", b"2")]


class Options(Struct, frozen=True):
    base_url: str = "https://shop.example"
    requests_per_second: int = 7


class Plain(Forwarding[Options]):
    def read_options(self, values: Mapping[str, object]) -> Options:
        return Options()

    def forward(self, entry: Entry, options: Options) -> Written | str:
        return "never"

    def request(self, operations: Sequence[Operation], options: Options, now_s: float) -> Request:
        return Request("POST", options.base_url, {})


PLAIN: Destination[Options] = Plain(key="plain", title="Plain", summary="", options=[PACE], reasons={})


def test_what_it_says_by_itself() -> None:
    assert PLAIN.limits.operations == 1
    assert PLAIN.people is None
    assert PLAIN.cannot_forget == "Hogline cannot delete people in Plain. Delete this user there."
    assert PLAIN.base_url(Options()) == "https://shop.example"
    assert PLAIN.requests_per_second(Options()) == 7


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Settled([None, None])),
        (204, Settled([None, None])),
        (302, Stop("Plain returned a redirect (302), which Hogline does not follow. Check the address.")),
        (401, Stop("Plain rejected the credentials (401). Check them.")),
        (404, Stop("Plain has nothing at this address (404). Check the address.")),
        (400, Refused(Refusal("refused_400", "Plain returned 400.", operation=b"1"))),
        (429, Retry("Plain returned 429. Hogline keeps trying.", 3.0, throttled=True)),
        (503, Retry("Plain returned 503. Hogline keeps trying.", 3.0)),
    ],
)
def test_an_answer_means_what_http_means_by_it(status: int, answer: object) -> None:
    assert PLAIN.read_answer(TWO, Response(status, {"retry-after": "3"}, b""), 0) == answer


@pytest.mark.anyio
async def test_without_a_check_the_first_event_tells() -> None:
    async def send(request: Request) -> Response:
        raise AssertionError

    assert (await PLAIN.check(Options(), send)).outcome == "ok"
