"""What each answer of Customer.io says of the operations that were sent."""

from __future__ import annotations

import msgspec
import pytest

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Answer, Operation, Refusal, Refused, Response, Retry, Settled, Stop

THREE = tuple(Operation("event", b'{"n":%d}' % n) for n in range(3))
ONE = THREE[:1]
BY_PATH = (Operation("event", b"{}", path="/api/v1/customers/u1/events"),)
NOW_S = 1_793_527_200.0


def answer(status: int, body: object = b"", operations: tuple[Operation, ...] = THREE, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CUSTOMERIO.read_answer(operations, Response(status, named, raw), NOW_S)


def refused_at(index: object, **error: object) -> dict[str, object]:
    return {"batch_index": index, "reason": "invalid", "field": "email", "message": "not an address", **error}


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {}), (200, b""), (200, b" \n"), (204, b""), (202, {}), (200, {"errors": []}), (207, {"errors": []}),
     (200, {"errors": None, "meta": {"error": ""}})],
)  # fmt: skip
def test_a_success_accepts_every_operation(status: int, body: object) -> None:
    assert answer(status, body) == Settled([None, None, None])


@pytest.mark.parametrize("status", [200, 207])
def test_only_the_listed_operations_were_refused(status: int) -> None:
    refusal = Refusal("invalid", "not an address", "email", b'{"n":1}')
    assert answer(status, {"errors": [refused_at(1)]}) == Settled([None, refusal, None])


def test_a_207_for_one_item_of_two() -> None:
    made = answer(207, {"errors": [refused_at(0)]}, THREE[:2])
    assert isinstance(made, Settled)
    assert [outcome is None for outcome in made.outcomes] == [False, True]


def test_an_index_that_repeats_is_one_refusal_with_both_messages() -> None:
    made = answer(207, {"errors": [refused_at(1), refused_at(1, reason="required", message="no name")]})
    assert made == Settled([None, Refusal("invalid", "not an address no name", "email", b'{"n":1}'), None])


@pytest.mark.parametrize("index", [3, -1, None, "1", True, 1.5])
def test_a_refusal_that_names_no_operation_of_ours_is_looked_for_by_halving(index: object) -> None:
    made = answer(207, {"errors": [refused_at(0), refused_at(index)]})
    assert isinstance(made, Refused)
    assert made.refusal.reason == "invalid"


@pytest.mark.parametrize("index", [0, 1, None])
def test_of_a_single_operation_whatever_is_refused_is_that_one(index: object) -> None:
    assert answer(207, {"errors": [refused_at(index)]}, ONE) == Settled(
        [Refusal("invalid", "not an address", "email", b'{"n":0}')]
    )


@pytest.mark.parametrize(
    "body", [b"<html>Welcome</html>", b"{", b"[]", b'"ok"', b"null", b"\xff", b"[" * 100_000, b"9" * 9000]
)
def test_a_success_that_cannot_be_read_is_sent_again(body: bytes) -> None:
    assert answer(200, body) == Retry("Hogline cannot read Customer.io's response. It keeps trying.")


def test_a_partial_success_that_does_not_say_which_is_sent_again() -> None:
    assert answer(207, b"") == Retry("Hogline cannot read Customer.io's response. It keeps trying.")


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 399])
def test_a_redirect_stops_the_connection_and_names_the_endpoint_option(status: int) -> None:
    made = answer(status)
    assert isinstance(made, Stop)
    assert "Tracking Endpoint" in made.reason


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_stop_the_connection(status: int) -> None:
    made = answer(status, {"meta": {"error": "Unauthorized request"}})
    assert isinstance(made, Stop)
    assert "credentials" in made.reason


@pytest.mark.parametrize("status", [404, 405])
def test_somebody_else_at_the_endpoint_stops_the_connection(status: int) -> None:
    made = answer(status, b"not found")
    assert isinstance(made, Stop)
    assert "Tracking Endpoint" in made.reason


@pytest.mark.parametrize("status", [404, 405])
def test_a_path_that_is_not_found_is_one_bad_event(status: int) -> None:
    made = answer(status, b"not found", BY_PATH)
    assert made == Refused(Refusal(f"refused_{status}", f"Customer.io returned {status}.", "", b"{}"))


@pytest.mark.parametrize("status", [100, 408, 425, 429, 500, 501, 502, 503, 504, 522, 524, 599, 600])
def test_what_passes_is_tried_again(status: int) -> None:
    assert answer(status) == Retry(
        f"Customer.io returned {status}. Hogline keeps trying.", None, throttled=status == 429
    )


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("", None),
        ("soon", None),
        ("99999999999", 3600),
        ("9" * 400, 3600),
        ("Sun, 01 Nov 2026 10:01:00 GMT", 60),
        ("Sun, 01 Nov 2026 09:59:00 GMT", 0),
        ("Sun, 01 Nov 2099 10:00:00 GMT", 3600),
        ("Sun, 01 Nov 2026 12:01:00 +0200", 60),
        ("Sun, 01 Nov 2026 10:01:00 -0000", 60),
        ("Sun, 01 Nov 2026 10:01:00", 60),
        ("Sun, 99 Nov 2026 10:01:00 GMT", None),
    ],
)
def test_retry_after_is_honoured_as_seconds_or_a_date(header: str, after_s: float | None) -> None:
    assert answer(503, retry_after=header) == Retry("Customer.io returned 503. Hogline keeps trying.", after_s)


@pytest.mark.parametrize("status", [400, 402, 409, 413, 422, 499])
def test_a_request_refused_as_a_whole(status: int) -> None:
    made = answer(status)
    assert made == Refused(Refusal(f"refused_{status}", f"Customer.io returned {status}."))


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"meta": {"error": "bad name"}}, Refusal("refused_400", "bad name")),
        ({"meta": {"errors": ["bad name", "bad time"]}}, Refusal("refused_400", "bad name bad time")),
        (
            {"errors": [{"reason": "Required", "field": "name", "message": "must be there"}]},
            Refusal("required", "must be there", "name"),
        ),
        ({"errors": "odd"}, Refusal("refused_400", "odd")),
        ({"errors": [7, None]}, Refusal("refused_400", "Customer.io returned 400.")),
        ({"errors": [{"reason": 5, "field": [], "message": {}}]}, Refusal("refused_400", "Customer.io returned 400.")),
        ({"meta": "odd"}, Refusal("refused_400", "Customer.io returned 400.")),
        (b"<html>", Refusal("refused_400", "Customer.io returned 400.")),
    ],
)
def test_all_forms_of_error_bodies_are_read(body: object, refusal: Refusal) -> None:
    assert answer(400, body) == Refused(refusal)


@pytest.mark.parametrize("reason", ["has blanks", "ann@example.com", "x" * 41, "", "5", "ümlaut"])
def test_a_reason_that_is_no_short_word_is_not_counted_by(reason: str) -> None:
    made = answer(400, {"errors": [{"reason": reason, "message": "m"}]})
    assert made == Refused(Refusal("refused_400", "m"))


def test_long_texts_of_the_server_are_cut() -> None:
    made = answer(400, {"errors": [{"reason": "invalid", "message": "m" * 9000, "field": "f" * 9000}]}, ONE)
    assert made == Refused(Refusal("invalid", "m" * 500, "f" * 100, b'{"n":0}'))
