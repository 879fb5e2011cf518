"""The pages, as plain HTML. `/`: the newest people of a workspace with their attributes and latest events. `/engage`:
the latest events that came to Engage.

Every value that came from outside goes through `html.escape`; no scripts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

import msgspec
from msgspec import Raw

from hogline.sandbox import engage
from hogline.sandbox.eventlog import Event
from hogline.sandbox.people import Person
from hogline.sandbox.workspace import Workspace

_PEOPLE = 200
_EVENTS_EACH = 5
_EVENTS_LOOKED_AT = 20_000

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2433;--soft:#667085;--line:#e4e7ec;--paper:#fff;--ground:#f6f7f9;
--accent:#5b47d6;--note:#fff7e0}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf0;--soft:#98a2b3;--line:#2c3342;--paper:#171b24;
--ground:#0f1219;--accent:#a99bff;--note:#2b2714}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}main{max-width:72rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.4rem;margin:0}.note{background:var(--note);border:1px solid var(--line);border-radius:8px;
padding:.6rem .9rem;margin:1rem 0}.totals{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0;padding:0}
.totals li{list-style:none;background:var(--paper);border:1px solid var(--line);border-radius:8px;
padding:.5rem .9rem;color:var(--soft)}.totals b{display:block;font-size:1.3rem;color:var(--ink)}
article{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:.9rem 1rem;
margin:.75rem 0;display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}article header{grid-column:1/-1;
overflow-wrap:anywhere}h2{font-size:1rem;margin:0;display:inline}.soft{color:var(--soft)}
dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .8rem;margin:.5rem 0;align-content:start}
dt{color:var(--soft)}dd,dt{margin:0;overflow-wrap:anywhere}ul{margin:.5rem 0;padding:0}li{list-style:none}
a{color:var(--accent)}nav{margin:.5rem 0}pre{margin:.5rem 0;white-space:pre-wrap;
overflow-wrap:anywhere;font-size:.85rem}@media(max-width:40rem){article{grid-template-columns:1fr}}
"""


def render(workspace: Workspace, site_ids: Iterable[str]) -> str:
    """The whole page; `site_ids` are the sandbox's workspaces, to choose from."""
    chosen = workspace.settings.site_id
    people = workspace.people.newest(_PEOPLE)
    latest = _latest_events(workspace)
    totals = {
        "people": len(workspace.people),
        "events": workspace.events.accepted,
        "repeats ignored": workspace.events.repeats,
        "objects": len(workspace.objects),
    }
    shown = "".join(_person(person, latest.get(person.sequence, [])) for person in people)
    rest = len(workspace.people) - len(people)
    return _page(
        "People",
        f'<h1>People <span class="soft">of workspace {escape(chosen)}</span></h1>'
        f"{_workspaces(chosen, list(site_ids))}"
        '<p class="note">This is Hogline&rsquo;s sandbox. It emulates Customer.io&rsquo;s documented Track '
        "API. It is not Customer.io, sends no messages, and forgets everything when it stops.</p>"
        + _totals(totals)
        + (shown or '<p class="soft">Nobody yet.</p>')
        + (f'<p class="soft">and {rest:,} older ones.</p>' if rest else "")
        + '<p class="soft">As JSON: <a href="/sandbox/people">people</a>, <a href="/sandbox/events">events</a>, '
        '<a href="/sandbox/requests">requests</a>, <a href="/sandbox/summary">summary</a>. '
        'See also: <a href="/engage">Engage</a></p>',
    )


def render_engage(account: engage.Engage) -> str:
    """The whole page of what came to Engage."""
    newest = account.newest(_PEOPLE)
    shown = "".join(_engage_event(event, account.users[event.distinct_id].events) for event in newest)
    rest = account.accepted - len(newest)
    return _page(
        "Engage",
        f'<h1>Engage <span class="soft">account of {escape(account.settings.public_key)}</span></h1>'
        '<p class="note">This is Hogline&rsquo;s sandbox. It emulates how Engage receives PostHog&rsquo;s '
        "events. It is not Engage, sends no messages, and forgets everything when it stops.</p>"
        + _totals({"users": len(account.users), "events": account.accepted, "repeats": account.repeats})
        + (shown or '<p class="soft">Nothing yet.</p>')
        + (f'<p class="soft">and {rest:,} older ones.</p>' if rest else "")
        + '<p class="soft">As JSON: <a href="/sandbox/engage/users">users</a>, '
        '<a href="/sandbox/engage/events">events</a>, <a href="/sandbox/engage/requests">requests</a>, '
        '<a href="/sandbox/engage/summary">summary</a>. See also: <a href="/">Customer.io</a></p>',
    )


def _engage_event(event: engage.Event, of_user: int) -> str:
    properties = msgspec.json.format(msgspec.json.decode(event.body, type=dict[str, Raw])["properties"], indent=1)
    return (
        f'<article><header><h2>{escape(event.name)}</h2> <span class="soft">{escape(event.timestamp)}</span></header>'
        f"<dl><dt>distinct_id</dt><dd>{escape(event.distinct_id)}</dd>"
        f"<dt>events of theirs</dt><dd>{of_user:,}</dd></dl><pre>{escape(bytes(properties).decode())}</pre></article>"
    )


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Sandbox: {title}</title><style>{_STYLE}</style></head><body><main>{content}</main></body></html>"
    )


def _totals(totals: Mapping[str, int]) -> str:
    return f'<ul class="totals">{"".join(f"<li><b>{n:,}</b>{name}</li>" for name, n in totals.items())}</ul>'


def _workspaces(chosen: str, site_ids: list[str]) -> str:
    if len(site_ids) < 2:
        return ""
    links = (
        f"<b>{escape(site_id)}</b>"
        if site_id == chosen
        else f'<a href="/?workspace={quote(site_id, safe="")}">{escape(site_id)}</a>'
        for site_id in site_ids
    )
    return f"<nav>{' · '.join(links)}</nav>"


def _latest_events(workspace: Workspace) -> dict[int, list[Event]]:
    """The last few events of each person, newest first, by the person's sequence."""
    latest: dict[int, list[Event]] = {}
    for event in workspace.events.newest(_EVENTS_LOOKED_AT):
        owner = event.owner()
        if owner is not None:
            theirs = latest.setdefault(owner.sequence, [])
            if len(theirs) < _EVENTS_EACH:
                theirs.append(event)
    return latest


def _person(person: Person, events: list[Event]) -> str:
    name = person.id or person.email or person.phone or person.cio_id
    about = " · ".join(
        escape(part) for part in (person.email, person.cio_id, f"{person.events:,} events") if part and part != name
    )
    attributes = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd>" for name, value in person.attributes.items()
    )
    listed = "".join(
        f'<li>{escape(event.name)} <span class="soft">{_when(event.timestamp)}</span></li>' for event in events
    )
    return (
        f'<article><header><h2>{escape(name)}</h2> <span class="soft">{about}</span></header>'
        f"<dl>{attributes}</dl><ul>{listed}</ul></article>"
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _when(timestamp: int) -> str:
    try:
        return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(timestamp)
