"""Scripts for the sandbox: everything that goes wrong between Hogline and Customer.io, mixed with what goes well."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from bench.soak.traffic import REFUSED_NAME

LATENCY_MS = 10
FOREVER = 1_000_000

_REFUSE = {"refuse_names": [REFUSED_NAME]}
"""With every answer that takes effect: what is refused once is always refused, as it is by Customer.io."""
_FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 429},
    {"status": 429, "headers": {"retry-after": "1"}},
    {"status": 500},
    {"status": 503, "times": 2},
    {"status": 500, "apply": "before", **_REFUSE},
    {"status": 502, "body": "<html>bad gateway</html>"},
    {"reset": "before"},
    {"reset": "after", **_REFUSE},
    {"hang_s": 1, **_REFUSE},
    {"drip_s": 0.5, **_REFUSE},
)


def script(source: Random, faults: int, hang_s: float) -> dict[str, Any]:
    """So many faults in any order, between answers that are as usual; one request hangs for so long."""
    answers: list[dict[str, Any]] = []
    hangs_at = source.randrange(faults)
    for index in range(faults):
        answers.append({"times": source.randint(1, 6), **_REFUSE})
        answers.append({"hang_s": hang_s, **_REFUSE} if index == hangs_at else source.choice(_FAULTS))
    return {"latency_ms": LATENCY_MS, "answers": [*answers, {"times": FOREVER, **_REFUSE}]}


def follow(url: str, script: dict[str, Any]) -> None:
    """Let the sandbox at this URL do so from now on."""
    request = Request(f"{url}/sandbox/script", msgspec.json.encode(script), method="PUT")  # loopback
    request.add_header("content-type", "application/json")
    with urlopen(request, timeout=60):  # as above
        pass
