"""PostHog's SDKs for servers, the real ones: what they say of users and groups becomes people and objects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import posthog
import pytest
from npm_packages import package, program

from hogline.console.posthog import NODE, PYTHON, filled
from hogline.testing.processes import all_events, connect, get, hogline_json, people, serving, status, until

VISITOR = "0199f3a0-5b7c-7d21-9e45-6c1f0a3b2d4e"
"""An anonymous id as posthog-js makes them: the server has it from the browser."""
ORDER = {"total": 49, "$set": {"plan": "pro"}}
Send = Callable[[str, str, str], None]
"""What a user's server does, given the host, the project's API key and the capture mode."""


def send_from_python(host: str, token: str, mode: str) -> None:
    errors: list[object] = []
    client = posthog.Posthog(token, host=host, capture_mode=mode, on_error=lambda *told: errors.append(told))
    client.capture("page seen", distinct_id=VISITOR)
    client.alias(previous_id=VISITOR, distinct_id="user-1")
    client.set(distinct_id="user-1", properties={"email": "ada@example.com", "plan": "free"})
    client.group_identify("company", "acme", {"name": "Acme", "seats": 7})
    client.capture("order completed", distinct_id="user-1", properties=ORDER, groups={"company": "acme"})
    client.shutdown()
    assert errors == []


FROM_NODE = """
const { PostHog } = require('posthog-node')

const [visitor, token, host] = process.argv.slice(1)

async function send() {
  const posthog = new PostHog(token, { host })
  posthog.on('error', (error) => console.error(error))
  posthog.capture({ distinctId: visitor, event: 'page seen' })
  posthog.alias({ distinctId: 'user-1', alias: visitor })
  posthog.identify({ distinctId: 'user-1', properties: { email: 'ada@example.com', plan: 'free' } })
  posthog.groupIdentify({ groupType: 'company', groupKey: 'acme', properties: { name: 'Acme', seats: 7 } })
  posthog.capture({
    distinctId: 'user-1',
    event: 'order completed',
    properties: { total: 49, $set: { plan: 'pro' } },
    groups: { company: 'acme' },
  })
  await posthog.shutdown()
}

send()
"""


def send_from_node(host: str, token: str, mode: str) -> None:
    run([program("node"), "--eval", FROM_NODE, VISITOR, token, host], POSTHOG_CAPTURE_MODE=mode)


def run(command: list[str], **environment: str) -> None:
    """A program that finds posthog-node, and complains about nothing."""
    done = subprocess.run(
        command,
        cwd=package("posthog-node"),
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def paste_into_python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def paste_into_node(code: str) -> list[str]:
    return [program("node"), "--input-type=module", "--eval", code]


@pytest.fixture
def hogline(data: Path, sandbox: str) -> Iterator[tuple[str, str]]:
    """The host and the token of a Hogline that sends everything, groups too, and merges at once."""
    connect(data, sandbox, "--group-objects", "company=1")
    with serving(data, HOGLINE_MERGE_DELAY_S="0") as running:
        yield running.url, hogline_json(data, "token")["token"]


@pytest.mark.parametrize("mode", ["v0", "v1"])
@pytest.mark.parametrize("send", [send_from_python, send_from_node], ids=["Python", "Node.js"])
def test_what_a_server_says_of_a_user_and_a_group_becomes_one_customer_and_an_object(
    data: Path, sandbox: str, hogline: tuple[str, str], send: Send, mode: str
) -> None:
    send(*hogline, mode)
    until(lambda: "order completed" in [event["name"] for event in all_events(sandbox)])
    until(lambda: people(sandbox).keys() == {"user-1"})
    (customer,) = people(sandbox).values()
    assert (customer["email"], customer["attributes"]) == ("ada@example.com", {"plan": "pro"})
    assert customer["relationships"] == [{"object_type_id": "1", "object_id": "acme", "attributes": {}}]
    (company,) = get(f"{sandbox}/sandbox/objects")
    assert (company["object_id"], company["attributes"]) == ("acme", {"name": "Acme", "seats": 7})
    events = {event["name"]: event for event in all_events(sandbox) if not event["name"].startswith("$")}
    assert list(events) == ["page seen", "order completed"]
    assert {event["person"]["cio_id"] for event in events.values()} == {customer["cio_id"]}
    assert events["order completed"]["data"]["total"] == 49
    assert "plan" not in events["order completed"]["data"]
    assert status(data)["failures"] == {}


@pytest.mark.parametrize(
    ("snippet", "paste"), [(PYTHON, paste_into_python), (NODE, paste_into_node)], ids=["Python", "Node.js"]
)
def test_the_consoles_snippet_works_as_it_is_pasted(
    sandbox: str, hogline: tuple[str, str], snippet: str, paste: Callable[[str], list[str]]
) -> None:
    host, token = hogline
    run(paste(filled(snippet, host, token)))
    until(lambda: "some_event" in [event["name"] for event in all_events(sandbox)])
    (customer,) = people(sandbox).values()
    assert (customer["id"], customer["email"]) == ("user-1", "test@example.com")
    assert customer["attributes"] == {"userProperty": "value"}
    (event,) = all_events(sandbox)
    assert event["data"]["event_property"] == "value"


def test_a_site_goes_on_with_the_key_that_it_has(sandbox: str, data: Path, hogline: tuple[str, str]) -> None:
    host, _ = hogline
    key = "phc_of_the_project"
    assert hogline_json(data, "token", "--add", key)["added"] == [key]
    send_from_python(host, key, "v1")
    until(lambda: "order completed" in [event["name"] for event in all_events(sandbox)])
    assert hogline_json(data, "token", "--revoke", key).get("added", []) == []
