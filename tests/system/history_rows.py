"""Rows of PostHog's exports for tests of history: people who browse, sign up, and buy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec

FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def event_rows(people: int, *, each: int = 9, note: str = "") -> list[bytes]:
    """Events of each person, in order of time: three before they sign up, the sign-up, and the rest after it. With a
    `note`, each carries it."""
    made = []
    for person in range(people):
        for number in range(each):
            at = FIRST + timedelta(hours=number, seconds=person)
            user, visitor = f"user-{person}", f"visitor-{person}"
            properties: dict[str, object] = {"number": number} | ({"note": note} if note else {})
            if number == 3:
                properties |= {"$anon_distinct_id": visitor, "$set": {"email": f"{user}@example.com"}}
            elif number > 3:
                properties["$set"] = {"orders": number - 3}
            made.append(
                {
                    "uuid": str(UUID(int=0x0199F3A0 << 96 | person << 16 | number)),
                    "event": "$pageview" if number < 3 else "$identify" if number == 3 else "ordered",
                    "distinct_id": visitor if number < 3 else user,
                    "person_id": str(UUID(int=person)),
                    "properties": properties,
                    "person_properties": {},
                    "timestamp": at.isoformat(),
                }
            )
    return [msgspec.json.encode(row) + b"\n" for row in sorted(made, key=lambda row: str(row["timestamp"]))]


def person_rows(people: int, *, deleted: int = 0) -> list[bytes]:
    """The same people as PostHog's export of people has them, the last of them deleted; older versions, too."""
    made = []
    for person in range(people):
        gone = person >= people - deleted
        for version in (1, 2):
            for id_ in (f"visitor-{person}", f"user-{person}"):
                if version == 1 and id_.startswith("user"):
                    continue
                made.append(
                    {
                        "team_id": 1,
                        "distinct_id": id_,
                        "person_id": str(UUID(int=person)),
                        "properties": {
                            "email": f"user-{person}@example.com",
                            "plan": "pro" if version == 2 else "free",
                        },
                        "person_distinct_id_version": version,
                        "person_version": version + 100 * (gone and version == 2),
                        "created_at": FIRST.isoformat(),
                        "_inserted_at": (FIRST + timedelta(days=2)).isoformat(),
                        "is_deleted": gone and version == 2,
                    }
                )
    return [msgspec.json.encode(row) + b"\n" for row in made]


def shuffled(rows: list[bytes], seed: int = 1) -> list[bytes]:
    return Random(seed).sample(rows, len(rows))
