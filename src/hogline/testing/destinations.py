"""What every destination must do, as tests: subclass `DestinationSuite` in a test file, and pytest runs them all.

class TestShop(DestinationSuite):
    destination = SHOP
    options = {"url": "https://shop.example", "api_key": "canary-key"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from hogline.delivery.pack import pack
from hogline.destinations.base import Destination, InvalidOptions, Unreachable, Written
from hogline.destinations.catalogue import problem_of
from hogline.model import Event, Identifier, Operation, Refused, Request, Response, Retry, Settled, Stop
from hogline.posthog.entry import Entry, entry_of
from hogline.reasons import FILTERED, REFUSED

NOW_MS = 1_793_527_200_000
BODIES = (b"", b"{}", b"[]", b"null", b"{", b"\xff\xfe", b'{"error": 5}', b'{"errors": [5, null, {}]}', b"[" * 100_000)
STATUSES = (
    100,
    200,
    201,
    204,
    207,
    301,
    302,
    307,
    400,
    401,
    403,
    404,
    405,
    408,
    413,
    422,
    425,
    429,
    500,
    502,
    503,
    599,
)


def event(number: int = 1, **fields: Any) -> Entry:
    """An event as a destination gets it."""
    values: dict[str, Any] = {
        "uuid": f"0199f3a0-0000-7000-8000-{number:012d}",
        "name": "order completed",
        "distinct_id": "ada",
        "timestamp_ms": NOW_MS,
        "received_ms": NOW_MS,
        "properties": {"n": number},
    }
    return entry_of(Event(**(values | fields)))


EVENTS: Mapping[str, Entry] = {
    "an order": event(),
    "a page": event(name="$pageview", properties={"$current_url": "https://shop.example/?q=1"}),
    "an identify": event(name="$identify", set={"email": "ada@example.com"}, set_once={"first": 1}, unset=("plan",)),
    "a cookieless visitor": event(distinct_id="$posthog_cookieless"),
    "a blank name": event(name=" "),
    "a long name": event(name="n" * 10_000),
    "a long id": event(distinct_id="i" * 10_000),
    "control characters": event(name="a\x00b\r\nc", distinct_id="\u202e", properties={"\x00": "\u2028"}),
    "no properties": event(properties={}),
    "much": event(properties={"x": "y" * 2_000_000}),
    "before 1970": event(timestamp_ms=-1),
    "the year 9999": event(timestamp_ms=253_402_300_799_999),
}


class DestinationSuite:
    destination: ClassVar[Destination[Any]]
    options: ClassVar[Mapping[str, object]]
    """Valid options as typed; no two secrets are the same."""

    @property
    def read(self) -> Any:  # options are the destination's own type
        return self.destination.read_options(self.options)

    def operations(self, entry: Entry) -> tuple[Operation, ...]:
        """What is sent for an event."""
        people = self.destination.people
        written: Operation | Written | str
        if people is None:
            written = self.destination.forward(entry, self.read)
        else:
            identifier = Identifier("id", entry.distinct_id)
            written = people.event(people.head(identifier), identifier, entry, None, self.read)
        if isinstance(written, Operation):
            return (written,)
        return () if isinstance(written, str) or written.operation is None else (written.operation,)

    @property
    def some(self) -> Sequence[Operation]:
        """Operations of one request."""
        made = [one for number in range(1, 4) for one in self.operations(event(number))]
        return pack(made, self.destination.limits)[0]

    @property
    def secrets(self) -> list[str]:
        return [
            str(self.options[one.key]) for one in self.destination.options if one.secret and one.key in self.options
        ]

    def assert_no_secret(self, text: str) -> None:
        for secret in self.secrets:
            assert secret not in text

    def test_the_catalogue_takes_it(self) -> None:
        assert problem_of(self.destination) == ""

    def test_it_has_words_for_people(self) -> None:
        assert self.destination.title
        assert self.destination.summary.endswith(".")
        for option in self.destination.options:
            assert option.title
            assert option.hint
        for reason in self.destination.reasons.values():
            assert reason.means.endswith(".")

    def test_its_options_can_be_read_and_show_no_secret(self) -> None:
        self.assert_no_secret(repr(self.read))
        assert self.destination.base_url(self.read).startswith(("https://", "http://"))
        assert self.destination.requests_per_second(self.read) >= 1

    def test_an_option_that_it_does_not_know_is_refused(self) -> None:
        with pytest.raises(InvalidOptions) as raised:
            self.destination.read_options({**self.options, "no_such_option": "canary-value"})
        assert [problem.key for problem in raised.value.problems] == ["no_such_option"]
        assert "canary-value" not in str(raised.value)

    def test_all_mistakes_are_found_at_once_and_no_sentence_repeats_a_value(self) -> None:
        wrong = {one.key: ["canary-value"] for one in self.destination.options if not one.instead}
        with pytest.raises(InvalidOptions) as raised:
            self.destination.read_options(wrong)
        assert {problem.key for problem in raised.value.problems} == set(wrong)
        assert "canary-value" not in str(raised.value)

    def test_what_is_required_is_asked_for(self) -> None:
        for option in self.destination.options:
            if option.required:
                rest = {key: value for key, value in self.options.items() if key != option.key}
                with pytest.raises(InvalidOptions) as raised:
                    self.destination.read_options(rest)
                assert option.key in [problem.key for problem in raised.value.problems]

    @pytest.mark.parametrize("entry", EVENTS.values(), ids=EVENTS)
    def test_an_event_is_always_written_with_the_same_bytes(self, entry: Entry) -> None:
        made = self.operations(entry)
        assert self.operations(entry) == made
        assert all(isinstance(one.body, bytes) for one in made)

    @pytest.mark.parametrize("entry", EVENTS.values(), ids=EVENTS)
    def test_what_is_not_sent_has_a_reason_with_a_sentence(self, entry: Entry) -> None:
        if self.destination.people is not None:
            return  # who is sent is decided before
        written = self.destination.forward(entry, self.read)
        if isinstance(written, str):
            assert written in self.destination.reasons or written in FILTERED
        elif written.operation is None:
            assert written.refusal is not None
            assert written.refusal.reason in self.destination.reasons or written.refusal.reason in REFUSED

    def test_a_request_goes_to_the_base_url_and_carries_its_operations_in_order(self) -> None:
        request = self.destination.request(self.some, self.read, NOW_MS / 1_000)
        assert request.url.startswith(self.destination.base_url(self.read))
        places = [request.body.find(one.body) for one in self.some]
        assert -1 not in places
        assert places == sorted(places)
        assert len(self.some) == 1 or len(request.body) <= self.destination.limits.request_bytes

    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
    def test_whatever_is_answered_every_operation_has_an_outcome(self, status: int, body: bytes) -> None:
        answer = self.destination.read_answer(self.some, Response(status, {}, body), NOW_MS / 1_000)
        match answer:
            case Settled():
                assert 200 <= status < 300
                assert len(answer.outcomes) == len(self.some)
            case Refused():
                assert answer.refusal.reason
            case Retry() | Stop():
                assert answer.reason.endswith(".")
                self.assert_no_secret(answer.reason)

    def test_an_accepted_request_settles_its_operations(self) -> None:
        answer = self.destination.read_answer(self.some, Response(200, {}, b"{}"), NOW_MS / 1_000)
        assert answer == Settled([None] * len(self.some))

    @pytest.mark.parametrize("status", [429, 503])
    def test_trouble_that_passes_is_tried_again_after_the_time_that_is_asked_for(self, status: int) -> None:
        answer = self.destination.read_answer(self.some, Response(status, {"retry-after": "7"}, b""), NOW_MS / 1_000)
        assert isinstance(answer, Retry)
        assert answer.after_s == 7
        assert answer.throttled == (status == 429)

    @pytest.mark.parametrize("status", STATUSES)
    def test_a_check_always_ends_with_a_sentence(self, status: int) -> None:
        async def send(request: Request) -> Response:
            return Response(status, {}, b"canary-body")

        check = asyncio.run(self.destination.check(self.read, send))
        assert check.sentence.endswith(".")
        assert "canary-body" not in check.sentence
        self.assert_no_secret(check.sentence)

    def test_a_check_says_that_nobody_answers(self) -> None:
        asked: list[str] = []

        async def send(request: Request) -> Response:
            asked.append(request.url)
            raise Unreachable("no connection")

        check = asyncio.run(self.destination.check(self.read, send))
        assert check.outcome == ("unreachable" if asked else "ok")
