"""What a user can ask Hogline to do: parts, each with its functions. The commands, the control socket, the console and
the API all call the same functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial

from hogline.clock import Clock
from hogline.delivery.crew import Leader
from hogline.delivery.scribe import Scribe
from hogline.delivery.workers import Retention, Workers
from hogline.destinations.base import Send
from hogline.service.accounts import Accounts
from hogline.service.alerts import Alerts
from hogline.service.api_tokens import ApiTokens
from hogline.service.auditing import Auditing
from hogline.service.backfills import Backfills
from hogline.service.backlog import Backlogs
from hogline.service.connections import Connections
from hogline.service.consuming import Consuming
from hogline.service.core import Addresses, CannotDo, note_stopped
from hogline.service.doctor import Doctor
from hogline.service.dry_runs import DryRuns
from hogline.service.event_log import Events
from hogline.service.exporting import Exports
from hogline.service.failures import Failures
from hogline.service.fetching import Fetching
from hogline.service.figures import Trends
from hogline.service.files import Forecasts, Previews, Sendings
from hogline.service.finding import Finder
from hogline.service.forgetting import Forgetting
from hogline.service.history import History
from hogline.service.live import Live
from hogline.service.people import People
from hogline.service.people_list import PeopleLists
from hogline.service.posthog import PostHogSetup
from hogline.service.project_tokens import ProjectTokens
from hogline.service.replays import Replays
from hogline.service.resending import Resending
from hogline.service.runner import Runner
from hogline.service.sources import Sources
from hogline.service.spreading import Spreading
from hogline.service.status import Statuses
from hogline.service.trail import Trail
from hogline.service.trials import Trials
from hogline.service.verifying import Verification
from hogline.settings import Settings
from hogline.sources.rejections import Rejections
from hogline.sources.seen import SeenUuids
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Journal, State
from hogline.store.cleaning import Cleaning
from hogline.store.datadir.sources import Sources as KeptSources
from hogline.store.event_log import EventLog
from hogline.store.figures import Figures
from hogline.telemetry.delivery import RequestListener, nobody

__all__ = ["CannotDo", "Service"]


class Service:
    """Everything a user can ask for, one attribute for each thing. Every function raises `CannotDo` if it cannot do
    what was asked.
    """

    accounts: Accounts
    alerts: Alerts
    api_tokens: ApiTokens
    audit: Auditing
    backfills: Backfills
    backlogs: Backlogs
    connections: Connections
    doctor: Doctor
    dry_runs: DryRuns
    events: Events
    exports: Exports
    failures: Failures
    finder: Finder
    forecasts: Forecasts
    forgetting: Forgetting
    history: History
    live: Live
    people: People
    people_list: PeopleLists
    posthog: PostHogSetup
    previews: Previews
    project_tokens: ProjectTokens
    replays: Replays
    resending: Resending
    sendings: Sendings
    sources: Sources
    status: Statuses
    trends: Trends
    trials: Trials
    verification: Verification

    def __init__(  # noqa: PLR0915  # one for each part
        self,
        settings: Settings,
        *,
        journal: Journal,
        state: State,
        send: Send,
        clock: Clock,
        delivers: bool,
        figures: Figures | None = None,
        events: EventLog | None = None,
        sources: KeptSources | None = None,
        trail: Trail | None = None,
        addresses: Addresses | None = None,
        listener: RequestListener = nobody,
        leader: Leader | None = None,
        calm: Callable[[], Awaitable[None]] | None = None,
        topics: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`delivers`: connections run as long as this service lives. `figures`: where figures over time are read from.
        `events`: the event log. `sources`: what is fetched from; without it, there are none. `trail`: the audit log;
        without one nothing is noted. `listener` gets every request to a destination.
        `leader`: of other processes that deliver, too. `calm`: see `Workers`. `topics`: addresses of those into which
        other processes put events.
        """
        self._delivers = delivers
        self.journal = journal
        self.state = state
        self.clock = clock
        self.figures = figures
        self.trail = trail = trail or Trail()
        self.addresses = addresses = addresses or Addresses(settings.public_url or f"http://{settings.listen}")
        self.token_check = TokenCheck(())
        self.rejections = Rejections()
        """Requests that were refused."""
        self.cleaning = Cleaning(journal, state, events)
        self.seen_uuids = seen = SeenUuids(journal)
        """Shared by everything that receives events."""
        self._event_log = event_log = None if events is None else Scribe(state, events, clock)
        self.workers = workers = Workers(
            journal=journal,
            state=state,
            send=send,
            clock=clock,
            stopped=partial(note_stopped, state, clock),
            merge_delay_s=settings.merge_delay_s,
            retains=settings.people_retention_days > 0,
            listener=listener,
            noting=None if event_log is None else event_log.wake,
            others=leader,
            calm=calm,
        )
        self._runner = runner = Runner(workers, state, clock, delivers=delivers)
        self.spreading: Spreading | None = None
        if leader is not None:
            self.spreading = Spreading(
                leader,
                workers=workers,
                runner=runner,
                journal=journal,
                state=state,
                clock=clock,
                behind_s=settings.share_behind_s,
            )
        self.retention = Retention(workers, runner.changing)
        """For housekeeping."""

        self.accounts = Accounts(settings, clock, trail)
        self.api_tokens = ApiTokens(settings.data, clock, trail)
        self.audit = Auditing(trail)
        self.project_tokens = ProjectTokens(state, addresses, self.token_check, trail)
        self.posthog = PostHogSetup(
            journal=journal,
            send=send,
            clock=clock,
            tokens=self.project_tokens,
            addresses=addresses,
            trail=trail,
        )
        self.fetching = Fetching(
            sources,
            settings.data,
            journal=journal,
            state=state,
            clock=clock,
            workers=workers,
            seen=seen,
        )
        self.consuming = Consuming(
            sources, journal=journal, state=state, clock=clock, seen=seen, own=settings.journal, others=topics
        )
        self.sources = Sources(
            sources, self.fetching, self.consuming, journal=journal, state=state, clock=clock, trail=trail
        )
        self.status = Statuses(
            journal=journal,
            state=state,
            clock=clock,
            workers=workers,
            runner=runner,
            sources=self.sources,
            rejections=self.rejections,
        )
        self.trends = Trends(figures, state, clock)
        self.alerts = Alerts(
            settings, journal=journal, send=send, clock=clock, statuses=self.status, addresses=addresses
        )
        self.doctor = Doctor(
            settings,
            journal=journal,
            state=state,
            send=send,
            clock=clock,
            addresses=addresses,
            sources=self.sources,
        )
        self.live = Live(journal)

        self.finder = Finder(journal, state, workers, trail)
        self.people_list = PeopleLists(journal, state, clock, workers, trail)
        self.resending = Resending(state, workers, trail)
        self.verification = Verification(state, send, clock, workers)
        self.events = Events(
            journal=journal,
            state=state,
            event_log=event_log,
            workers=workers,
            runner=runner,
            trail=trail,
        )
        self.people = People(journal, state, workers, trail, self.events)
        self.exports = Exports(journal, state, clock, self.finder, trail)
        self.failures = Failures(state, workers, trail)
        self.trials = Trials(state, send, clock, trail)
        self.replays = Replays(journal, state, workers, trail)

        self.previews = Previews(state, clock)
        self.forecasts = Forecasts(journal, state, clock, hold_max_bytes=settings.hold_max_bytes)
        self.dry_runs = DryRuns(state, clock)
        self.sendings = Sendings(
            journal=journal, state=state, clock=clock, workers=workers, runner=runner, seen=seen, trail=trail
        )
        self.backfills = Backfills(
            settings, journal=journal, state=state, clock=clock, workers=workers, runner=runner, seen=seen, trail=trail
        )
        self.history = History(settings, clock, self.backfills)
        self.backlogs = Backlogs(
            settings,
            journal=journal,
            state=state,
            clock=clock,
            workers=workers,
            changing=runner.changing,
            logs=events is not None,
        )
        self.connections = Connections(
            journal=journal,
            state=state,
            event_log=event_log,
            cleaning=self.cleaning,
            send=send,
            clock=clock,
            workers=workers,
            runner=runner,
            backlogs=self.backlogs,
            backfills=self.backfills,
            trail=trail,
        )
        self.forgetting = Forgetting(
            settings.data,
            journal=journal,
            state=state,
            event_log=event_log,
            cleaning=self.cleaning,
            send=send,
            clock=clock,
            workers=workers,
            runner=runner,
            finder=self.finder,
            fetching=self.fetching,
            backfills=self.backfills,
            trail=trail,
        )

    async def start(self) -> None:
        """Finish what a crash interrupted, and start every connection and run that is not paused."""
        await self.forgetting.start()
        await self.project_tokens.start()
        if self._event_log is None:
            await self.state.logged(2**62)  # nobody takes it
        elif self._delivers:
            self._event_log.start()
        await self._runner.start()
        await self.backfills.start()
        if self._delivers:
            self.history.go_on()
        await self.cleaning.finish()

    async def close(self, within_s: float = 20.0) -> None:
        """Settle what is in flight, or give it up after that time."""
        self.backlogs.close()
        await self.history.stop()
        await self.backfills.stop()
        await self.workers.close(within_s)
        if self._event_log is not None:
            await self._event_log.close()
