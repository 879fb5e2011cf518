"""People: found, shown with how they are sent or why not, one of them in full, and forgotten."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.console import people
from hogline.console.people import ON_A_PAGE
from hogline.core.changes import Flush, Settlement
from hogline.core.known import Fact, Person
from hogline.core.sync import fingerprint
from hogline.core.told import Customer, Mark, Told
from hogline.destinations.engage import ENGAGE
from hogline.model import Request, Response
from hogline.service import people_list
from hogline.service.last_seen import LastSeen

pytestmark = pytest.mark.anyio

PEOPLE = "/connections/shop/people"
EVERYONE = f"{PEOPLE}?show=everyone"
PERSON = "/connections/shop/person?id="
FORGET = "/connections/shop/forget"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", {**GOOD, "anonymous_users": "identified"}, name="shop")
        yield made


async def known(browser: Browser, *people: Person) -> None:
    await browser.bench.service.state.flush(Flush({}, {one.id: one for one in people}, 0))


def identified(distinct_id: str, **attributes: object) -> dict[str, object]:
    return {"event": "$identify", "distinct_id": distinct_id, "properties": {"$set": attributes}}


async def test_nobody_yet_says_where_to_begin(browser: Browser) -> None:
    said = words((await browser.get(PEOPLE)).text)
    assert "No people yet" in said
    assert "Connect PostHog" in said


async def test_engage_says_that_it_knows_people_by_itself(browser: Browser) -> None:
    await browser.bench.service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, name="mail")
    assert "People are in Engage Engage keeps and merges people" in words(
        (await browser.get("/connections/mail/people")).text
    )


async def test_a_person_is_listed_with_whom_the_destination_knows_them_as(browser: Browser) -> None:
    await settle(browser, identified("ada", email="Ada@Example.com"))
    page = (await browser.get(PEOPLE)).text
    assert re.search(r"ada Ada@Example.com \S+ \S+ UTC id ada", words(page))


async def test_whoever_is_not_sent_is_listed_with_the_reason_in_words(browser: Browser) -> None:
    await settle(browser, {"event": "seen", "distinct_id": "ben", "$set": {"plan": "free"}})
    assert "No customers yet" in words((await browser.get(PEOPLE)).text)
    assert "Not sent This connection only sends identified people" in words((await browser.get(EVERYONE)).text)


async def test_people_are_found_by_a_part_of_the_id_or_the_email(browser: Browser) -> None:
    await settle(browser, identified("ada", email="first@example.com"), identified("ben", email="other@example.com"))
    for text, found in (("ADA", ["ada"]), ("FIRST@", ["ada"]), ("example", ["ada", "ben"]), ("telegraph", [])):
        page = (await browser.get(f"{PEOPLE}?q={text}")).text
        assert [name for name in ("ada", "ben") if f"?id={name}" in page] == found
        assert ("No match" in page) is (found == [])


async def test_there_are_pages_and_the_search_goes_along(browser: Browser) -> None:
    await known(browser, *(Person(f"user-{n:03}") for n in range(ON_A_PAGE + 5)), Person("zoe"))
    first = (await browser.get(f"{EVERYONE}&q=user")).text
    assert first.count('scope="row"') == ON_A_PAGE
    second = (await browser.get(linked(first, "next"))).text
    assert second.count('scope="row"') == 5
    assert 'rel="next"' not in second
    assert rows_of((await browser.get(linked(second, "prev"))).text) == rows_of(first)


def linked(page: str, rel: str) -> str:
    """The path of the next page, or the one before."""
    found = re.search(rf'rel="{rel}" href="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def rows_of(page: str) -> list[str]:
    return [html.unescape(unquote(one)) for one in re.findall(r'<tr id="person-([^"]*)"', page)]


async def test_who_was_seen_last_comes_first_and_pages_go_both_ways(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ON_A_PAGE", 2)
    names = [f"user-{n}" for n in range(7)]
    await settle(browser, *(identified(name) for name in names))
    await settle(browser, {"event": "seen", "distinct_id": "user-2"})
    expected = ["user-2", "user-6", "user-5", "user-4", "user-3", "user-1", "user-0"]
    pages = [(await browser.get(PEOPLE)).text]
    while 'rel="next"' in pages[-1]:
        pages.append((await browser.get(linked(pages[-1], "next"))).text)
    assert [one for page in pages for one in rows_of(page)] == expected
    back = [pages[-1]]
    while 'rel="prev"' in back[-1]:
        back.append((await browser.get(linked(back[-1], "prev"))).text)
    assert rows_of(back[-1]) == expected[:2]
    assert [one for page in reversed(back) for one in rows_of(page)] == expected


async def test_who_was_not_seen_lately_comes_after_them_in_order(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ON_A_PAGE", 2)
    await settle(browser, *(identified(f"user-{n}") for n in range(5)))
    browser.bench.service.people_list._seen = LastSeen(browser.bench.service.journal)
    monkeypatch.setattr("hogline.service.last_seen.MOST", 1)
    monkeypatch.setattr("hogline.service.last_seen.READ_AT_ONCE", 1)
    pages = [(await browser.get(PEOPLE)).text]
    while 'rel="next"' in pages[-1]:
        pages.append((await browser.get(linked(pages[-1], "next"))).text)
    assert [rows_of(page) for page in pages] == [["user-4", "user-0"], ["user-1", "user-2"], ["user-3"]]
    assert rows_of((await browser.get(linked(pages[2], "prev"))).text) == ["user-1", "user-2"]
    assert "earlier" in pages[1]


async def test_somebody_is_listed_once_with_their_name_whatever_was_merged(browser: Browser) -> None:
    await settle(
        browser,
        {"event": "seen", "distinct_id": "visitor"},
        {
            "event": "$identify",
            "distinct_id": "ada",
            "properties": {"$anon_distinct_id": "visitor", "$set": {"name": "Ada Lovelace"}},
        },
        identified("ben", first_name="Ben", last_name="Bitdiddle"),
        {"event": "seen", "distinct_id": "visitor"},
    )
    page = (await browser.get(PEOPLE)).text
    assert rows_of(page) == ["ada", "ben"]
    said = words(page)
    assert "Ada Lovelace ada +1 id" in said
    assert "Ben Bitdiddle" in said
    assert "2 customers of 2 people known, last seen first." in said


async def test_people_are_found_by_an_attribute(browser: Browser) -> None:
    await settle(
        browser,
        identified("ada", plan="pro", seats=3),
        identified("ben", plan="profane"),
        identified("cleo", plan="pro", seats=3.5, happy=True),
    )
    for query, found in (
        ("attribute=plan&value=pro", ["cleo", "ada"]),
        ("attribute=seats&value=3", ["ada"]),
        ("attribute=happy&value=true", ["cleo"]),
        ("attribute=plan&value=pro&q=CLE", ["cleo"]),
        ("attribute=pro&value=plan", []),
        ("attribute=plan", []),
    ):
        assert rows_of((await browser.get(f"{PEOPLE}?{query}")).text) == found, query


@pytest.mark.parametrize("query", ["q=nobody", "attribute=plan&value=none"])
async def test_a_search_that_takes_long_stops_and_says_so(
    browser: Browser, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_list, "SEARCH_WITHIN_S", 0)
    await settle(browser, identified("zoe", email="zoe@example.com", plan="pro"))
    await known(browser, *(Person(f"user {n}", {"plan": Fact("pro", 0, 1)}) for n in range(3_000)))
    page = (await browser.get(f"{PEOPLE}?{query}")).text
    assert "No match so far Not everyone was searched." in words(page)
    more = html.unescape(re.findall(r'href="([^"]*all=1)"', page)[0])
    assert "No customer matches." in words((await browser.get(more)).text)
    for whole in ("zoe", "ZOE@example.com", "zoe&attribute=plan&value=pro"):
        found = (await browser.get(f"{PEOPLE}?q={whole}")).text
        assert rows_of(found) == ["zoe"], whole
        assert "Not everyone was searched." in words(found)


async def test_a_forgotten_person_is_in_no_list(browser: Browser) -> None:
    await settle(browser, identified("ada"), identified("ben"))
    assert rows_of((await browser.get(PEOPLE)).text) == ["ben", "ada"]
    await browser.post(FORGET, id="ada")
    assert rows_of((await browser.get(EVERYONE)).text) == ["ben"]


@pytest.mark.parametrize("at", ["x", "<", "<-1", "@x", "<" + "9" * 30])
async def test_a_page_that_does_not_exist_is_said(browser: Browser, at: str) -> None:
    reply = await browser.get(f"{PEOPLE}?at={quote(at)}")
    assert reply.status == 400
    assert "This page does not exist." in reply.text


HOSTILE = (
    "<script>alert(1)</script>",
    "a/b?c=d&e#f",
    "\"double\" 'single'",
    "..",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{RIGHT-TO-LEFT OVERRIDE}evil",
    "{{ 7 * 7 }}",
    "x" * 10_000,
)


@pytest.mark.parametrize("distinct_id", HOSTILE)
async def test_whatever_somebody_is_called_is_text_and_leads_to_their_page(browser: Browser, distinct_id: str) -> None:
    await known(browser, Person(distinct_id, {distinct_id[:200]: Fact(distinct_id[:200], 0, 1)}))
    page = (await browser.get(EVERYONE)).text
    assert "<script>alert" not in page
    link = f"{PERSON}{quote(distinct_id)}"
    assert link in page
    for path in (
        link,
        f"{FORGET}?id={quote(distinct_id, safe='')}",
        f"{EVERYONE}&q={quote(distinct_id[:300], safe='')}",
    ):
        reply = await browser.get(path)
        assert reply.status == 200
        assert "<script>alert" not in reply.text


async def test_one_person_is_shown_whole(browser: Browser) -> None:
    await settle(
        browser,
        {"event": "seen", "distinct_id": "visitor", "$set": {"plan": "free"}},
        {"event": "$identify", "distinct_id": "ada", "properties": {"$anon_distinct_id": "visitor"}},
        {"event": "ordered", "distinct_id": "ada", "$set": {"email": "ada@example.com"}},
    )
    said = words((await browser.get(f"{PERSON}ada")).text)
    assert "Customer.io profile Sent id ada" in said
    assert "email ada@example.com Accepted" in said
    assert "plan free Accepted" in said
    assert "ordered" in said
    assert "Merged ids" in said
    assert "visitor" in said
    joined = words((await browser.get(f"{PERSON}visitor")).text)
    assert "PostHog merged this id into ada" in joined


async def test_an_attribute_says_what_became_of_it_and_why(browser: Browser) -> None:
    said = {"plan": "pro", "city": "Oslo", "age": -1, "gone": None, "email": "ada@example.com"}
    await known(browser, Person("ada", {name: Fact(value, 0, 1) for name, value in said.items()}, identified_at=1))
    main = Customer(
        "id",
        "ada",
        "accepted",
        names={"city": Mark(1, fingerprint("Oslo")), "plan": Mark(0, fingerprint("free")), "gone": Mark(0, 7)},
        refused={"age": Mark(1, fingerprint(-1))},
    )
    await browser.bench.service.state.settle(Settlement(connection=1, lanes={}, told={"ada": Told(main)}))
    shown = words((await browser.get(f"{PERSON}ada")).text)
    assert "age -1 Rejected It is not sent again until it changes or you resend this person." in shown
    assert "city Oslo Accepted" in shown
    assert "email ada@example.com Not sent yet It is sent with their next event." in shown
    assert "gone removed Not sent yet It is sent with their next event." in shown
    assert "plan pro Not sent yet It is sent with their next event." in shown


async def test_what_the_options_leave_out_comes_after_the_other_attributes(browser: Browser) -> None:
    await settle(browser, identified("ada", **{"$os": "Linux", "plan": "pro", "city": "Oslo"}))
    page = (await browser.get(f"{PERSON}ada")).text
    assert page.index(">city<") < page.index(">plan<") < page.index(">$os<")


async def test_a_person_is_headed_by_what_they_are_called(browser: Browser) -> None:
    await settle(browser, identified("ada", name="Ada Lovelace"), identified("ben"))
    assert '<h2 class="person-id"><bdi>Ada Lovelace</bdi></h2>' in (await browser.get(f"{PERSON}ada")).text
    assert '<h2 class="person-id"><bdi>ben</bdi></h2>' in (await browser.get(f"{PERSON}ben")).text


async def test_a_person_is_sent_again_by_a_button(browser: Browser) -> None:
    ben: dict[str, object] = {"event": "seen", "distinct_id": "ben", "$set": {"plan": "pro"}}
    await settle(browser, identified("ada", email="ada@example.com"), ben)
    assert "Send again" in (await browser.get(f"{PERSON}ada")).text
    assert "Send again" not in (await browser.get(f"{PERSON}ben")).text
    reply = await browser.post("/connections/shop/person/resend?id=ada")
    assert (reply.status, reply.headers["location"]) == (303, f"{PERSON}ada")
    said = words((await browser.get(f"{PERSON}ada")).text)
    assert "This person is sent again now: their customer with email and attributes." in said
    await browser.post("/connections/shop/person/resend?id=ben")
    assert "there is nothing to resend" in words((await browser.get(f"{PERSON}ben")).text)


async def test_everyone_is_sent_again_by_a_button_and_stopped_by_another(browser: Browser) -> None:
    await settle(browser, identified("ada"), identified("ben"))
    await browser.bench.service.connections.pause("shop")
    assert "Send everyone again" in (await browser.get("/connections/shop/people")).text
    reply = await browser.post("/connections/shop/people/resend")
    assert (reply.status, reply.headers["location"]) == (303, "/connections/shop/people")
    said = words((await browser.get("/connections/shop/people")).text)
    assert "Everyone is sent again. Live events still go first." in said
    assert "0 of 2 people sent again. It continues once shop is running. Stop" in said
    await browser.post("/connections/shop/people/resend/cancel")
    assert "Stopped. 0 of 2 people were sent again." in words((await browser.get("/connections/shop/people")).text)


async def test_somebody_who_is_not_known_is_not_found(browser: Browser) -> None:
    reply = await browser.get(f"{PERSON}nobody")
    assert reply.status == 404
    assert "shop has no person with this distinct_id." in reply.text


async def test_forgetting_says_first_what_will_happen(browser: Browser) -> None:
    await settle(
        browser, identified("ada"), {"event": "$create_alias", "distinct_id": "ada", "properties": {"alias": "pad"}}
    )
    for one in ("ada", "pad"):
        said = words((await browser.get(f"{FORGET}?id={one}")).text)
        assert "shop : deletes the profile ada and every profile merged with it." in said
        assert "Also under pad ." in said
    assert len(await browser.bench.service.people.find()) == 2


async def test_forgetting_lists_every_connection_also_those_that_cannot_forget(browser: Browser) -> None:
    service = browser.bench.service
    await settle(browser, identified("ada"))
    await service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, name="mail")
    await service.connections.add("customerio", GOOD, name="store", paused=True)
    said = words((await browser.get(f"{FORGET}?id=ada")).text)
    assert "shop : deletes the profile ada ." in said
    assert f"mail : {ENGAGE.cannot_forget}" in said
    assert "store : nothing to delete" in said


async def test_forgetting_removes_and_says_what_was_removed(browser: Browser) -> None:
    await settle(browser, identified("ada"), identified("ben"))
    reply = await browser.post(FORGET, id="ada")
    said = words(reply.text)
    assert "One person with 1 id. 1 event removed from the journal." in said
    assert "shop 1 customer deleted, confirmed by Customer.io 1 id, 0 held, 0 failures" in said
    assert [person.distinct_id for person in await browser.bench.service.people.find()] == ["ben"]


async def test_whoever_is_suppressed_does_not_come_back(browser: Browser) -> None:
    await settle(browser, identified("ada"))
    reply = await browser.post(FORGET, id="ada", suppress="yes")
    assert "Future events with these ids and emails are dropped" in reply.text
    await settle(browser, identified("ada"))
    assert await browser.bench.service.people.find() == []


async def test_a_destination_that_refuses_keeps_everything_and_the_choice(browser: Browser) -> None:
    await settle(browser, identified("ada"))

    async def refuse(_request: Request) -> Response:
        return Response(500, {}, b"")

    browser.bench.customerio.instead = refuse
    reply = await browser.post(FORGET, id="ada", suppress="yes")
    assert reply.status == 422
    assert "Nothing was removed here" in reply.text
    assert 'value="yes" checked' in reply.text
    assert len(await browser.bench.service.people.find()) == 1


async def test_a_form_without_an_id_forgets_nobody(browser: Browser) -> None:
    assert (await browser.post(FORGET)).status == 400


async def test_the_report_says_what_could_not_be_reached(browser: Browser, tmp_path: Path) -> None:
    await settle(browser, identified("ada-4711"))
    await browser.bench.service.connections.add("engage", {"public_key": "p", "secret_key": "s"}, name="mail")
    (next(tmp_path.rglob("state.db")).parent / "copy.txt").write_text("ada-4711")
    said = words((await browser.post(FORGET, id="ada-4711")).text)
    assert "mail Hogline cannot delete people in Engage. Delete this user there." in said
    assert "Other files in the data directory still name them: copy.txt. Delete them yourself." in said


async def test_whoever_is_not_known_any_more_is_not_forgotten_twice(browser: Browser) -> None:
    reply = await browser.post(FORGET, id="nobody")
    assert reply.status == 422
    assert "No person has this id or email." in reply.text


async def test_what_is_kept_about_somebody_can_be_saved_as_a_file(browser: Browser) -> None:
    await settle(browser, identified("ada", email="ada@example.com"))
    assert "/connections/shop/person/export?id=ada" in (await browser.get(f"{PERSON}ada")).text
    browser.stays = True
    reply = await browser.get("/connections/shop/person/export?id=ada")
    assert reply.headers["content-disposition"] == 'attachment; filename="person.json"'
    assert [one["event"] for one in json.loads(reply.text)["events"]] == ["$identify"]
    assert (await browser.get("/connections/shop/person/export?id=nobody")).status == 404
