"""`hogline posthog` sets up PostHog's side, tries it, watches it and removes it; PostHog is emulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from posthog_emulator import KEY, PROJECT, READ_ONLY_KEY, PostHog, emulated

from hogline.testing.processes import connect, get, hogline, serving, status, until


@pytest.fixture
def posthog() -> Iterator[PostHog]:
    with emulated() as running:
        yield running


def ask(
    data: Path, posthog: PostHog, command: str, *more: str, code: int = 0, key: str = KEY, public_url: str = ""
) -> tuple[str, str]:
    where = ("--host", posthog.url, "--project", PROJECT)
    settings = {"HOGLINE_POSTHOG_API_KEY": key, "HOGLINE_PUBLIC_URL": public_url}
    done = hogline(data, "posthog", command, *where, *more, code=code, stdin=None, **settings)
    assert key not in done.stdout + done.stderr
    return done.stdout, done.stderr


def test_from_nothing_to_events_and_back(data: Path, sandbox: str, posthog: PostHog) -> None:
    connect(data, sandbox)
    with serving(data) as running:
        said, _ = ask(data, posthog, "connect")
        assert said == f"PostHog now sends every event to {running.url}/webhook. A test event arrived.\n"
        (function,) = posthog.functions.values()
        assert function["template_id"] == "template-webhook"
        assert function["inputs"]["body"]["value"] == {"event": "{event}", "person": "{person}"}
        assert function["filters"]["filter_test_accounts"] is True
        ask(data, posthog, "connect", "--test-accounts")  # again: the same destination, brought up to date
        (function,) = posthog.functions.values()
        assert function["filters"]["filter_test_accounts"] is False
        said, _ = ask(data, posthog, "status")
        assert said == (
            f"{running.url}/webhook: enabled, healthy\n"
            "last 7 days: failed 3, succeeded 1,200\n"
            "2026-11-25T10:00:00Z HTTP 503\n"
        )
        until(lambda: status(data)["pending"] == 0)
        assert ask(data, posthog, "disconnect")[0] == "PostHog no longer sends events here.\n"
        assert function["deleted"] is True
        assert "has no destination" in ask(data, posthog, "status", code=1)[1]
    # Nobody was made a customer by trying it.
    assert get(f"{sandbox}/sandbox/people") == []
    assert status(data)["filtered"] == {"posthog_internal": 2}


def test_what_failed_is_said_in_a_sentence(data: Path, posthog: PostHog) -> None:
    for key, words in (("phx_unknown_key", "does not know this personal API key"), (READ_ONLY_KEY, "needs the scopes")):
        _, said = ask(data, posthog, "connect", code=1, key=key)
        assert words in said
        assert len(said.splitlines()) == 1
    said, _ = ask(data, posthog, "connect", code=1, public_url="http://127.0.0.1:9")
    assert "could not deliver to http://127.0.0.1:9/webhook" in said
    posthog.loses_invocations = True
    said, _ = ask(data, posthog, "connect", "--json", code=1)
    assert "nothing arrived here" in msgspec.json.decode(said)["problem"]
