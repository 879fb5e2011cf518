"""The three roles that an account or an API token can have. `service.rights` says what each may do."""

from __future__ import annotations

from typing import Literal, TypeAlias

Role: TypeAlias = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do everything that the ones before it may."""


def includes(role: Role, least: Role) -> bool:
    """Whether a role may do what requires at least the other."""
    return ROLES.index(role) >= ROLES.index(least)
