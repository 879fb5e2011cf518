"""What errors of PostgreSQL mean, in sentences without any value."""

from __future__ import annotations

import psycopg

MOST_LINKS = 10
"""So many are open in the process that delivers, which has the most."""
FENCED = "HL001"
"""What the function `fence` raises."""

AWAY = "PostgreSQL cannot be reached. Hogline tries again every few seconds and loses nothing."
LOST = (
    "This process may write nothing more to the store: another process took its place, or it gave no sign of life for "
    "too long."
)
GONE = (
    "Hogline's tables are not in the database of HOGLINE_STORE, or its user may not see them: it has to own the schema "
    "hogline."
)
SLOW = "PostgreSQL does not store events in time. Somebody has locked the journal, or the disk is slow."
REFUSED = "PostgreSQL does not accept the user, the password or the database of HOGLINE_STORE. Try the URL with psql."
FULL = f"PostgreSQL has no connection left (max_connections). The Hogline that delivers needs {MOST_LINKS}."
PASSING = frozenset({AWAY, FULL})
"""At the start, these are waited for."""
_SENTENCES = {
    FENCED: LOST,
    "53100": "PostgreSQL's disk is full. Free some space; receiving continues automatically.",
    "53200": "PostgreSQL is out of memory.",
    "53300": FULL,
    "25006": "PostgreSQL is read-only here: a standby, or a disk in trouble. Let HOGLINE_STORE name the primary.",
    "42501": "The user of HOGLINE_STORE lacks a right in PostgreSQL. Let it own the schema hogline; `hogline store "
    "copy` also needs GRANT CREATE ON DATABASE.",
    # Which tables and functions a statement names does not depend on events.
    **dict.fromkeys(("3F000", "42P01", "42883"), GONE),
    "55P03": "Somebody has locked Hogline's tables in PostgreSQL, with VACUUM FULL for example. Wait until it is done.",
}


class Fenced(Exception):
    """The store belongs to another process now."""


class Late(psycopg.OperationalError):
    """PostgreSQL did not answer in time."""


class Full(psycopg.OperationalError):
    """PostgreSQL is there, and has no connection left for us."""

    sentence = FULL


class Refused(psycopg.OperationalError):
    """PostgreSQL is there, and does not let us in."""

    sentence = REFUSED


def trouble_of(error: BaseException) -> str | None:
    """One sentence without any value, if PostgreSQL or the way to it is the cause: that may pass. None: the statement
    is."""
    if isinstance(error, Fenced):
        return LOST
    if isinstance(error, (Refused, Full)):
        return error.sentence
    if not isinstance(error, psycopg.Error):
        return None
    if (sentence := _SENTENCES.get(error.sqlstate or "")) is not None:
        return sentence
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return AWAY if error.sqlstate is None or error.sqlstate[:2] in {"08", "57"} else _of_kind(error)
    return None


def _of_kind(error: psycopg.Error) -> str:
    return f"PostgreSQL is in trouble ({type(error).__name__}). See its log."


def sentence_of(error: Exception) -> str:
    """Also for what should not happen."""
    return trouble_of(error) or f"Database error ({type(error).__name__})."
