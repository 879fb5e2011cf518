"""Lives through one history, and looks at every rest whether all is as it should be."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from random import Random
from typing import Any

from .customerio import CustomerIo
from .expected import Expected
from .history import (
    Configure,
    Connect,
    Event,
    Fail,
    Forget,
    History,
    Kill,
    Refuse,
    Repeat,
    Replay,
    Resend,
    Rest,
    Restart,
    Retry,
    Say,
    Step,
    Switch,
    Wait,
)  # fmt: skip
from .judge import Judge, Violation
from .machine import Machine, machine
from .truth import Human, Truth
from .virtual import NOON_MS, Loop

FINAL = "final"
"""Everybody's last event."""


class Connection:
    """One connection, what is expected of it, and what is there."""

    def __init__(self, name: str, expected: Expected, customerio: CustomerIo, after: int) -> None:
        self.name = name
        self.expected = expected
        self.customerio = customerio
        self.after = after
        """The journal's end when it was made."""
        self.enabled = True
        self.blurred = False
        """Options changed while requests were out: by which of them an event was judged, nobody can say."""
        self.changed = False
        self.renamed = False
        """Whether customers are named by emails changed."""
        self.replayed = False
        self.retried = False


class Run:
    def __init__(
        self, history: History, hogline: Machine, loop: Loop, chance: Random, customerios: dict[str, CustomerIo]
    ) -> None:
        """`customerios`: where the workspaces go, by Site ID, as soon as there is a connection to them."""
        self.history = history
        self.hogline = hogline
        self._loop = loop
        self._chance = chance
        self._customerios = customerios
        self._pause_s = Random(f"pause {history.world.schedule}").choice([1, 1, 0.02])
        """Between two events. In some histories many things happen in one second."""
        self.truth = Truth()
        self.connections: dict[str, Connection] = {}
        self.events: list[Event] = []
        """By their numbers."""
        self._outbox: list[tuple[int, Event]] = []
        self.position = 0
        self.forgotten: list[Human] = []
        self.forgot: list[set[int]] = []
        """Numbers of the events of each who was forgotten."""

        self._handlers: dict[type, Callable[[Any], None]] = {
            Repeat: self._repeat,
            Wait: lambda step: hogline.wait(step.seconds),
            Rest: lambda _: self._rest(),
            Kill: lambda _: hogline.kill(),
            Restart: lambda _: hogline.restart(),
            Fail: lambda step: hogline.failures.extend(step.ways),
            Refuse: self._refuse,
            Retry: lambda _: self._retry(),
            Replay: lambda _: self._replay(),
            Resend: lambda step: self._resend(step.who),
            Configure: self._configure,
            Connect: self._second,
            Switch: lambda _: self._switch(),
            Forget: lambda step: self._forget(step.who, suppress=step.suppress),
        }

    def go(self) -> None:
        self._connect(self.history.world.options)
        for step in self.history.steps:
            self._take(step)
        self._end()

    def _take(self, step: Step) -> None:
        if isinstance(step, Say):
            if step.event.named & self.truth.perhaps_suppressed and not self.truth.is_suppressed(step.event):
                return
            self.events.append(step.event)
            self._outbox.append((len(self.events) - 1, step.event))
            if self._chance.random() < 0.3:
                self._post()
            return
        self._post()
        self._handlers[type(step)](step)

    def _repeat(self, step: Repeat) -> None:
        if self.events:
            n = max(0, len(self.events) - step.back)
            self._outbox.append((n, self.events[n]))
            self._post()

    def _refuse(self, step: Refuse) -> None:
        for connection in self.connections.values():
            connection.customerio.to_refuse[step.kind] = step.operations

    def _second(self, step: Connect) -> None:
        if len(self.connections) == 1:
            self._connect(step.options)

    def _post(self) -> None:
        """What PostHog has said goes to Hogline, and to the truth."""
        bodies = []
        for n, event in self._outbox:
            self._loop.now_s += self._pause_s
            bodies.append((n, event, NOON_MS + round(self._loop.now_s * 1_000)))
        self._outbox = []
        if not bodies:
            return
        self.hogline.receive([event.body(n, at_ms - event.late_s * 1_000) for n, event, at_ms in bodies])
        for n, event, at_ms in bodies:
            self.position += 1
            self._tell(n, event, at_ms)
        assert self.hogline.end_of_journal() == self.position

    def _tell(self, n: int, event: Event, at_ms: int) -> None:
        if self.truth.is_suppressed(event):
            for connection in self.connections.values():
                connection.expected.suppressed(self.position)
            return
        told = self.truth.tell(event, at_ms)
        for connection in self.connections.values():
            connection.expected.take(self.position, n, event, told)

    # what users do

    def _connect(self, options: dict[str, object]) -> None:
        name = f"connection-{len(self.connections) + 1}"
        world, clock = self.history.world, self.hogline.clock
        customerio = CustomerIo(
            len(self.connections) + 1,
            lambda: clock.time_ms() / 1_000,
            self._chance,
            orders_by=world.orders_by,
            shuffles=world.shuffles,
        )
        self._customerios[name] = customerio
        if not self.connections:
            customerio.made_elsewhere(world.elsewhere)
        self.hogline.connect(name, options)
        self.connections[name] = Connection(name, Expected(self.truth, options), customerio, self.position)

    def _rest(self) -> None:
        self.hogline.rest()
        for connection in self.connections.values():
            Judge(self, connection).at_any_rest()

    def _retry(self) -> None:
        for name, connection in self.connections.items():
            self.hogline.ask(lambda service, name=name: service.failures.retry(name))  # type: ignore[misc]
            connection.retried = True

    def _replay(self) -> None:
        for name, connection in self.connections.items():
            self.hogline.ask(lambda service, name=name: service.replays.begin(name, since_ms=0))  # type: ignore[misc]
            connection.expected.replay()
            connection.replayed = True

    def _resend(self, who: str) -> None:
        for name in self.connections:
            self.hogline.resend(name, who)

    def _configure(self, step: Configure) -> None:
        connection = self.connections["connection-1"]
        if step.at_rest:
            self._rest()
        if not step.at_rest or not connection.enabled:
            connection.blurred = True
        connection.changed = True
        connection.renamed = connection.renamed or bool({"identify_by", "identify_by_email"} & step.options.keys())
        connection.expected.configure(step.options)
        self.hogline.ask(lambda service: service.connections.configure("connection-1", step.options))

    def _switch(self) -> None:
        connection = list(self.connections.values())[-1]
        connection.enabled = not connection.enabled
        if connection.enabled:
            self.hogline.ask(lambda service: service.connections.resume(connection.name))
        else:
            self.hogline.ask(lambda service: service.connections.pause(connection.name))

    def _forget(self, who: str, *, suppress: bool) -> None:
        """A forgotten person's customers can only be deleted where the destination answers."""
        if self.truth.is_only_an_email(who) or any(who in human.user_ids for human in self.truth.humans):
            return  # whoever has it would be meant: what is forgotten here are distinct_ids
        self.hogline.failures.clear()
        for connection in self.connections.values():
            connection.customerio.to_refuse.clear()
        self.hogline.forget(who, suppress=suppress)
        ids = self.truth.human(who).ids
        said = frozenset(email for event in self.events if event.who in ids for email in event.emails)
        human = self.truth.forget(who, suppress=suppress, said=said)
        self.forgotten.append(human)
        self.forgot.append({n for n, event in enumerate(self.events) if event.who in human.ids})
        # What named them and was let in while they were suppressed names nobody anymore.
        named = {n for n, event in enumerate(self.events) if event.named & human.ids}
        for connection in self.connections.values():
            connection.expected.forget(human)
            connection.expected.optional |= named

    # the end

    def _end(self) -> None:
        """Everything is delivered and tried again; then all has to be as PostHog has it."""
        self._post()
        hogline = self.hogline
        hogline.immortal = True
        hogline.failures.clear()
        for connection in self.connections.values():
            if not connection.enabled:
                connection.enabled = True
                hogline.ask(lambda service, name=connection.name: service.connections.resume(name))  # type: ignore[misc]
            connection.customerio.to_refuse.clear()
        self._rest()
        self._again_after_refusals()
        if self._says_more():
            self._everybody_says(FINAL)
        hogline.wait(self.history.world.flush_s + 1)
        for connection in self.connections.values():
            Judge(self, connection).in_the_end()

    def _again_after_refusals(self) -> None:
        has_letters = any(one.failures for one in self.hogline.status())
        if not has_letters and not any(one.customerio.refused for one in self.connections.values()):
            return
        self._retry()
        self._rest()
        if any("identify" in one.customerio.refused for one in self.connections.values()):
            for human in self.truth.humans:
                self._resend(min(human.ids))
            self._rest()

    def _says_more(self) -> bool:
        """What an ignored event says is told with the next one. Where emails were shared, so is what changed options
        allow; and where another tool made customers, events tell whose is whose. A free email needs no event, which
        half of the other histories show."""
        if any(event.test for event in self.events):
            return True
        world, changed = self.history.world, any(one.changed for one in self.connections.values())
        return self._has_shared_emails() and (changed or bool(world.elsewhere) or world.schedule % 2 == 0)

    def _has_shared_emails(self) -> bool:
        """Whether somebody has or had an email that another had, too."""
        seen: set[str] = set()
        for human in [*self.truth.humans, *self.forgotten]:
            if human.emails & seen:
                return True
            seen |= human.emails
        return False

    def _everybody_says(self, name: str) -> None:
        for human in self.truth.humans:
            self._take(Say(Event(name, min(human.ids))))
        self._post()
        self._rest()


def outcome(history: History) -> tuple[str | None, Run]:
    """What is wrong in the end of a history, None if nothing is; and all that was there to see."""
    chance, loop = Random(f"chance {history.world.schedule}"), Loop()
    customerios: dict[str, CustomerIo] = {}
    with machine(history.world, customerios.__getitem__, loop, chance) as hogline:
        run = Run(history, hogline, loop, chance, customerios)
        try:
            run.go()
        except Violation as violation:
            return str(violation), run
        except Exception as error:
            return f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-6)}", run
    return None, run
