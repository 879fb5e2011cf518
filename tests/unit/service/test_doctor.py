"""`hogline doctor` finds what is not well, and says what to do."""

from __future__ import annotations

import io
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_bench import GOOD, bench_in

from hogline.model import Response
from hogline.service import doctor
from hogline.service.doctor import _clock, _kind_of_file_system, _sync_speed
from hogline.store.backup import Keys, make
from hogline.views.connections import FindingView

NOW_S = 1_793_527_200


def found(findings: list[FindingView], subject: str) -> FindingView:
    return next(finding for finding in findings if finding.subject == subject)


def region(clock_s: int = NOW_S) -> Response:
    body = b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}'
    return Response(200, {"date": formatdate(clock_s, usegmt=True)}, body)


@pytest.mark.anyio
async def test_all_is_well(tmp_path: Path) -> None:
    async with bench_in(tmp_path / "data") as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        bench.customerio.check = region()
        bench.service.addresses.receives = "https://hogline.example.com"
        make(tmp_path / "data", io.BytesIO(), Keys(), version="1", now_ms=NOW_S * 1_000, scratch=tmp_path)
        findings = await bench.service.doctor.examine()
        assert {finding.subject for finding in findings} == {
            *("Version", "Disk space", "Disk speed", "File system", "Open files", "Address"),
            *("Connection shop", "Clock", "Journal", "Backup"),
        }
        for subject in ("Disk space", "File system", "Address", "Connection shop", "Clock", "Journal", "Backup"):
            assert found(findings, subject).level == "ok", subject


@pytest.mark.anyio
async def test_each_trouble_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench_in(tmp_path / "data") as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        monkeypatch.setattr(doctor, "LITTLE_ROOM_BYTES", 1 << 60)
        bench.customerio.check = region(NOW_S - 600)
        findings = await bench.service.doctor.examine()
        assert found(findings, "Disk space").level == "problem"
        assert "only this machine" in found(findings, "Address").sentence
        assert found(findings, "Clock").sentence == "This machine's clock is 600 s ahead of the destination's."
        assert found(findings, "Backup").sentence == "No backup was made yet."
        bench.customerio.check = Response(401, {}, b"")
        bench.service.addresses.receives = "https://hogline.example.com"
        findings = await bench.service.doctor.examine()
        assert found(findings, "Connection shop").level == "problem"
        assert found(findings, "Address").sentence == "https://hogline.example.com/healthz returns 401 instead of 200."
        await bench.service.connections.pause("shop")
        bench.customerio.check = region()
        assert "paused" in found(await bench.service.doctor.examine(), "Connection shop").sentence


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (0.4, "ok", "Within"),
        (-29, "ok", "Within"),
        (31, "problem", "31 s ahead of"),
        (-3_600, "problem", "3,600 s behind"),
    ],
)
def test_a_clock_that_is_off_is_told_with_its_direction(ahead_s: float, level: str, words: str) -> None:
    assert _clock(ahead_s).level == level
    assert words in _clock(ahead_s).sentence


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n/dev/b /tmpfoo xfs rw 0 0\n")
    assert _kind_of_file_system(tmp_path / "data", mounts) == "nfs4"
    assert _kind_of_file_system(Path("/nowhere"), mounts) == "ext4"
    assert _kind_of_file_system(tmp_path, tmp_path / "missing") == ""


def test_the_disk_is_measured_and_nothing_is_left_there(tmp_path: Path) -> None:
    assert "to reach the disk" in _sync_speed(tmp_path).sentence
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_any_date_header_is_borne(text: str) -> None:
    assert doctor._date_s(text) is None or isinstance(doctor._date_s(text), float)
