"""What the two forms with a destination's options share: what came of one, names of events, and a test event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from starlette.datastructures import FormData

from hogline.console.forecast import Forecast
from hogline.console.forms import Change
from hogline.console.picked import picked
from hogline.console.samples import SAMPLES
from hogline.service import CannotDo, Service
from hogline.views.connections import CheckView, TrialView
from hogline.views.events import ReceivedEvent

LOOKED_AT = 1_000
MOST_SUGGESTED = 20
MOST_TO_TRY = 8


@dataclass(frozen=True, kw_only=True)
class FormResult:
    """What came of a form that was not taken, or only tested."""

    check: CheckView | None = None
    trial: TrialView | None = None
    """An event that was sent as a test."""
    sentence: str = ""
    """Why it was not taken."""
    problems: dict[str, str] = field(default_factory=dict)
    forecast: Forecast | None = None
    a_month: float | None = None
    """The price of one customer a month."""
    changed: list[Change] = field(default_factory=list)
    """What somebody else changed since the form was opened."""

    @property
    def status(self) -> int:
        return 422 if self.sentence or self.problems else 200


NOTHING_YET = FormResult()


@dataclass(frozen=True, kw_only=True)
class SeenLately:
    """Of the newest events: the most frequent names first, and events to try."""

    names: list[str]
    events: list[ReceivedEvent]


async def seen_lately(service: Service) -> SeenLately:
    received = await service.live.received(limit=LOOKED_AT)
    names = Counter(event.event for event in received)
    return SeenLately(
        names=[name for name, _ in names.most_common(MOST_SUGGESTED)], events=received[: -MOST_TO_TRY - 1 : -1]
    )


TESTS = frozenset({"test", "send"})


async def outcome_of_test(
    service: Service, form: FormData, destination: str, values: dict[str, object], name: str = ""
) -> FormResult:
    """`do`: `test` checks the credentials; `send` sends the event that was chosen or typed, for real. Raises
    `CannotDo`.
    """
    if form.get("do") == "test":
        return FormResult(check=await service.connections.test(destination, values, name))
    text = str(form.get("trial-json", "")).strip()
    kind, _, which = str(form.get("trial-event", "")).partition("-")
    if not text and kind == "received":
        text = await picked(service, name, which, "")
    elif not text and which in SAMPLES:
        text = SAMPLES[which].text
    if not text:
        raise CannotDo("Choose an event to send, or paste one as JSON.")
    return FormResult(trial=await service.trials.send(destination, values, text, name))
