"""`python bench/soak/witness.py SITE_ID…`: a sandbox Customer.io with a workspace for each Site ID, which remembers
every merge that it was asked for (`/witness/merges?workspace=SITE_ID`) and takes no attribute with the value `refused`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvloop
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from hogline.sandbox import wire
from hogline.sandbox.app import SandboxApp
from hogline.sandbox.limits import Problem
from hogline.sandbox.operations import Operation
from hogline.sandbox.replies import as_json
from hogline.sandbox.server import Sandbox
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.sandbox.workspace import Workspace

REFUSED = "refused"


class Merge(Struct):
    primary: dict[str, str | int]
    secondary: dict[str, str | int]
    effect: bool
    """Whether both were there."""


class _Watched(Workspace):
    def __init__(self, *given: Any) -> None:  # noqa: ANN401  # as a workspace is made
        super().__init__(*given)
        self.merges: list[Merge] = []

    def perform(self, operation: Operation) -> None:
        if operation.action == "identify":
            _check(bytes(operation.attributes))
        before = self.without_effect
        super().perform(operation)
        if operation.action == "merge":
            primary, secondary = operation.primary or {}, operation.secondary or {}
            self.merges.append(Merge(primary, secondary, self.without_effect == before))


def _check(attributes: bytes) -> None:
    if b'"refused"' in attributes:
        for name, value in msgspec.json.decode(attributes, type=dict[str, object]).items():
            if value == REFUSED:
                raise Problem("invalid", f"attributes.{name}", "this value is not taken")


class _Witness(SandboxApp):
    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings, time.time)
        for member in self.track.members.values():
            member.workspace = _Watched(member.workspace.settings, settings, time.time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/witness/merges":
            (site_id,) = parse_qs(scope["query_string"].decode())["workspace"]
            workspace = self.track.members[site_id].workspace
            assert isinstance(workspace, _Watched)
            await wire.respond(send, as_json(workspace.merges))
        else:
            await super().__call__(scope, receive, send)


async def _serve(site_ids: list[str]) -> None:
    sandbox = Sandbox()
    workspaces = tuple(WorkspaceSettings(site_id=site_id) for site_id in site_ids)
    sandbox.app = _Witness(SandboxSettings(workspaces=workspaces))
    async with sandbox:
        print(f"Sandbox Customer.io at {sandbox.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1:]))
