"""One bad value does not keep a person from existing: an identify that is refused is sent again without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from people_bench import PeopleBench, identify, said

from hogline.core.changes import Failure
from hogline.model import Response

pytestmark = pytest.mark.anyio

named = pytest.mark.parametrize("names_field", [True, False], ids=["the answer names it", "the answer does not"])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect()
    yield made
    await made.close()


async def letters(bench: PeopleBench) -> list[Failure]:
    return await bench.state.failures(bench.connection.id)


def in_letter(letter: Failure) -> list[object]:
    """The attributes of each refused operation that a failure keeps."""
    return [msgspec.json.decode(refusal.operation)["attributes"] for refusal in letter.refusals]


@named
async def test_an_identify_refused_for_one_attribute_is_sent_again_without_it(
    bench: PeopleBench,
    names_field: bool,  # noqa: FBT001 - one case each
) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    bench.server.names_field = names_field
    counts = await bench.deliver(
        said("signed up", "ada", 1, set={"plan": "pro", "bad": "x", "seats": 3, "city": "Ulm"})
    )
    assert bench.customer("ada").attributes == {"plan": "pro", "seats": 3, "city": "Ulm"}
    assert [one.name for one in bench.events_of("ada")] == ["signed up"]
    assert (counts.delivered, counts.failures) == (0, {"invalid": 1})


@named
async def test_the_failure_holds_only_the_attribute(bench: PeopleBench, names_field: bool) -> None:  # noqa: FBT001 - one case each
    bench.server.refuses = lambda name, _: name == "bad"
    bench.server.names_field = names_field
    await bench.deliver(said("signed up", "ada", 1, set={"plan": "pro", "bad": "x", "seats": 3}))
    (letter,) = await letters(bench)
    assert in_letter(letter) == [{"bad": "x"}]


async def test_several_refused_attributes_are_each_found(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name.startswith("bad")
    bench.server.names_field = False
    values = {f"good_{n}": n for n in range(20)}
    await bench.deliver(said("signed up", "ada", 1, set={**values, "bad_1": 1, "bad_2": 2}))
    (letter,) = await letters(bench)
    assert sorted(map(str, in_letter(letter))) == ["{'bad_1': 1}", "{'bad_2': 2}"]
    assert bench.customer("ada").attributes == values


@pytest.mark.parametrize(("names_field", "most"), [(True, 4), (False, 12)])
async def test_300_attributes_with_one_bad_one_need_few_requests(
    bench: PeopleBench,
    names_field: bool,  # noqa: FBT001 - one case each
    most: int,
) -> None:
    bench.server.refuses = lambda name, _: name == "a_217"
    bench.server.names_field = names_field
    counts = await bench.deliver(said("signed up", "ada", 1, set={f"a_{n}": n for n in range(300)}))
    assert len(bench.customer("ada").attributes) == 299
    assert counts.requests == len(bench.server.requests) <= most


async def test_only_who_has_a_bad_value_is_sent_again(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(
        *[said("a", f"user-{n}", n, set={"plan": "pro"} | ({"bad": 1} if n == 7 else {})) for n in range(30)]
    )
    again = [one for request in bench.server.requests[1:] for one in request]
    assert {one["identifiers"]["id"] for one in again} == {"user-7"}
    assert all(one.attributes == {"plan": "pro"} for one in bench.server.people)


async def test_a_refused_attribute_does_not_count_as_sent(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"plan": "pro", "bad": "x"}))
    ada = await bench.known("ada")
    assert (ada.accepted, ada.unsent, ada.refused) == ({"plan": "pro"}, {}, {"bad": "x"})


async def test_a_refused_attribute_is_not_sent_again_until_it_changes(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, value: name == "bad" and value == "x"
    await bench.deliver(said("a", "ada", 1, set={"bad": "x"}))
    asked = len(bench.server.requests)
    counts = await bench.deliver(said("b", "ada", 2, set={"bad": "x"}))
    assert len(bench.server.requests) == asked + 1
    assert counts.delivered == 1
    counts = await bench.deliver(said("c", "ada", 3, set={"bad": "y"}))
    assert bench.customer("ada").attributes == {"bad": "y"}
    assert counts.delivered == 2


async def test_a_refused_attribute_is_sent_again_when_it_is_retried(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"plan": "pro", "bad": "x"}), said("b", "ada", 2))
    bench.server.refuses = None
    counts = await bench.retry_all()
    assert (counts.delivered, counts.failures) == (2, {})
    assert bench.customer("ada").attributes == {"plan": "pro", "bad": "x"}
    assert [one.name for one in bench.events_of("ada")] == ["a", "b"]  # the event once: it has its ULID
    assert (await bench.known("ada")).refused == {}


async def test_a_retry_does_not_bring_an_old_value_back(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, value: name == "plan" and value == "old"
    await bench.deliver(said("a", "ada", 1, set={"plan": "old"}), said("b", "ada", 2, set={"plan": "new"}))
    bench.server.refuses = None
    await bench.retry_all()
    assert bench.customer("ada").attributes == {"plan": "new"}


async def test_a_retry_that_is_refused_again_stays_one_failure(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"plan": "pro", "bad": "x"}))
    counts = await bench.retry_all()
    assert counts.failures == {"invalid": 1}
    (letter,) = await letters(bench)
    assert in_letter(letter) == [{"bad": "x"}]


async def test_the_next_event_in_the_same_request_is_not_misled(bench: PeopleBench) -> None:
    """It was planned as if all of the first identify were accepted."""
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"bad": "x", "plan": "free"}), said("b", "ada", 2, set={"plan": "pro"}))
    ada = await bench.known("ada")
    assert (ada.accepted, ada.refused, ada.unsent) == ({"plan": "pro"}, {"bad": "x"}, {})


async def test_a_person_whose_only_attribute_is_refused_exists_all_the_same(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"bad": "x"}))
    assert bench.customers() == [("ada", None)]


async def test_an_identify_without_an_event_is_divided_too(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    counts = await bench.deliver(said("$set", "ada", 1, set={"plan": "pro", "bad": "x"}))
    assert bench.customer("ada").attributes == {"plan": "pro"}
    assert counts.failures == {"invalid": 1}


async def test_of_an_identify_with_nothing_good_in_it_the_customer_is_left(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name in {"bad", "worse"}
    counts = await bench.deliver(said("$set", "ada", 1, set={"bad": "x", "worse": "y"}))
    assert bench.customers() == [("ada", None)]
    assert counts.failures == {"invalid": 1}


async def test_when_nearly_everything_is_refused_nothing_is_divided(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is a wrong configuration: dividing would only make it many more requests."""
    monkeypatch.setattr("hogline.delivery.carrier.FEW", 49)
    bench.server.refuses = lambda _name, _value: True
    counts = await bench.deliver(*[said("$set", f"user-{n}", n, set={"a": 1, "b": 2}) for n in range(50)])
    assert [len(request) for request in bench.server.requests] == [50]
    assert counts.failures == {"invalid": 50}


async def test_many_refused_ones_in_a_large_request_are_divided_all_the_same(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage, a request may have a thousand people, and more than a hundred of them one bad value."""
    monkeypatch.setattr("hogline.delivery.carrier.FEW", 5)
    bench.server.refuses = lambda name, _: name == "bad"
    people = [said("$set", f"u{n}", n, set={"plan": "pro", "good" if n % 3 else "bad": "x"}) for n in range(360)]
    counts = await bench.deliver(*people)
    assert [bench.customer(f"u{n}").attributes["plan"] for n in range(0, 360, 3)] == ["pro"] * 120
    assert counts.failures == {"invalid": 120}


async def test_an_attribute_refused_for_a_held_events_user_does_not_lose_what_was_held(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30)
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(said("a", "ada", 1, set={"bad": "x", "plan": "pro"}), said("b", "ada", 2))
    counts = await bench.deliver(identify("ada", 3))
    assert [one.name for one in bench.events_of("ada")] == ["a", "b", "$identify"]
    assert bench.customer("ada").attributes == {"plan": "pro"}
    assert counts.held == 0


async def test_an_outage_while_it_is_divided_costs_time_only(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "bad"
    bench.server.script = [lambda _: None, Response(503, {}, b""), Response(503, {}, b"")]
    counts = await bench.deliver(said("a", "ada", 1, set={"bad": "x", "plan": "pro"}))
    assert bench.customer("ada").attributes == {"plan": "pro"}
    assert counts.retries == {"503": 2}
