"""An endpoint of the API: a typed function; everything else follows from its signature.

Its first parameter is the service. The parameters named in the path come from there, `body` from the body,
all others from the query. The docstring's first sentence is its summary. Knows no resource and no HTTP library.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec

from hogline.service.rights import least_role
from hogline.store.datadir.roles import ROLES, Role

Method: TypeAlias = Literal["GET", "POST", "PATCH", "DELETE"]
Function: TypeAlias = Callable[..., Coroutine[Any, Any, object]]


class ApiError(Exception):
    """What was asked cannot be answered; the sentence says why and what to do."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})


class Parameter(msgspec.Struct, frozen=True):
    name: str
    place: Literal["path", "query", "body"]
    type: Any
    default: object
    """`inspect.Parameter.empty`: it is required."""

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def read(self, text: str) -> object:
        """The value that a text in the path or in the query stands for. Raises `ApiError`."""
        try:
            return msgspec.convert(text, self.type, strict=False)
        except msgspec.ValidationError as error:
            status = 404 if self.place == "path" else 400
            raise ApiError(status, f"Invalid “{self.name}”: {_reason(error)}") from None

    def read_body(self, body: bytes) -> object:
        """The value of a JSON body. Raises `ApiError`: 400 if it is no JSON, 422 if it is another than expected."""
        try:
            return msgspec.json.decode(body, type=self.type)
        except msgspec.ValidationError as error:
            raise ApiError(422, f"Invalid body: {_reason(error)}") from None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise ApiError(400, "The body is not valid JSON.") from None


def _reason(error: msgspec.ValidationError) -> str:
    """Types and places; it quotes names of fields and no values but those of enumerations."""
    return f"{error}."


class Endpoint:
    def __init__(
        self,
        method: Method,
        path: str,
        function: Function,
        *,
        asks: str = "",
        status: int = 200,
        also: tuple[int, ...] = (),
    ) -> None:
        """`path`: with `{names}` in it. `asks`: the function of the service that it calls, as `part.function`;
        empty: none. `status`: of a good answer. `also`: of other errors than its kind has.
        """
        self.asks = asks
        self.also = also
        self.method = method
        self.path = path
        self.function = function
        self.status = status

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))

    @cached_property
    def parameters(self) -> list[Parameter]:
        names = set(re.findall(r"{(\w+)}", self.path))
        hints = typing.get_type_hints(self.function, include_extras=True)
        _, *asked = inspect.signature(self.function).parameters.values()
        return [
            Parameter(
                one.name,
                "path" if one.name in names else "body" if one.name == "body" else "query",
                hints[one.name],
                one.default,
            )
            for one in asked
        ]

    @cached_property
    def body(self) -> Parameter | None:
        return next((one for one in self.parameters if one.place == "body"), None)

    @property
    def result(self) -> Any:  # noqa: ANN401  # a type
        """The type of what it returns."""
        return typing.get_type_hints(self.function, include_extras=True)["return"]

    @property
    def least_role(self) -> Role:
        """The lowest role that may call it."""
        return least_role(self.asks) or ROLES[0]

    @property
    def description(self) -> str:
        return inspect.getdoc(self.function) or ""

    def arguments(self, path: Mapping[str, str], query: Mapping[str, str], body: bytes) -> dict[str, object]:
        """The function's arguments, without the service. Raises `ApiError`."""
        known = [one.name for one in self.parameters if one.place == "query"]
        if unknown := query.keys() - set(known):
            takes = f"Known parameters: {', '.join(known)}." if known else "This endpoint has no query parameters."
            raise ApiError(400, f"Unknown query parameter “{min(unknown)[:50]}”. {takes}")
        found: dict[str, object] = {}
        for one in self.parameters:
            texts = path if one.place == "path" else query
            if one.place == "body":
                found[one.name] = one.read_body(body)
            elif one.name in texts:
                found[one.name] = one.read(texts[one.name])
            elif one.required:
                raise ApiError(400, f"The query parameter “{one.name}” is missing.")
        return found
