"""Events, operations, a clock that is moved, and a Customer.io in a few lines that can be told what to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

import msgspec

from hogline.delivery.folder import Folder
from hogline.delivery.worker import Worker as StoredWorker
from hogline.destinations.base import Unreachable
from hogline.model import Event, Operation, Request, Response

OK = Response(200, {}, b"{}")


def event(distinct_id: str, number: int = 0, **fields: object) -> Event:
    """Event `number` of somebody; the number stands in its properties and its uuid."""
    uuid = str(UUID(int=abs(hash((distinct_id, number))) % 2**128))
    values: dict[str, object] = {
        "uuid": uuid,
        "name": "clicked",
        "distinct_id": distinct_id,
        "timestamp_ms": 1_793_000_000_000 + number,
        "received_ms": 1_793_000_100_000,
        "properties": {"n": number},
    }
    return Event(**(values | fields))  # type: ignore[arg-type]


def operation(size_bytes: int = 100, path: str | None = None) -> Operation:
    return Operation("event", b"x" * size_bytes, path=path)


class Worker(StoredWorker[Any]):
    """A worker with a folder of its own, as the process has one for all: made when it runs, closed when it is over."""

    def __init__(self, *of_what: Any, journal: Any, state: Any, clock: Any, **more: Any) -> None:
        self._made = (journal, state, clock)
        super().__init__(*of_what, folder=cast("Folder", None), journal=journal, state=state, clock=clock, **more)

    async def run(self) -> None:
        self.folder = self._folder = Folder(*self._made)
        self.folder.start()
        try:
            await super().run()
        finally:
            await self.folder.close()


class Server:
    """Remembers what it accepted. `script` answers requests in turn: a Response, an Unreachable, or a function of the
    operations; when it is used up, everything is accepted."""

    def __init__(
        self, *script: Response | Unreachable | Callable[[list[dict[str, object]]], Response], default: Response = OK
    ) -> None:
        self.script = list(script)
        self.default = default
        self.requests: list[list[dict[str, object]]] = []
        self.accepted: list[dict[str, object]] = []

    async def send(self, request: Request) -> Response:
        body = msgspec.json.decode(request.body, type=dict[str, object])
        operations = msgspec.convert(body.get("batch", [body]), list[dict[str, object]])
        self.requests.append(operations)
        await asyncio.sleep(0)
        answer = self.script.pop(0) if self.script else self.default
        if isinstance(answer, Unreachable):
            raise answer
        if callable(answer):
            answer = answer(operations)
        if answer.status in {200, 207} and answer.body.startswith(b"{"):
            errors = msgspec.json.decode(answer.body or b"{}", type=dict[str, list[dict[str, object]]]).get(
                "errors", []
            )
            refused = {error["batch_index"] for error in errors}
            self.accepted += [operation for index, operation in enumerate(operations) if index not in refused]
        return answer

    def events_of(self, distinct_id: str) -> list[object]:
        """The numbers of this person's accepted events, in order."""
        return [
            _n(operation)
            for operation in self.accepted
            if operation["identifiers"] == {"id": distinct_id} and operation["action"] == "event"
        ]


def _n(operation: dict[str, object]) -> object:
    return msgspec.convert(operation["attributes"], dict[str, object])["n"]


def refusing(*indexes: int) -> Response:
    """A 207 that refuses the operations at these indexes."""
    errors = [{"batch_index": index, "reason": "invalid", "field": "f", "message": "no"} for index in indexes]
    return Response(207, {}, msgspec.json.encode({"errors": errors}))


def failing(status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status, headers or {}, b'{"meta":{"error":"no"}}')


def sizes(groups: Sequence[Sequence[object]]) -> list[int]:
    return [len(group) for group in groups]
