"""What commands print about runs of older events: progress for people and for programs, and the list of runs."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from hogline.backfill.views import Delivery, RunView
from hogline.cli import backfills
from hogline.cli.progress import Progress

DELIVERY = Delivery(
    connection="customerio",
    events=12_345_678,
    delivered=6_000_000,
    filtered={"not_identified": 1_234_567},
    held=100_000,
    failures={"identifier_too_long": 45_678},
    adjusted={},
    pending=4_965_433,
    state="delivering",
    reason=None,
)
RUN = RunView(
    number=12,
    connection="customerio",
    sources=[f"s3://a-bucket-with-a-long-name/prefix/2026-10-0{day}T00:00:00+00:00.parquet" for day in range(1, 8)],
    share=50,
    state="sending",
    reason="live events go first",
    created_ms=1_790_000_000_000,
    finished_ms=0,
    read=12_345_678,
    rows=12_345_678,
    people=0,
    taken=7_400_000,
    requests=6_100,
    left_out={},
    bad=2,
    first_bad=[],
    connections=[DELIVERY],
)


@pytest.mark.parametrize("run", [RUN, replace(RUN, connection=""), replace(RUN, rows=0, state="reading", sources=[])])
def test_a_run_in_the_list_fits_into_80_columns(run: RunView) -> None:
    lines = [line.plain for line in backfills.shown(run)]
    assert max(map(len, lines)) <= 80
    assert "12  " in lines[0]


def test_what_is_nothing_is_not_listed() -> None:
    quiet = replace(DELIVERY, filtered={}, held=0, failures={}, pending=0)
    text = "\n".join(line.plain for line in backfills.shown(replace(RUN, connections=[quiet], bad=0)))
    assert text.endswith("6,000,000 of 12,345,678 events delivered")


def test_programs_get_progress_as_lines_of_json_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(json=True) as progress:
        progress.reading(1_000, 400)
        progress.sending(RUN)
    said = capsys.readouterr()
    assert said.out == ""
    reading, sending = map(msgspec.json.decode, said.err.splitlines())
    assert reading == {"step": "reading", "read": 1_000, "sorted": 400, "per_s": 0}
    assert (sending["run"], sending["events"], sending["settled"], sending["failures"]) == (
        12, 12_345_678, 7_380_245, 45_678,
    )  # fmt: skip
    assert sending["reason"] == "live events go first"


def test_people_without_a_terminal_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(json=False) as progress:
        progress.sending(RUN)
    said = capsys.readouterr().err
    assert said.startswith("7,380,245 of 12,345,678 events sent")
    assert f"{RUN.requests:,} requests" in said


def test_a_run_that_just_finished_does_not_claim_to_have_taken_no_requests(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(json=False) as progress:
        progress.sending(replace(RUN, requests=0))
    assert "requests" not in capsys.readouterr().err
