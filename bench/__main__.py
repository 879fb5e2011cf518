"""`python -m bench [NAME …]`: run benchmarks and print their figures."""

from __future__ import annotations

import sys

from bench import (
    console,
    crowd,
    deliverers,
    events,
    history,
    kafka,
    kafka_journal,
    kinds,
    people,
    people_bytes,
    pure,
    receivers,
    scale,
    send,
    serve,
    viewers,
)

BENCHMARKS = {
    "pure": pure.main,
    "send": send.main,
    "kinds": kinds.main,
    "serve": serve.main,
    "crowd": crowd.main,
    "people": people.main,
    "bytes": people_bytes.main,
    "viewers": viewers.main,
    "history": history.main,
    "history-large": history.large,
    "events": events.main,
    "console": console.main,
    "scale": scale.main,
    "receivers": receivers.main,
    "deliverers": deliverers.main,
    "kafka": kafka.main,
    "kafka-journal": kafka_journal.main,
}


LARGE = {"history-large", "console", "scale", "receivers", "deliverers", "kafka", "kafka-journal"}
"""Run only when they are asked for: they take long, or need PostgreSQL or Kafka."""


def main() -> None:
    names = sys.argv[1:] or [name for name in BENCHMARKS if name not in LARGE]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(BENCHMARKS)}.")
    for name in names:
        BENCHMARKS[name]()


main()
