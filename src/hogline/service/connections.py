"""Creating, changing, checking, pausing, resuming and deleting connections."""

from __future__ import annotations

import re
from collections.abc import Mapping

import structlog
from msgspec.structs import replace

from hogline.clock import Clock
from hogline.delivery.scribe import Scribe
from hogline.delivery.workers import Workers
from hogline.destinations.base import Check, Send
from hogline.destinations.catalogue import destination_of
from hogline.destinations.given import begun, grown
from hogline.service.backfills import Backfills
from hogline.service.backlog import Backlogs
from hogline.service.connection_options import (
    changes_of,
    destination_named,
    differences,
    given,
    host_of,
    notes_of,
    over_its_own,
    shown,
)
from hogline.service.core import CannotDo, connection_named, evolved, opened, read_options
from hogline.service.runner import Runner
from hogline.service.trail import Trail
from hogline.store.base import Connection, Journal, NameTaken, State
from hogline.store.cleaning import Cleaning
from hogline.views.connections import CheckView, ConnectionView

# Only the names of options are logged: their values include secrets.
log = structlog.get_logger("hogline.service")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class ChangedMeanwhile(CannotDo):
    """The options are not as they were seen; `changes` has what each was and is now, by key."""

    def __init__(self, name: str, changes: Mapping[str, tuple[object, object]]) -> None:
        super().__init__(f"Somebody else changed {name} in the meantime. Nothing was saved. Look at it again.")
        self.changes = changes


class Connections:
    def __init__(
        self,
        *,
        journal: Journal,
        state: State,
        event_log: Scribe | None,
        cleaning: Cleaning,
        send: Send,
        clock: Clock,
        workers: Workers,
        runner: Runner,
        backlogs: Backlogs,
        backfills: Backfills,
        trail: Trail,
    ) -> None:
        self._journal = journal
        self._state = state
        self._event_log = event_log
        self._cleaning = cleaning
        self._send = send
        self._clock = clock
        self._workers = workers
        self._runner = runner
        self._backlogs = backlogs
        self._backfills = backfills
        self._trail = trail

    async def add(
        self, destination: str, options: dict[str, object], *, name: str = "", paused: bool = False
    ) -> ConnectionView:
        """Create a connection. The credentials are checked first; if they are rejected, nothing is saved. Without a
        name, it gets the destination's.
        """
        chosen = destination_named(destination)
        options = begun(chosen.options, options)
        parsed = read_options(chosen, options)
        name = name or await self._free_name(destination)
        await self._may_have(name)
        check = await chosen.check(parsed, self._send)
        if check.outcome != "ok" and (not paused or check.outcome != "unreachable"):
            raise CannotDo(f"{check.sentence} Nothing was saved.")
        try:
            connection = await self._state.add_connection(
                name=name,
                destination=destination,
                options=options,
                paused=paused,
                start=self._journal.end,
                now_ms=self._clock.time_ms(),
                workspace=check.workspace,
            )
        except NameTaken:
            raise CannotDo(_taken(name)) from None
        await self._runner.look_at_options()
        log.info("connection made", connection=name, destination=destination, paused=paused)
        await self._runner.run(connection)
        await self._trail.note(
            "connection_made",
            {"destination": destination, "options": changes_of(chosen, {}, options)},
            connection=name,
        )
        return self._view(connection)

    async def _may_have(self, name: str) -> None:
        """Raises `CannotDo` if a connection cannot get this name."""
        if not _NAME.fullmatch(name):
            raise CannotDo(
                "A name may have up to 64 lowercase letters, digits, - and _, and must start with a letter or digit."
            )
        if any(existing.name == name for existing in await self._state.connections()):
            raise CannotDo(_taken(name))

    async def rename(self, name: str, to: str) -> ConnectionView:
        """Give a connection another name. It keeps everything else."""
        await self._may_have(to)
        renamed = await self._change(name, name=to)
        log.info("connection renamed", connection=to, before=name)
        await self._trail.note("connection_renamed", {"change": [name, to]}, connection=to)
        return renamed

    async def duplicate(self, name: str, to: str = "") -> ConnectionView:
        """Create a paused connection with the same options and credentials. It starts with the next event."""
        connection = await connection_named(self._state, name)
        options = grown(destination_of(connection.destination).options, connection.options)
        return await self.add(connection.destination, options, name=to, paused=True)

    async def _free_name(self, destination: str) -> str:
        taken = {connection.name for connection in await self._state.connections()}
        names = (destination if n == 1 else f"{destination}-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    async def configure(
        self, name: str, options: dict[str, object], *, seen: dict[str, object] | None = None
    ) -> ConnectionView:
        """Change some options of a connection; None resets an option to its default. A stopped connection continues if
        the credentials work now. A different host needs the credentials again. `seen`: the options as the user saw
        them. Raises `ChangedMeanwhile` if they are different now.
        """
        connection = await connection_named(self._state, name)
        if seen is not None and seen != shown(connection):
            raise ChangedMeanwhile(name, differences(seen, shown(connection)))
        kept = over_its_own(connection, options)
        destination = destination_of(connection.destination)
        parsed = read_options(destination, kept)
        check = await destination.check(parsed, self._send)
        if not connection.paused and check.outcome != "ok":
            raise CannotDo(f"{check.sentence} Nothing was changed.")
        workspace = _same_workspace(connection, check)
        changed = await self._change(name, was=connection, options=kept, stopped=None, workspace=workspace)
        log.info("connection changed", connection=name, options=sorted(options))
        changes = changes_of(destination, connection.options, kept)
        await self._trail.note("options_changed", {"options": changes}, connection=name)
        return replace(changed, notes=notes_of(destination, connection.options, kept))

    async def test(self, destination: str, options: dict[str, object], name: str = "") -> CheckView:
        """Check whether the destination accepts these options. Nothing is saved. With a connection's name, they are
        combined with its stored options, as `configure` does.
        """
        values = given(options)
        if name:
            connection = await connection_named(self._state, name)
            destination, values = connection.destination, over_its_own(connection, options)
        chosen = destination_named(destination)
        parsed = read_options(chosen, values)
        await self._trail.note("options_tested", {"host": host_of(chosen, values)}, connection=name)
        check = await chosen.check(parsed, self._send)
        return CheckView(name=name, ok=check.outcome == "ok", outcome=check.outcome, sentence=check.sentence)

    async def check(self, name: str) -> CheckView:
        """Check whether the credentials work; if not, say what to do."""
        connection = await connection_named(self._state, name)
        one = opened(connection)
        check = await one.destination.check(one.options, self._send)
        return CheckView(name=name, ok=check.outcome == "ok", outcome=check.outcome, sentence=check.sentence)

    async def all(self) -> list[ConnectionView]:
        return [self._view(connection) for connection in await self._state.connections()]

    async def resume(self, name: str, *, from_now_on: bool = False) -> ConnectionView:
        """Check the credentials and continue where the connection left off. If they are rejected, nothing changes.
        `from_now_on`: skip the pending events, which then count as filtered (`skipped`).
        """
        connection = await connection_named(self._state, name)
        one = opened(connection)
        check = await one.destination.check(one.options, self._send)
        if check.outcome != "ok":
            raise CannotDo(f"{check.sentence} {name} is still paused.")
        workspace = _same_workspace(connection, check)
        resumed = await self._change(name, skip=from_now_on, paused=False, stopped=None, workspace=workspace)
        log.info("connection resumed", connection=name, skipped_backlog=from_now_on)
        await self._trail.note("connection_enabled", {"from_now_on": True} if from_now_on else {}, connection=name)
        return resumed

    async def pause(self, name: str) -> ConnectionView:
        """Stop sending. New events are kept until you resume."""
        paused = await self._change(name, paused=True)
        log.info("connection paused", connection=name)
        await self._trail.note("connection_disabled", connection=name)
        return paused

    async def _change(
        self, name: str, /, *, was: Connection | None = None, skip: bool = False, **changes: object
    ) -> ConnectionView:
        """Stop the worker, write the change, and start it again. `was`: the connection that the change is based on;
        raises `ChangedMeanwhile` if its options are different now. `skip`: without the pending events.
        """
        async with self._runner.changing:
            connection = await connection_named(self._state, name)
            if was is not None and was.options != connection.options:
                raise ChangedMeanwhile(name, differences(shown(was), shown(connection)))
            await self._workers.stop(connection.id)
            if skip:
                await self._backlogs.skip(connection)
            before, connection = connection, evolved(connection, **changes)
            if (before.paused, before.stopped) != (connection.paused, connection.stopped):
                connection = evolved(connection, since_ms=self._clock.time_ms())
            await self._state.change_connection(connection)
            if "options" in changes:
                await self._state.options_changed(connection.id, self._clock.time_ms())
                await self._runner.look_at_options()
            await self._runner.run(connection)
            return self._view(connection)

    async def remove(self, name: str) -> None:
        """Delete the connection and everything stored for it. The destination keeps what it has."""
        async with self._runner.changing:
            connection = await connection_named(self._state, name)
            await self._workers.stop(connection.id)
            await self._backfills.cancel_all_of(connection.id)
            await self._state.remove_connection(connection.id)
            if self._event_log is not None:
                await self._event_log.keep_only([one.id for one in await self._state.connections()])
        await self._cleaning.finish()
        log.info("connection removed", connection=name)
        await self._trail.note("connection_removed", {"destination": connection.destination}, connection=name)

    def _view(self, connection: Connection) -> ConnectionView:
        state, reason = self._runner.standing(connection)
        return ConnectionView(
            name=connection.name,
            destination=connection.destination,
            paused=connection.paused,
            state=state,
            reason=reason,
            options=shown(connection),
        )


def _taken(name: str) -> str:
    return f"The connection {name!r} already exists. Choose another name, or change it with `hogline configure {name}`."


def _same_workspace(connection: Connection, check: Check) -> str | None:
    """The workspace that a connection belongs to from now on. What it told about people was accepted in one workspace
    and is only true there.
    """
    if connection.workspace is not None and check.workspace not in {None, connection.workspace}:
        raise CannotDo(
            f"These credentials belong to workspace {check.workspace}, but {connection.name} is set up for workspace "
            f"{connection.workspace}. Create a separate connection."
        )
    return connection.workspace or check.workspace
