"""Every setting of the process once: name, default, unit, help. Each is an environment variable `HOGLINE_<NAME>`;
`HOGLINE_<NAME>_FILE` names a file that holds the value, which is the way for secrets.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hogline.sources.addresses import TrustedProxies
from hogline.store.access import FIRST
from hogline.store.passwords import problem_of

PREFIX = "HOGLINE_"

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_NO_SIGN_IN_HEADERS = frozenset(
    {"authorization", "cookie", "host", "origin", "referer", "user-agent", "forwarded", "x-forwarded-for"}
)
"""What clients send themselves."""


class InvalidSettings(Exception):
    """A setting that cannot be used; the text names it and says what to do."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    data: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("hogline", appauthor=False)),
        description="The data directory: events, people, connections. Private to its user.",
    )
    listen: str = Field(
        default="127.0.0.1:8000",
        description="Where events are received: host:port. Port 0 takes any free one.",
    )
    public_url: str = Field(
        default="",
        description="The address under which PostHog reaches the receiving side, if it is another (a proxy).",
    )
    console: str = Field(
        default="127.0.0.1:8001",
        description="Where the console is: host:port, or `off` for none. Port 0 takes any free one.",
    )
    console_url: str = Field(
        default="",
        description="The address under which browsers reach the console, if it is another (a proxy, a host's name).",
    )
    console_password: SecretStr | None = Field(
        default=None,
        description="The password of the account `admin`, instead of the one that `hogline password` sets.",
    )
    console_sign_in_header: str = Field(
        default="",
        description="The header in which a proxy of HOGLINE_TRUSTED_PROXIES names the account that it signed in, such "
        "as X-Forwarded-Email.",
    )
    metrics: str = Field(
        default="",
        description="An address of its own for `/metrics` and `/readyz`: host:port. Without one they are at the "
        "console's. Port 0 takes any free one.",
    )
    audit_retention_days: int = Field(
        default=365, ge=1, le=3_650, description="So many days entries of the audit log are kept."
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of your reverse proxies, separated by commas, such as 127.0.0.1,10.0.0.0/8. "
        "In a request from one of them, X-Forwarded-For names the client.",
    )
    backup_passphrase: SecretStr | None = Field(
        default=None,
        description="The passphrase that `hogline backup` encrypts with and `hogline restore` decrypts with.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="The key that encrypts credentials, instead of secret.key in the data directory.",
    )
    journal_retention_days: int = Field(
        default=7, ge=0, le=3_650, description="So many days events are kept after they are settled, for replays."
    )
    journal_retention_bytes: int = Field(
        default=2_000_000_000, ge=0, description="At most so many bytes of settled events are kept for replays."
    )
    journal_max_bytes: int = Field(
        default=20_000_000_000,
        ge=1_000_000,
        description="When so many bytes of events wait to be delivered, receiving pauses (503) until there are less.",
    )
    hold_max_bytes: int = Field(
        default=2_000_000_000,
        ge=0,
        description="At most so many bytes of events are held for users who do not qualify yet, at each connection.",
    )
    people_retention_days: int = Field(
        default=400,
        ge=0,
        le=36_500,
        description="Days to keep people who are no customer of any connection, since Hogline received their last"
        " event; 0 keeps them.",
    )
    failures_retention_days: int = Field(
        default=90, ge=1, le=36_500, description="Days to keep dead letters. Their events then count as filtered."
    )
    merge_delay_s: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="So many seconds a merge of two customers waits once Customer.io accepted both.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How log lines are written to standard error."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written."
    )

    @field_validator("listen")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if not _is_host_and_port(text):
            raise ValueError("must be host:port, for example 127.0.0.1:8000")
        return text

    @field_validator("console")
    @classmethod
    def _is_address_or_off(cls, text: str) -> str:
        if text != "off" and not _is_host_and_port(text):
            raise ValueError("must be host:port, for example 127.0.0.1:8001, or off")
        return text

    @field_validator("metrics")
    @classmethod
    def _is_address_or_none(cls, text: str) -> str:
        if text and not _is_host_and_port(text):
            raise ValueError("must be host:port, for example 127.0.0.1:8002")
        return text

    @field_validator("console_password")
    @classmethod
    def _is_password(cls, password: SecretStr | None) -> SecretStr | None:
        problem = problem_of(password.get_secret_value(), FIRST) if password is not None else None
        if problem is not None:
            raise ValueError(problem)
        return password

    @field_validator("console_sign_in_header")
    @classmethod
    def _is_header(cls, text: str) -> str:
        if text and (not _HEADER.fullmatch(text) or text.lower() in _NO_SIGN_IN_HEADERS):
            raise ValueError("must be the name of a header that only your proxy sets, for example X-Forwarded-Email")
        return text

    @model_validator(mode="after")
    def _has_proxies(self) -> Self:
        if self.console_sign_in_header and not self.trusted_proxies:
            raise ValueError(
                "HOGLINE_CONSOLE_SIGN_IN_HEADER needs HOGLINE_TRUSTED_PROXIES: else anybody could send that header"
            )
        return self

    @field_validator("public_url", "console_url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        if text and not text.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return text.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _is_proxies(cls, text: str) -> str:
        try:
            TrustedProxies.parse(text)
        except ValueError:
            raise ValueError("must be IP addresses or networks, for example 127.0.0.1,10.0.0.0/8") from None
        return text

    @property
    def proxies(self) -> TrustedProxies:
        """Whose word on a client's address is taken."""
        return TrustedProxies.parse(self.trusted_proxies)

    @property
    def listen_host(self) -> str:
        return _host(self.listen)

    @property
    def listen_port(self) -> int:
        return _port(self.listen)

    @property
    def metrics_host(self) -> str:
        """Only if there is an address for metrics."""
        return _host(self.metrics)

    @property
    def metrics_port(self) -> int:
        """Only if there is an address for metrics."""
        return _port(self.metrics)

    @property
    def console_host(self) -> str:
        """Only if the console is not off."""
        return _host(self.console)

    @property
    def console_port(self) -> int:
        """Only if the console is not off."""
        return _port(self.console)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # asked for by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, _FromFiles(settings_cls))


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(colon and host) and port.isdecimal() and int(port) <= 65_535


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


class _FromFiles(PydanticBaseSettingsSource):
    """`HOGLINE_<NAME>_FILE`: the value is what stands in that file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # as above
        return from_file(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: from_file(name) for name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value is not None}


def from_file(name: str) -> str | None:
    """What stands in the file that `HOGLINE_<NAME>_FILE` names, without the line's end; None if it is not set.
    Raises `InvalidSettings`.
    """
    variable = f"{PREFIX}{name.upper()}_FILE"
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError):
        raise InvalidSettings(f"{variable} names a file that cannot be read.") from None


def from_environment(name: str) -> str | None:
    """`HOGLINE_<NAME>`, or the file that `HOGLINE_<NAME>_FILE` names. For values that are no settings of the
    process, such as the credentials of a connection.
    """
    return os.environ.get(PREFIX + name.upper()) or from_file(name)


def read_settings(**given: object) -> Settings:
    """The settings from the environment, with what was given on the command line over it (None: not given).

    Raises `InvalidSettings` with a sentence for the first one that cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # of several settings together
            raise InvalidSettings(f"{message}.") from None
        name = str(problem["loc"][0])
        raise InvalidSettings(f"{PREFIX}{name.upper()} {message[:1].lower()}{message[1:]}.") from None
