"""Whether a token is one of ours, and what it opens."""

# mypy: allow-untyped-defs, allow-untyped-calls

import json

import pytest
from receiving import PUBLIC_TOKEN, TOKEN, Inbox, captured

from hogline.sources.tokens import TokenCheck


def test_every_token_of_ours_is_known():
    check = TokenCheck(["one", "two"], ["three"])
    assert [check.kind(token) for token in ("one", "two", "three")] == ["private", "private", "public"]


@pytest.mark.parametrize("shown", ["", "on", "one ", "ONE", "onetwo", "\udcff", "ü"])
def test_no_other_is(shown):
    assert TokenCheck(["one"], ["two"]).kind(shown) is None
    assert TokenCheck().kind(shown) is None


def test_a_token_is_found_in_a_text_that_is_not_decoded():
    check = TokenCheck(["one"], ["two"])
    assert check.occurs(b'{"api_key": "two"')
    assert not check.occurs(b'{"api_key": "t\\u0077o"}')
    check.replace(["three"])
    assert not check.occurs(b"one two")


def test_tokens_are_not_shown():
    assert "one" not in repr(TokenCheck(["one"]))
    assert "one" not in str(vars(TokenCheck(["one"])))


class TestTwoKinds:
    def test_what_the_public_token_brings_is_marked(self):
        inbox = Inbox()
        assert inbox.capture(captured(api_key=PUBLIC_TOKEN), "/e/").status == 200
        assert inbox.event.public
        inbox = Inbox()
        assert inbox.capture(captured(api_key=TOKEN), "/e/").status == 200
        assert not inbox.event.public

    @pytest.mark.parametrize("place", ["path", "header"])
    def test_the_public_token_opens_no_webhook(self, place):
        inbox = Inbox()
        path = f"/webhook/{PUBLIC_TOKEN}" if place == "path" else "/webhook"
        headers = {} if place == "path" else {"authorization": f"Bearer {PUBLIC_TOKEN}"}
        reply = inbox.ask("POST", path, json.dumps(captured()).encode(), headers)
        assert reply.status == 403
        assert "private" in reply.error
        assert inbox.journal.events == []

    def test_a_token_that_stands_somewhere_else_than_where_tokens_stand_opens_nothing(self):
        inbox = Inbox()
        assert inbox.capture(captured(api_key="phc_other", properties={"note": TOKEN}), "/e/").status == 401
        assert inbox.journal.events == []

    @pytest.mark.parametrize("place", ["query", "header", "form", "properties"])
    def test_a_token_may_stand_in(self, place):
        inbox = Inbox()
        event = captured(api_key=..., properties={"token": TOKEN} if place == "properties" else {})
        path = f"/e/?api_key={TOKEN}" if place == "query" else "/e/"
        headers = {"authorization": f"Bearer {TOKEN}"} if place == "header" else {}
        body = json.dumps(event).encode()
        if place == "form":
            body = b"data=" + body.replace(b"+", b"%2B").replace(b"&", b"%26") + b"&api_key=" + TOKEN.encode()
        assert inbox.ask("POST", path, body, headers).status == 200
        assert inbox.event.name == "order completed"
