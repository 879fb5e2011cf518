"""Accounts at the console: who sees and does what, the pages, and sign-in by a trusted proxy's header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import OWN, PASSWORD, Browser, console_in
from events_bench import words
from service_bench import GOOD

from hogline.store.audit import Wanted
from hogline.store.datadir.roles import ROLES, Role

pytestmark = pytest.mark.anyio

HERS = "a password of Ada's"
PROXY = "10.0.0.1"
HEADER = "X-Forwarded-Email"
BY_PROXY = {"trusted_proxies": "10.0.0.0/8", "console_sign_in_header": HEADER}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def become(browser: Browser, role: Role) -> None:
    await browser.bench.service.accounts.add("ada@example.com", role, HERS)
    browser.cookies = {}
    assert (await browser.sign_in(HERS, "Ada@Example.com")).status == 303


PAGES: dict[str, Role] = {
    "/": "viewer",
    "/account": "viewer",
    "/connections/shop/overview": "viewer",
    "/connections/shop/people": "viewer",
    "/connections/shop/live": "viewer",
    "/connections/shop/failures": "viewer",
    "/connections/shop/try": "viewer",
    "/connect-posthog": "operator",
    "/connections/shop/failures/discard": "operator",
    "/connections/shop/forget?id=x": "operator",
    "/connections/shop/settings": "admin",
    "/connections/shop/disconnect": "admin",
    "/install/customerio": "admin",
    "/api-tokens": "admin",
    "/accounts": "admin",
    "/audit": "admin",
    "/audit/export": "admin",
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_opens_its_pages_and_no_others(browser: Browser, role: Role) -> None:
    await become(browser, role)
    statuses = {path: (await browser.get(path)).status for path in PAGES}
    assert statuses == {path: 200 if ROLES.index(role) >= ROLES.index(least) else 403 for path, least in PAGES.items()}


DEEDS: list[tuple[str, dict[str, str], Role]] = [
    ("/connections/shop/switch", {"run": "no"}, "operator"),
    ("/connections/shop/pause", {}, "operator"),
    ("/connections/shop/failures/retry", {}, "operator"),
    ("/connections/shop/failures/discard", {}, "operator"),
    ("/connections/shop/forget", {"id": "x"}, "operator"),
    ("/connections/shop/settings", {"do": "save", "hold_days": "7"}, "admin"),
    ("/connections/shop/settings", {"do": "test"}, "admin"),
    ("/install/customerio", {"site_id": "a", "api_key": "b", "do": "save", "name": "x"}, "admin"),
    ("/api-tokens", {"do": "make", "name": "x"}, "admin"),
    ("/accounts", {"do": "add", "account": "eve", "role": "admin", "password": HERS}, "admin"),
    ("/accounts", {"do": "role", "account": "ada@example.com", "role": "admin"}, "admin"),
    ("/connections/shop/disconnect", {}, "admin"),
]


@pytest.mark.parametrize(("path", "form", "least"), DEEDS, ids=[f"{path} {form}" for path, form, _ in DEEDS])
async def test_what_a_role_may_not_do_is_not_done(
    browser: Browser, path: str, form: dict[str, str], least: Role
) -> None:
    lower = ROLES[ROLES.index(least) - 1]
    await become(browser, lower)
    service = browser.bench.service
    before = (await service.connections.all(), await service.accounts.all(), await service.api_tokens.all())
    reply = await browser.post(path, **form)
    assert reply.status == 403
    assert f"This needs the role {least}; ada@example.com has the role {lower}." in reply.text
    assert (await service.connections.all(), await service.accounts.all(), await service.api_tokens.all()) == before


async def test_what_a_role_may_not_do_is_not_offered(browser: Browser) -> None:
    await become(browser, "viewer")
    home = (await browser.get("/")).text
    for absent in ("/connect-posthog", "/api-tokens", "/accounts", "/audit", 'role="switch"', "/install/", "/settings"):
        assert absent not in home
    assert "Retry" not in words((await browser.get("/connections/shop/failures")).text)


async def test_a_role_changes_from_the_next_request_on_and_a_removed_account_is_out(browser: Browser) -> None:
    await become(browser, "admin")
    assert (await browser.get("/accounts")).status == 200
    await browser.bench.service.accounts.set_role("ada@example.com", "viewer")
    assert (await browser.get("/accounts")).status == 403
    await browser.bench.service.accounts.remove("ada@example.com")
    assert (await browser.get("/")).status == 303


async def test_the_page_adds_changes_and_removes_accounts(browser: Browser) -> None:
    add = {"do": "add", "account": "Grace@example.com", "role": "viewer", "password": HERS}
    assert (await browser.post("/accounts", **add)).status == 303
    assert "Added grace@example.com as viewer." in (await browser.get("/accounts")).text
    assert (await browser.post("/accounts", do="role", account="grace@example.com", role="operator")).status == 303
    assert (await browser.post("/accounts", do="password", account="grace@example.com", password="x")).status == 422
    changed = await browser.post("/accounts", do="password", account="grace@example.com", password="another of Grace's")
    assert changed.status == 303
    other = Browser(browser.bench, browser.console.settings)
    assert (await other.sign_in("another of Grace's", "grace@example.com")).status == 303
    assert (await browser.post("/accounts", do="remove", account="grace@example.com")).status == 303
    assert [one.name for one in await browser.bench.service.accounts.all()] == ["admin"]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"do": "add", "account": "ADMIN", "role": "viewer", "password": HERS}, "The account admin already exists."),
        ({"do": "add", "account": "a b", "role": "viewer", "password": HERS}, "A name may have"),
        ({"do": "add", "account": "eve", "role": "viewer", "password": "short"}, "must have 10 to 1,000 characters"),
        ({"do": "remove", "account": "admin"}, "admin is the only admin. Make another account an admin first."),
        ({"do": "role", "account": "admin", "role": "viewer"}, "admin is the only admin."),
        ({"do": "role", "account": "nobody", "role": "viewer"}, "Account not found."),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(browser: Browser, form: dict[str, str], sentence: str) -> None:
    reply = await browser.post("/accounts", **form)
    assert reply.status == 422
    assert sentence in reply.text


async def test_everybody_changes_their_own_password_and_stays_signed_in(browser: Browser) -> None:
    await become(browser, "viewer")
    for old, new, again, sentence in (
        ("wrong", "another of Ada's", "another of Ada's", "Wrong password"),
        (HERS, "another of Ada's", "another", "do not match"),
        (HERS, "short", "short", "must have 10"),
    ):
        reply = await browser.post("/account", old=old, new=new, again=again)
        assert (reply.status, sentence in reply.text) == (422, True)
    assert (await browser.post("/account", old=HERS, new="another of Ada's", again="another of Ada's")).status == 303
    assert "Your password was changed." in (await browser.get("/account")).text
    other = Browser(browser.bench, browser.console.settings)
    assert (await other.sign_in(HERS, "ada@example.com")).status == 403
    assert (await other.sign_in("another of Ada's", "ada@example.com")).status == 303


async def test_no_answer_tells_whether_there_is_an_account(browser: Browser) -> None:
    await browser.bench.service.accounts.add("ada@example.com", "viewer", HERS)
    browser.cookies = {}
    replies = [await browser.sign_in("wrong password", name) for name in ("ada@example.com", "bob@example.com")]
    pages = [reply.text.replace("bob", "ada") for reply in replies]
    assert (replies[0].status, pages[0]) == (replies[1].status, pages[1])


async def test_signing_in_and_failing_to_is_noted(browser: Browser) -> None:
    service = browser.bench.service
    await become(browser, "viewer")
    await browser.post("/sign-out")
    browser.cookies, browser.address = {}, "192.0.2.9"
    await browser.sign_in("wrong password", "ada@example.com")
    await browser.sign_in("wrong password", "typed-my-password-here")
    noted = [(one.action, one.who, one.address) for one in await service.audit.newest(Wanted(since_ms=1))]
    assert noted[:4] == [
        ("sign_in_failed", "unknown", "192.0.2.9"),
        ("sign_in_failed", "ada@example.com", "192.0.2.9"),
        ("sign_out", "ada@example.com", "127.0.0.1"),
        ("sign_in", "ada@example.com", "127.0.0.1"),
    ]


async def test_the_audit_page_shows_filters_and_exports(browser: Browser) -> None:
    await browser.bench.service.connections.configure("shop", {"hold_days": 7})
    shown = words((await browser.get("/audit")).text)
    assert "Changed options: shop. Keep anonymous events: 0 → 7" in shown
    assert "No entries match this filter." in (await browser.get("/audit?who=nobody")).text
    lines = (await browser.get("/audit/export?action=options_changed")).text.splitlines()
    assert len(lines) == 1
    assert '"action":"options_changed"' in lines[0]


async def proxied(tmp_path: Path, **headers: str) -> tuple[int, str]:
    async with console_in(tmp_path, signed_in=False, **BY_PROXY) as browser:
        await browser.bench.service.accounts.add("ada@example.com", "operator")
        browser.address = PROXY
        reply = await browser.get("/account", **headers)
        return reply.status, reply.text


async def test_a_trusted_proxy_names_who_has_signed_in(tmp_path: Path) -> None:
    status, text = await proxied(tmp_path, x_forwarded_email="Ada@example.com")
    assert status == 200
    assert "<b>ada@example.com</b>, with the role <b>operator</b>, through the proxy" in text
    assert "Sign out" not in text


async def test_whoever_has_no_account_is_told_so(tmp_path: Path) -> None:
    status, text = await proxied(tmp_path, x_forwarded_email="eve@example.com")
    assert status == 403
    assert "Hogline has no account with this name" in text


NOT_BY_PROXY: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "off by default": ({}, PROXY, {HEADER: "admin"}),
    "only a proxy listed but no header": ({"trusted_proxies": PROXY}, PROXY, {HEADER: "admin"}),
    "from elsewhere": (BY_PROXY, "192.0.2.1", {HEADER: "admin"}),
    "from elsewhere, named as a proxy": (BY_PROXY, "192.0.2.1", {HEADER: "admin", "x-forwarded-for": PROXY}),
    "another header": (BY_PROXY, PROXY, {"x-forwarded-user": "admin"}),
    "an empty header": (BY_PROXY, PROXY, {HEADER: " "}),
}


@pytest.mark.parametrize(("settings", "address", "headers"), NOT_BY_PROXY.values(), ids=NOT_BY_PROXY.keys())
async def test_nobody_else_can_say_who_they_are(
    tmp_path: Path, settings: dict[str, str], address: str, headers: dict[str, str]
) -> None:
    async with console_in(tmp_path, signed_in=False, **settings) as browser:
        browser.address = address
        assert (await browser.ask("GET", "/account", headers)).status == 303


async def test_a_session_of_the_proxy_ends_with_its_word_and_is_noted_once(tmp_path: Path) -> None:
    async with console_in(tmp_path, signed_in=False, **BY_PROXY) as browser:
        await browser.bench.service.accounts.add("ada@example.com", "operator")
        browser.address = PROXY
        for _ in range(3):
            assert (await browser.ask("GET", "/", {HEADER: "ada@example.com"})).status == 200
        assert browser.cookies
        assert (await browser.get("/")).status == 303
        reply = await browser.ask("GET", "/account", {HEADER: "admin"})
        assert "signed in as <b>admin</b>" in reply.text
        noted = [(one.who, one.details) for one in await browser.bench.service.audit.newest(Wanted(action="sign_in"))]
        assert noted == [("admin", {"proxy": True}), ("ada@example.com", {"proxy": True})]


async def test_other_sites_cannot_use_the_proxys_word(tmp_path: Path) -> None:
    async with console_in(tmp_path, signed_in=False, **BY_PROXY) as browser:
        browser.address = PROXY
        reply = await browser.post("/theme", {**OWN, "sec-fetch-site": "cross-site", HEADER: "admin"}, theme="dark")
        assert reply.status == 403


async def test_a_password_still_opens_where_the_proxy_names_nobody(tmp_path: Path) -> None:
    async with console_in(tmp_path, signed_in=False, **BY_PROXY) as browser:
        assert (await browser.sign_in(PASSWORD)).status == 303
        assert (await browser.get("/")).status == 200
