"""What a user can ask of Hogline, one function each. The command line, the control socket and later the console
call the same functions; who calls makes no difference.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from hogline.delivery.clock import Clock
from hogline.delivery.lanes import Lanes
from hogline.destinations.base import Destination, InvalidOptions, Send
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Person, decode_event
from hogline.running import Workers
from hogline.sending import Preview, Sending
from hogline.settings import Settings
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Connection, DeadLetter, Journal, NameTaken, Replay, State
from hogline.views import (
    BadLine,
    CheckView,
    ConnectionStatus,
    ConnectionView,
    Delivery,
    FailureDetails,
    FailureView,
    PersonView,
    PreviewedEvent,
    RefusalView,
    Status,
    TokenView,
)

log = structlog.get_logger("hogline.service")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Mistake(Exception):
    """What was asked cannot be done; the text is one sentence that says why and what to do."""


class Service:
    """All that a user can ask. Every function raises `Mistake` for what cannot be done."""

    def __init__(
        self, settings: Settings, *, journal: Journal, state: State, send: Send, clock: Clock, delivers: bool
    ) -> None:
        """`delivers`: connections are run as long as this service lives."""
        self._settings = settings
        self._journal = journal
        self._state = state
        self._send = send
        self._clock = clock
        self._delivers = delivers
        self._workers = Workers(journal=journal, state=state, send=send, clock=clock, stopped=self._stopped)
        self._sendings: dict[str, Sending] = {}
        self._previews: dict[str, Preview] = {}
        self.receives_at = settings.public_url or f"http://{settings.listen}"
        """Where events are received."""
        self.token_check = TokenCheck(())

    async def start(self) -> None:
        """Make the project's token if there is none yet, and run every enabled connection."""
        if not await self._state.tokens():
            await self._state.add_token(_new_token())
        self.token_check.replace(await self._state.tokens())
        for connection in await self._state.connections():
            if self._delivers and connection.enabled and connection.stopped is None:
                self._workers.start(connection)

    async def close(self, within_s: float = 20.0) -> None:
        """What is in flight is settled, or given up after that time."""
        await self._workers.close(within_s)

    async def _stopped(self, connection: Connection, reason: str) -> None:
        found = await self._find(connection.name)
        await self._state.change_connection(_changed(found, stopped=reason))

    # connections

    async def connect(
        self, destination: str, options: dict[str, object], *, name: str = "", enable: bool = True
    ) -> ConnectionView:
        """Install a destination. Its credentials are checked first; refused, nothing is kept. Without a name it
        gets the destination's.
        """
        sort = DESTINATIONS.get(destination)
        if sort is None:
            raise Mistake(f"There is no destination {destination!r}. Known are: {', '.join(DESTINATIONS)}.")
        parsed = _read_options(sort, options)
        name = name or await self._free_name(destination)
        if not _NAME.fullmatch(name):
            raise Mistake("A name has up to 64 lower-case letters, digits, - and _, and begins with a letter or digit.")
        if any(existing.name == name for existing in await self._state.connections()):
            raise Mistake(_taken(name))
        check = await sort.check(parsed, self._send)
        if check.outcome != "ok" and (enable or check.outcome != "unreachable"):
            raise Mistake(f"{check.sentence} Nothing was kept.")
        try:
            connection = await self._state.add_connection(
                name=name,
                destination=destination,
                options=options,
                enabled=enable,
                start=self._journal.end,
                now_ms=self._clock.time_ms(),
            )
        except NameTaken:
            raise Mistake(_taken(name)) from None
        self._run(connection)
        return self._view(connection)

    async def _free_name(self, destination: str) -> str:
        taken = {connection.name for connection in await self._state.connections()}
        names = (destination if n == 1 else f"{destination}-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    async def configure(self, name: str, options: dict[str, object]) -> ConnectionView:
        """Change some options of a connection; None takes one back to its default. A connection that had
        stopped itself goes on where it stopped, if the credentials are good now.
        """
        connection = await self._find(name)
        given = {**connection.options, **options}
        changed = {key: value for key, value in given.items() if value is not None}
        parsed = _read_options(DESTINATIONS[connection.destination], changed)
        if connection.enabled:
            check = await DESTINATIONS[connection.destination].check(parsed, self._send)
            if check.outcome != "ok":
                raise Mistake(f"{check.sentence} Nothing was changed.")
        await self._workers.stop(connection.id)
        connection = _changed(connection, options=changed, stopped=None)
        await self._state.change_connection(connection)
        self._run(connection)
        return self._view(connection)

    async def check(self, name: str) -> CheckView:
        """Whether the credentials are good, and what to do if not."""
        connection = await self._find(name)
        destination = DESTINATIONS[connection.destination]
        check = await destination.check(_read_options(destination, connection.options), self._send)
        return CheckView(name=name, ok=check.outcome == "ok", outcome=check.outcome, sentence=check.sentence)

    async def connections(self) -> list[ConnectionView]:
        return [self._view(connection) for connection in await self._state.connections()]

    async def enable(self, name: str) -> ConnectionView:
        """Check the credentials and run the connection, from where it was; refused, it stays as it is."""
        connection = await self._find(name)
        check = await self.check(name)
        if not check.ok:
            raise Mistake(f"{check.sentence} {name} is not enabled.")
        connection = _changed(connection, enabled=True, stopped=None)
        await self._state.change_connection(connection)
        self._run(connection)
        return self._view(connection)

    async def disable(self, name: str) -> ConnectionView:
        """Stop sending. Events that come in wait until it is enabled again."""
        connection = await self._find(name)
        await self._workers.stop(connection.id)
        connection = _changed(connection, enabled=False)
        await self._state.change_connection(connection)
        return self._view(connection)

    async def disconnect(self, name: str) -> None:
        """Remove the connection with all that it knows. The destination keeps what it has."""
        connection = await self._find(name)
        await self._workers.stop(connection.id)
        await self._state.remove_connection(connection.id)

    async def _find(self, name: str) -> Connection:
        connections = await self._state.connections()
        for connection in connections:
            if connection.name == name:
                return connection
        names = ", ".join(connection.name for connection in connections)
        raise Mistake(
            f"There is no connection {name!r}. There are: {names}."
            if names
            else f"There is no connection {name!r}, nor any other. Make one with `hogline connect`."
        )

    def _run(self, connection: Connection) -> None:
        if self._delivers and connection.enabled and connection.stopped is None:
            self._workers.start(connection)

    def _standing(self, connection: Connection) -> tuple[str, str | None]:
        """Its state and the reason for it."""
        if not connection.enabled:
            return "disabled", None
        if connection.stopped is not None:
            return "stopped", connection.stopped
        if not self._delivers:
            return "not_serving", "Start `hogline serve` to receive and deliver."
        trouble = self._workers.trouble(connection.id)
        return ("waiting", trouble) if trouble else ("delivering", None)

    def _view(self, connection: Connection) -> ConnectionView:
        state, reason = self._standing(connection)
        hidden = {option.key for option in DESTINATIONS[connection.destination].options if option.secret}
        return ConnectionView(
            name=connection.name,
            destination=connection.destination,
            enabled=connection.enabled,
            state=state,
            reason=reason,
            options={key: value for key, value in connection.options.items() if key not in hidden},
        )

    # what goes on

    async def token(self) -> TokenView:
        """The project's token, and the URL to give PostHog's HTTP Webhook destination."""
        tokens = await self._state.tokens()
        return TokenView(token=tokens[-1], webhook_url=f"{self.receives_at}/webhook/{tokens[-1]}", older=tokens[:-1])

    async def rotate_token(self) -> TokenView:
        """Make a new token. The old ones stay valid until they are revoked."""
        await self._state.add_token(_new_token())
        return await self._tokens_changed()

    async def revoke_token(self, token: str) -> TokenView:
        """Take an old token's validity away; the newest one stays."""
        tokens = await self._state.tokens()
        if token not in tokens:
            raise Mistake("There is no such token. `hogline token` lists those that are valid.")
        if token == tokens[-1]:
            raise Mistake("This is the newest token: rotate first, and revoke it when nothing uses it any more.")
        await self._state.remove_token(token)
        return await self._tokens_changed()

    async def _tokens_changed(self) -> TokenView:
        self.token_check.replace(await self._state.tokens())
        return await self.token()

    async def status(self) -> Status:
        return Status(
            connections=[await self._status(connection) for connection in await self._state.connections()],
            refused=await self._journal.refused(),
        )

    async def _status(self, connection: Connection) -> ConnectionStatus:
        counts = await self._state.counts(connection.id)
        state, reason = self._standing(connection)
        received = self._journal.end - connection.start
        return ConnectionStatus(
            name=connection.name,
            destination=connection.destination,
            enabled=connection.enabled,
            state=state,
            reason=reason,
            received=received,
            delivered=counts.delivered,
            filtered=counts.filtered,
            held=counts.held,
            dead_letters=counts.dead_letters,
            pending=received - counts.settled,
            requests=counts.requests + self._workers.unsaved_requests(connection.id),
            adjusted=counts.adjusted,
            retries=counts.retries,
            replayed=counts.replayed,
            lag_s=await self._lag_s(connection) if received > counts.settled else 0.0,
        )

    async def _settled(self, connection: Connection) -> int:
        """The position up to which everything is settled."""
        return Lanes(connection.start, await self._state.lanes(connection.id)).read

    async def _lag_s(self, connection: Connection) -> float:
        received_ms = await self._journal.received_at(await self._settled(connection) + 1)
        return max(0.0, (self._clock.time_ms() - received_ms) / 1_000) if received_ms is not None else 0.0

    async def problems(self) -> list[str]:
        """Why the service is not ready; empty if it is."""
        return [
            f"{connection.name}: {connection.stopped}"
            for connection in await self._state.connections()
            if connection.enabled and connection.stopped is not None
        ]

    async def people(
        self, text: str = "", *, connection: str = "", after: str = "", limit: int = 100
    ) -> list[PersonView]:
        """People whose distinct_id or email contains the text, at each connection or at one; `after` is the last
        distinct_id of the page before.
        """
        chosen = [await self._find(connection)] if connection else await self._state.connections()
        found = []
        for one in chosen:
            destination = DESTINATIONS[one.destination]
            options = _read_options(destination, one.options)
            people = await self._state.find_people(one.id, text, after=after, limit=limit)
            found += [_person_view(one, person, destination.not_sent(person, options)) for person in people]
        return found

    # dead letters, and sending again

    async def failures(
        self, connection: str = "", *, reason: str = "", after: int = 0, limit: int = 100
    ) -> list[FailureView]:
        """Dead letters, at each connection or at one, in the order in which the events came."""
        found: list[FailureView] = []
        for one in [await self._find(connection)] if connection else await self._state.connections():
            letters = await self._state.dead_letters(one.id, reason=reason, after=after, limit=limit)
            found += [_failure_view(one, letter) for letter in letters]
        return found

    async def failure(self, connection: str, id_: int) -> FailureDetails:
        """One dead letter: the event, what was sent, what was answered, when."""
        one = await self._find(connection)
        letter = await self._state.dead_letter(one.id, id_)
        if letter is None:
            raise Mistake(f"{connection} has no dead letter {id_}. `hogline failures {connection}` lists them.")
        return _failure_details(one, letter)

    async def retry_failures(self, connection: str, *, reason: str = "", ids: list[int] | None = None) -> int:
        """Send dead letters again: all, those of a reason, or these. Returns how many; what becomes of them shows
        in the status, as for every event.
        """
        one = await self._find(connection)
        retried = await self._state.retry_dead_letters(one.id, reason=reason, positions=ids)
        self._workers.ask_again(one.id)
        return retried

    async def retrying_failures(self, connection: str) -> int:
        """How many dead letters wait to be sent again (at most 1,000 are counted)."""
        one = await self._find(connection)
        return len(await self._state.dead_letters(one.id, retrying=True, limit=1_000))

    async def discard_failures(self, connection: str, *, reason: str = "", ids: list[int] | None = None) -> int:
        """Remove dead letters for good; their events count as filtered (`discarded`). Returns how many."""
        one = await self._find(connection)
        return await self._state.discard_dead_letters(one.id, reason=reason, positions=ids)

    async def replay(
        self, connection: str, *, since_ms: int, until_ms: int | None = None, events: list[str] | None = None
    ) -> int:
        """Send the events again that were received in that time and are in the journal still. Returns how many
        that are, of all names. What was delivered before is recognised by its id.
        """
        one = await self._find(connection)
        if await self._state.replay(one.id) is not None:
            raise Mistake(f"A replay of {connection} is under way; wait for its end.")
        first = max(await self._journal.position_at(since_ms), one.start + 1)
        last = min(
            await self._settled(one),
            self._journal.end if until_ms is None else await self._journal.position_at(until_ms) - 1,
        )
        if last < first:
            raise Mistake(
                "The journal has no settled events of that time. `journal_retention_days` says how long it keeps them."
            )
        await self._state.begin_replay(one.id, Replay(settled=first - 1, last=last, events=tuple(events or ())))
        self._workers.ask_again(one.id)
        return last - first + 1

    async def replaying(self, connection: str) -> int:
        """How many events of a replay are not settled yet."""
        one = await self._find(connection)
        replay = await self._state.replay(one.id)
        return replay.last - replay.settled if replay else 0

    # files of events

    async def begin_sending(self) -> str:
        """Begin to deliver events from somewhere else than the receiving side; returns a handle."""
        tallies = self._workers.tally()
        running = [connection for connection in await self._state.connections() if connection.id in tallies]
        if not running:
            raise Mistake("No connection is enabled and able to run. See `hogline connections`.")
        handle = secrets.token_hex(8)
        self._sendings[handle] = Sending(journal=self._journal, clock=self._clock, connections=running, tallies=tallies)
        return handle

    async def send_lines(self, handle: str, lines: Sequence[tuple[int, bytes]]) -> list[BadLine]:
        """Keep the events of these numbered lines; returns the lines that hold none, or some that cannot be
        kept.
        """
        return await self._sendings[handle].keep(lines)

    async def sending(self, handle: str, wait_s: float) -> list[Delivery]:
        """How far each connection is with what was sent, when all is settled or after that time."""
        sending = self._sendings[handle]
        await sending.wait(wait_s)
        standing = {c.id: self._standing(c) for c in await self._state.connections()}
        return sending.deliveries(standing)

    async def end_sending(self, handle: str) -> None:
        self._workers.forget(self._sendings.pop(handle).tallies)

    async def begin_preview(self, connection: str = "") -> str:
        """Begin a preview for a connection, or for all; without any, for Customer.io with its defaults."""
        chosen = [await self._find(connection)] if connection else await self._state.connections()
        handle = secrets.token_hex(8)
        self._previews[handle] = Preview(self._state, chosen, self._clock)
        return handle

    async def preview_lines(
        self, handle: str, lines: Sequence[tuple[int, bytes]]
    ) -> tuple[list[PreviewedEvent], list[BadLine]]:
        """What each event of these lines would come to, after those before. Sends nothing, changes nothing."""
        return await self._previews[handle].lines(lines)

    async def end_preview(self, handle: str) -> None:
        del self._previews[handle]


def _read_options(destination: Destination[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401  # the destination's own
    try:
        return destination.read_options(values)
    except InvalidOptions as invalid:
        raise Mistake(str(invalid)) from None


def _new_token() -> str:
    return "hog_" + secrets.token_urlsafe(32)


def _taken(name: str) -> str:
    return f"There is a connection {name!r} already. Choose another --name, or change it with `hogline configure`."


def _changed(connection: Connection, **changes: object) -> Connection:
    return Connection(**{**{field: getattr(connection, field) for field in connection.__struct_fields__}, **changes})


def _person_view(connection: Connection, person: Person, not_sent: str | None) -> PersonView:
    return PersonView(
        connection=connection.name,
        distinct_id=person.distinct_id,
        email=person.email,
        identified=person.identified,
        customer=person.customer,
        not_sent=None if person.customer else not_sent,
        attributes=person.attributes(),
        unsent=sorted(person.unsent),
        refused=sorted(person.refused),
        first_seen_ms=person.first_seen_ms,
        last_seen_ms=person.last_seen_ms,
    )


def _failure_view(connection: Connection, letter: DeadLetter) -> FailureView:
    event = decode_event(letter.event)
    return FailureView(
        connection=connection.name,
        id=letter.position,
        reason=letter.reason,
        event=event.name,
        distinct_id=event.distinct_id,
        uuid=letter.uuid,
        at_ms=letter.at_ms,
    )


def _failure_details(connection: Connection, letter: DeadLetter) -> FailureDetails:
    event = decode_event(letter.event)
    return FailureDetails(
        failure=_failure_view(connection, letter),
        refusals=[
            RefusalView(
                reason=refusal.reason,
                message=refusal.message,
                field=refusal.field,
                operation=msgspec.json.decode(refusal.operation) if refusal.operation else None,
            )
            for refusal in letter.refusals
        ],
        properties=event.properties,
        set=event.set,
        timestamp_ms=event.timestamp_ms,
    )
