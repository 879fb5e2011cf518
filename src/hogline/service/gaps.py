"""Gaps: what was gone from Kafka before it was read. They are kept with their source until PostHog's own exports or
queries have filled them, or somebody dismisses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from hogline.store.datadir.sources import Gap, Source
from hogline.store.datadir.sources import Sources as Kept

log = structlog.get_logger("hogline.service")

MARGIN_MS = 300_000
"""Kafka's times and PostHog's differ by less."""


def note(kept: Kept, name: str, found: Sequence[Gap]) -> None:
    """Keep these gaps of a source, and choose who fills them. Raises `Unusable`."""
    source = kept.get(name)
    assert source.topic is not None
    gaps = {(gap.partition, gap.first): gap for gap in source.topic.gaps}
    for gap in found:
        place = gap.partition, gap.first
        if place in gaps:
            gap = _both(gaps[place], gap)  # noqa: PLW2901  # what is known of it now
        else:
            log.warning("records gone before they were read", source=name, partition=gap.partition, records=gap.records)
        gaps[place] = replace(gap, filled_by=_who_fills(kept, source.topic.project, gap))
    _put(kept, source, tuple(gaps.values()))


def _both(one: Gap, other: Gap) -> Gap:
    """A gap that was noted again. It may have grown, or the topic is another one whose records have the same places."""
    is_known = one.records and other.records
    return replace(
        one,
        records=max(one.records, other.records) if is_known else 0,
        from_ms=min(one.from_ms, other.from_ms),
        to_ms=max(one.to_ms, other.to_ms),
    )


def assign(kept: Kept) -> None:
    """There is a new source of PostHog: it may fill what nobody fills yet. Raises `Unusable`."""
    for source in kept.all():
        if unfilled := [gap for gap in _gaps(source) if not gap.filled_by]:
            note(kept, source.name, unfilled)


def begin_filling(kept: Kept, helper: Source) -> Source:
    """The source that fills gaps only, with what it is to fetch next; without, if there is nothing. Raises
    `Unusable`.
    """
    if helper.filling:
        return helper
    wanted = [(one.name, gap) for one in kept.all() for gap in _gaps(one) if gap.filled_by == helper.name]
    if not wanted:
        return helper
    begun = replace(
        helper,
        filling=tuple(gap.key(name) for name, gap in wanted),
        up_to_ms=min(gap.from_ms for _, gap in wanted) - MARGIN_MS,
        until_ms=max(gap.to_ms for _, gap in wanted),
    )
    kept.put(begun)
    return begun


def drop_filled(kept: Kept, helper: Source) -> None:
    """Forget the gaps that a source of PostHog has filled. Raises `Unusable`."""
    if helper.only_gaps and not (helper.filling and helper.up_to_ms >= helper.until_ms):
        return
    for source in kept.all():
        left = tuple(gap for gap in _gaps(source) if not _is_filled(source.name, gap, helper))
        if len(left) < len(_gaps(source)):
            log.info("what Kafka missed was fetched", source=source.name, by=helper.name)
            _put(kept, source, left)
    if helper.filling:
        kept.put(replace(kept.get(helper.name), filling=()))


def release(kept: Kept, helper: str) -> None:
    """A source of PostHog is gone: somebody else may fill what it was to fill. Raises `Unusable`."""
    for source in kept.all():
        if any(gap.filled_by == helper for gap in _gaps(source)):
            _put(kept, source, tuple(replace(gap, filled_by="") for gap in _gaps(source)))
    assign(kept)


def dismiss(kept: Kept, source: Source) -> None:
    """Forget a source's gaps. Raises `Unusable`."""
    _put(kept, source, ())


def missed(source: Source) -> str:
    """A sentence about the gaps that nobody fills; empty, if there are none."""
    assert source.topic is not None
    open_ = [gap for gap in source.topic.gaps if not gap.filled_by]
    if not open_:
        return ""
    if source.topic.ours:
        return (
            f"{_what(open_)}. Their senders got an answer and will not send them again. Get them from PostHog with "
            f"`hogline backfill`; then, or to ignore them, run `hogline source dismiss {source.name}`."
        )
    return (
        f"{_what(open_)}. To fetch them, run `hogline source add posthog --only-gaps --host YOUR_POSTHOG --project "
        f"{source.topic.project}`; to ignore them, `hogline source dismiss {source.name}`."
    )


def refetched(found: Sequence[Gap]) -> str:
    """A sentence about those that another source fills; empty, if there are none."""
    filled = [gap for gap in found if gap.filled_by]
    if not filled:
        return ""
    return f"{_what(filled)}; {filled[0].filled_by} fetches them from PostHog."


def _what(found: Sequence[Gap]) -> str:
    records = sum(gap.records for gap in found)
    some = f"{records:,} record{'s' if records > 1 else ''}" if records else "an unknown number of records"
    least = "at least " if records and not all(gap.records for gap in found) else ""
    since, until = min(gap.from_ms for gap in found), max(gap.to_ms for gap in found)
    (day, begin), (other_day, end) = _minute(since), _minute(until)
    end = end if day == other_day else f"{other_day} {end}"
    return f"Kafka deleted {least}{some} that Hogline had not read ({day} {begin} to {end} UTC)"


def _minute(ms: int) -> tuple[str, str]:
    """The day and the time of day."""
    at = datetime.fromtimestamp(ms / 1_000, UTC)
    return f"{at:%Y-%m-%d}", f"{at:%H:%M}"


def _gaps(source: Source) -> tuple[Gap, ...]:
    return () if source.topic is None else source.topic.gaps


def _put(kept: Kept, source: Source, gaps: tuple[Gap, ...]) -> None:
    assert source.topic is not None
    if gaps != source.topic.gaps:
        kept.put(replace(source, topic=replace(source.topic, gaps=gaps)))


def _is_filled(source: str, gap: Gap, helper: Source) -> bool:
    if gap.filled_by != helper.name:
        return False
    return gap.key(source) in helper.filling if helper.only_gaps else helper.up_to_ms >= gap.to_ms


def _who_fills(kept: Kept, project: int, gap: Gap) -> str:
    """A source of PostHog with the same project that fetches only gaps, or that has what was received at that time, or
    will; empty: there is none.
    """
    for helper in kept.all():
        if helper.topic is None and helper.address.endswith(f"/{project}"):
            began_ms = helper.since_ms or helper.created_ms
            if helper.only_gaps or began_ms <= gap.from_ms - MARGIN_MS:
                return helper.name
    return ""
