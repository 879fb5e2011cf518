# mypy: ignore-errors
"""Makes a data directory as Hogline left it before what PostHog says and what Customer.io has were two things, and
beside it as JSON what was in it. It runs with the code of commit c84b5954f05d8c93242022d7325aac30c55a658c alone:

    git worktree add ../old c84b5954
    PYTHONPATH=../old/src:../old/tests/unit python tests/unit/store/old_data/make_old_data.py FOLDER [EVENTS PEOPLE]

That makes FOLDER, and FOLDER.zip of it.
Two connections with other options before a Customer.io that refuses some values: one is through with all of the
journal, the other was stopped in the middle of it, with some requests in flight.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_LZMA, ZipFile

import msgspec
from hogline.delivery.lanes import LANES, lane_of
from hogline.delivery.routes import Routes
from hogline.store.secrets import Vault
from people_bench import CREDENTIALS, NOON_MS
from sandbox_server import SandboxServer

from hogline.delivery.gate import Gate, Rate
from hogline.delivery.worker import Worker
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, decode_event, encode_event
from hogline.posthog.joins import join_of
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.clock import SkippingClock

OPTIONS = (
    ("emails", {"identify_by_email": True}),
    ("identified", {"anonymous_users": "identified", "hold_days": 30}),
)


def history(count: int, people: int):
    source = random.Random(7)
    for n in range(count):
        person = source.randrange(people)
        visitor, user = f"0190a000-0000-7000-8000-{person:012d}", f"u{person}"
        chance = source.random()
        if chance < 0.45:
            yield event(n, "$pageview", visitor, {"n": n}, {"ref": source.choice("abc")} if chance < 0.1 else {})
        elif chance < 0.57:
            said = {"email": f"U{person}@example.com", "plan": source.choice(["pro", "free"])}
            yield event(n, "$identify", user, {"$anon_distinct_id": visitor}, said if chance < 0.53 else {"plan": "x"})
        elif chance < 0.6:  # two people have one email, and some have another one later
            yield event(n, "$identify", user, {}, {"email": f"team{person % 7}@example.com"})
        elif chance < 0.63:
            yield event(n, "$create_alias", user, {"alias": f"crm{person}"}, {})
        elif chance < 0.66:
            yield event(n, "said", user, {}, {"bad": n})
        else:
            yield event(n, "ordered", user, {"n": n}, {"seats": source.randrange(9)} if chance > 0.9 else {})


def event(n, name, who, properties, said):
    ms = NOON_MS + n * 1_000
    return Event(str(uuid5(NAMESPACE_URL, f"{n}")), name, who, ms, ms, properties, set=said)


async def main(folder: Path, count: int, people: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    key, clock = Vault.new_key(), SkippingClock(NOON_MS + 1_000_000)
    (folder / "secret.key").write_text(key)
    journal = SqliteJournal(folder / "journal.db", clock.time_ms)
    state = SqliteState(folder / "state.db", Vault(key))
    made = []
    for name, options in OPTIONS:
        server = SandboxServer(clock=lambda: clock.time_ms() / 1_000)
        server.refuses = lambda name, _: name == "bad"
        connection = await state.add_connection(
            name=name, destination="customerio", options=CREDENTIALS | options, enabled=True, start=0, now_ms=0
        )
        made.append((connection, server))

    async def deliver(connection, server, goal):
        worker = Worker(
            connection,
            CUSTOMERIO,
            CUSTOMERIO.read_options(connection.options),
            journal=journal,
            state=state,
            send=server.send,
            gate=Gate(Rate(100, clock), clock, lambda: 0.5),
            clock=clock,
            merge_delay_s=0.0,
        )
        task = asyncio.create_task(worker.run())
        whole = goal == journal.end
        while (await state.counts(connection.id)).settled < goal or (whole and await state.due(connection.id, 1)):
            await asyncio.sleep(0.001)
        await worker.close(20 if whole else 0)
        await task

    events = list(history(count, people))
    for first in range(0, count, 1_000):
        await journal.append([encode_event(one) for one in events[first : first + 1_000]])
    for connection, server in made:
        await deliver(connection, server, journal.end if connection is made[0][0] else count * 4 // 5)
    dump = {str(connection.id): await everything(journal, state, connection) for connection, _ in made}
    (folder / "dump.json").write_text(json.dumps(dump))
    print({one: (len(d["people"]), d["counts"], len(d["held"]), len(d["settled"])) for one, d in dump.items()})
    await journal.close()
    await state.close()
    with ZipFile(folder.with_suffix(".zip"), "w", ZIP_LZMA) as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)


async def everything(journal, state, connection):
    people, after = [], ""
    while some := await state.find_people(connection.id, "", after=after, limit=500):
        people += some
        after = some[-1].distinct_id
    ids = {decode_event(body).distinct_id for _, body in await journal.read(0, journal.end, 2**40)}
    held = [held for one in sorted(ids) for held in await state.held(connection.id, [one])]
    emails = {one.email.lower() for one in people if one.email} | {f"team{n}@example.com" for n in range(7)}
    lanes = await state.lanes(connection.id)
    settled = [lanes.get(lane, connection.start) for lane in range(LANES)]
    routes, positions = Routes(state, connection.id), []
    for position, body in await journal.read(min(settled), max(settled) - min(settled), 2**40):
        made = decode_event(body)
        await routes.load([made.distinct_id])
        if (join := join_of(made)) is not None:
            await routes.load([join.other])
            routes.join(made.distinct_id, join.other, position)
        if position <= settled[lane_of(routes.name(made.distinct_id, position))]:
            positions.append(position)
    return {
        "counts": msgspec.to_builtins(await state.counts(connection.id)),
        "people": msgspec.to_builtins(people),
        "held": sorted([one.position, one.distinct_id] for one in held),
        "letters": [one.position for one in await state.dead_letters(connection.id, limit=10**6)],
        "claimed": {one: await state.claimed(connection.id, one) for one in sorted(emails)},
        "least": min(settled),
        "settled": positions,
    }


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:] or ("5000", "300"))))
