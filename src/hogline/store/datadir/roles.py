"""The three roles that an account or an API token can have. What each may do stands in `service.rights`."""

from __future__ import annotations

from typing import Literal, TypeAlias

Role: TypeAlias = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do what those before it may."""


def includes(role: Role, least: Role) -> bool:
    """Whether a role may do what needs at least the other."""
    return ROLES.index(role) >= ROLES.index(least)
