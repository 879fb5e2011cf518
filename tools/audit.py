"""Looks for known vulnerabilities in what requirements.lock installs. Fails if there are any. Where no advisory index
can be reached it says so and passes: a machine without a network must be able to check the rest.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

LOCK = Path(__file__).parents[1] / "requirements.lock"
WITHIN_S = 120
COMMAND = ("-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json", "--progress-spinner=off", "-r")


class Vulnerability(Struct):
    id: str
    fix_versions: list[str] = []


class Dependency(Struct):
    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str | None = None


class Report(Struct):
    dependencies: list[Dependency]


def main() -> int:
    try:
        done = subprocess.run([sys.executable, *COMMAND, str(LOCK)], capture_output=True, timeout=WITHIN_S, check=False)
        report = msgspec.json.decode(done.stdout, type=Report)
    except (subprocess.TimeoutExpired, msgspec.DecodeError):
        return _not_reached()
    audited = [dependency for dependency in report.dependencies if dependency.skip_reason is None]
    if not audited:
        return _not_reached()
    found = [dependency for dependency in audited if dependency.vulns]
    for dependency in found:
        for vulnerability in dependency.vulns:
            fixed = ", ".join(vulnerability.fix_versions) or "no version yet"
            print(f"{dependency.name} {dependency.version}: {vulnerability.id}, fixed in {fixed}")
    print(f"{len(audited)} dependencies audited, {len(found)} with known vulnerabilities.")
    return 1 if found else 0


def _not_reached() -> int:
    print("No index of vulnerabilities can be reached from here: the dependencies are not audited.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
