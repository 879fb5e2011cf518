"""Waiting until Hogline has settled what it received."""

from __future__ import annotations

import asyncio

from stage import Stage


async def settled(stage: Stage, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while any(each.pending for each in (await stage.service.status.show()).connections):
            await asyncio.sleep(0.02)
