"""`hogline.testing.forked`: commands that are forked are as those that a shell starts."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from hogline.testing import forked
from hogline.testing.processes import HOGLINE, ended, environment


@pytest.mark.parametrize(
    "arguments", [["--version"], ["status"], ["status", "--json"], ["nonsense"], ["failures", "retry", "nobody"]]
)
def test_a_command_prints_and_ends_as_one_that_a_shell_starts(tmp_path: Path, arguments: list[str]) -> None:
    env = environment(tmp_path / "data")
    real = subprocess.run([*HOGLINE, *arguments], env=env, capture_output=True, check=False)
    done = ended(arguments, env)
    assert (done.returncode, done.stdout, done.stderr) == (real.returncode, real.stdout, real.stderr)


def test_it_reads_what_is_piped_to_it_and_has_the_width_that_it_is_told(tmp_path: Path) -> None:
    event = b'{"event":"clicked","distinct_id":"user-1","timestamp":"2026-11-01"}\n'
    assert b"clicked" in ended(["preview", "-"], environment(tmp_path), event).stdout
    narrow = ended(["--help"], environment(tmp_path, COLUMNS="60")).stdout.decode()
    assert 40 < max(map(len, narrow.splitlines())) <= 60


def test_each_is_a_process_that_is_killed_alone(tmp_path: Path) -> None:
    arguments = ["sandbox", "--listen", "127.0.0.1:0"]
    with (
        forked.start(arguments, environment(tmp_path), stdout=subprocess.PIPE) as first,
        forked.start(arguments, environment(tmp_path), stdout=subprocess.PIPE) as second,
    ):
        assert first.stdout is not None
        assert first.stdout.readline()
        assert first.pid != second.pid
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.01)
        first.kill()
        assert first.wait() == -signal.SIGKILL
        assert first.stdout.read() is not None  # nobody else has its end of the pipe
        first.kill()  # it has ended: nothing happens
        assert second.poll() is None
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
