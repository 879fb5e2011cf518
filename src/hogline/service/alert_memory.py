"""What alerts were sent, and when: kept in the data directory, so that a restart neither repeats one nor forgets to say
that it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog
from msgspec import Struct

from hogline.store.datadir.private_files import write_whole
from hogline.views.connections import AlertView

log = structlog.get_logger("hogline.alerts")

AGAIN_AFTER_MS = 3_600_000
"""One alert is sent at most once in that time, however often it comes and goes."""
REMIND_AFTER_MS = 86_400_000


class Said(Struct, frozen=True):
    at_ms: int
    """When it was last sent."""
    sentence: str
    stands: bool
    """Nobody was told yet that it is over."""


Everything: TypeAlias = Mapping[str, Said]
"""By the alert's key."""


def news(
    said: Everything, alerts: Mapping[str, str], now_ms: int, *, unknown: str | None = None
) -> tuple[list[AlertView], Everything]:
    """What is to be sent now, and what was said after that. `unknown`: whether an alert whose key ends like this is
    over is not known yet. A clock that goes back repeats nothing early.
    """
    told: list[AlertView] = []
    after = {key: one for key, one in said.items() if one.stands or now_ms - one.at_ms < AGAIN_AFTER_MS}
    for key, sentence in alerts.items():
        last = after.get(key)
        wait_ms = REMIND_AFTER_MS if last is not None and last.stands else AGAIN_AFTER_MS
        if last is None or now_ms - last.at_ms >= wait_ms:
            after[key] = Said(now_ms, sentence, stands=True)
            told.append(AlertView(key=key, state="raised", sentence=sentence))
    for key, one in list(after.items()):
        if one.stands and key not in alerts and not (unknown is not None and key.endswith(unknown)):
            after[key] = Said(one.at_ms, one.sentence, stands=False)
            told.append(AlertView(key=key, state="recovered", sentence=f"Recovered: {one.sentence}"))
    return told, after


class Memory:
    def __init__(self, data: Path) -> None:
        """`data`: the data directory. A file that cannot be read counts as empty."""
        self._file = data / "alerts.json"
        try:
            self.said: Everything = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Said])
        except (OSError, msgspec.MsgspecError):
            self.said = {}

    def keep(self, said: Everything) -> None:
        """On a full disk, it lasts until the process ends."""
        if said == self.said:
            return
        self.said = said
        try:
            write_whole(self._file, msgspec.json.encode(said))
        except OSError as error:
            log.warning("what alerts said cannot be kept", reason=error.strerror)
