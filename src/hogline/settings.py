"""All settings of the process: name, default, unit, help. `environment` says where their values come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hogline.environment import PREFIX, FromFiles, InvalidSettings
from hogline.sources.addresses import TrustedProxies
from hogline.sources.kafka import library
from hogline.store.datadir.accounts import FIRST
from hogline.store.datadir.passwords import problem_of
from hogline.store.shared import Shared

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_NO_SIGN_IN_HEADERS = frozenset(
    {"authorization", "cookie", "host", "origin", "referer", "user-agent", "forwarded", "x-forwarded-for"}
)
"""What clients send themselves."""


class JournalTopic(NamedTuple):
    """The topic of HOGLINE_JOURNAL."""

    address: str
    brokers: str
    topic: str
    settings: Mapping[str, str | int | float | bool]
    """librdkafka's."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    data: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("hogline", appauthor=False)),
        description="The data directory: events, people and connections. Only its owner can read it.",
    )
    store: SecretStr | None = Field(
        default=None,
        description="A PostgreSQL database that stores events, people, connections and logs instead of files in the "
        "data directory: `postgresql://user:password@host/database`. Requires HOGLINE_SECRET_KEY.",
    )
    store_lease_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="With HOGLINE_STORE: seconds without a sign of life after which another process takes over "
        "delivery. Use the same value for all processes.",
    )
    journal: str = Field(
        default="",
        description="A Kafka topic where received events are kept first, until they are in HOGLINE_STORE: "
        "`kafka://broker:9092,broker:9092/topic`. If empty, they go to the store directly.",
    )
    kafka: Path | None = Field(
        default=None,
        description="A file with librdkafka's settings for HOGLINE_JOURNAL, such as TLS and SASL.",
    )
    listen: str = Field(
        default="127.0.0.1:8000",
        description="The address where Hogline receives events: host:port. Port 0 picks a free port.",
    )
    public_url: str = Field(
        default="",
        description="The public URL where PostHog sends events, if it differs from the listen address, for example "
        "behind a proxy.",
    )
    console: str = Field(
        default="127.0.0.1:8001",
        description="The console's address: host:port, or `off`. Port 0 picks a free port.",
    )
    console_url: str = Field(
        default="",
        description="The URL of the console in a browser, if it differs from the console's address, for example "
        "because of a proxy or a host name.",
    )
    console_password: SecretStr | None = Field(
        default=None,
        description="The password for the account `admin`. Overrides the one set with `hogline password`.",
    )
    console_sign_in_header: str = Field(
        default="",
        description="The header that tells Hogline which account a trusted proxy signed in, such as X-Forwarded-Email. "
        "Requires HOGLINE_TRUSTED_PROXIES.",
    )
    metrics: str = Field(
        default="",
        description="A separate address for `/metrics` and `/readyz`: host:port. If empty, they are at the console's "
        "address. Port 0 picks a free port.",
    )
    audit_retention_days: int = Field(default=365, ge=1, le=3_650, description="Days to keep entries in the audit log.")
    trusted_proxies: str = Field(
        default="",
        description="The addresses or networks of your reverse proxies, comma-separated, such as 127.0.0.1,10.0.0.0/8. "
        "For requests from these, Hogline takes the client's address from X-Forwarded-For.",
    )
    alert_email: str = Field(
        default="",
        description="Where alerts are sent: one or more email addresses, separated by commas.",
    )
    alert_from: str = Field(default="hogline@localhost", description="The sender of alerts.")
    smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server for alerts, such as `smtps://user:password@smtp.example.com`, or `smtp://` for"
        " STARTTLS.",
    )
    alert_webhook: SecretStr | None = Field(default=None, description="A URL that alerts are posted to.")
    alert_webhook_format: Literal["json", "slack"] = Field(
        default="json",
        description="The format of webhook alerts: JSON, or a text message for Slack and compatible services.",
    )
    alert_lag_minutes: int = Field(
        default=15, ge=1, le=100_000, description="Alert if a connection is more than this many minutes behind."
    )
    alert_failures_percent: int = Field(
        default=20,
        ge=1,
        le=100,
        description="Alert if more than this percentage of the events in the last ten minutes fail.",
    )
    alert_nothing_received_hours: int = Field(
        default=0, ge=0, le=10_000, description="Alert if no event is received for this many hours. 0: never."
    )
    backup_passphrase: SecretStr | None = Field(
        default=None,
        description="The passphrase for `hogline backup` and `hogline restore`.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="The key that encrypts credentials. Overrides secret.key in the data directory.",
    )
    journal_retention_days: int = Field(
        default=7, ge=0, le=3_650, description="Days to keep settled events for replay."
    )
    journal_retention_bytes: int = Field(
        default=2_000_000_000, ge=0, description="Maximum bytes of settled events to keep for replay."
    )
    journal_max_bytes: int = Field(
        default=20_000_000_000,
        ge=1_000_000,
        description="Stop receiving (503) while more than this many bytes of events are undelivered.",
    )
    paused_max_bytes: int = Field(
        default=10_000_000_000,
        ge=0,
        description="Maximum bytes of pending events for a connection that is paused or has stopped. Beyond that, the "
        "oldest are dropped and counted, so that this connection does not stop the others. 0 keeps all of them.",
    )
    hold_max_bytes: int = Field(
        default=2_000_000_000,
        ge=0,
        description="Maximum bytes of held events per connection, for people who do not qualify yet.",
    )
    event_log: bool = Field(
        default=True,
        description="Record what happened to each event, and keep that as long as the event is stored. "
        "`hogline events` shows it.",
    )
    people_retention_days: int = Field(
        default=400,
        ge=0,
        le=36_500,
        description="Days to keep people who are not customers at any connection, counted from the day Hogline received"
        " their last event. 0 keeps them forever.",
    )
    failures_retention_days: int = Field(
        default=90, ge=1, le=36_500, description="Days to keep failures. After that, their events count as filtered."
    )
    merge_delay_s: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="Seconds to wait before merging two customers, after Customer.io has accepted both.",
    )
    quiet_after_kill_s: float = Field(
        default=3.0,
        ge=0,
        le=600,
        description="Seconds to send nothing after Hogline was killed, because its last requests may still be on their "
        "way. They must not arrive after newer ones.",
    )
    share_behind_s: float = Field(
        default=10.0,
        ge=0,
        le=86_400,
        description="If a connection is more seconds behind than this, all processes that deliver share it. Otherwise "
        "one of them delivers it, which costs less. Only with `HOGLINE_STORE`.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="The format of log lines on standard error."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level that is logged."
    )

    @field_validator("listen")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if not _is_host_and_port(text):
            raise ValueError("must be host:port, for example 127.0.0.1:8000")
        return text

    @field_validator("store")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must be a PostgreSQL URL, for example postgresql://user:password@host/database")
        return url

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
            raise ValueError("must be a header that only your proxy sets, for example X-Forwarded-Email")
        return text

    @model_validator(mode="after")
    def _has_proxies(self) -> Self:
        if self.console_sign_in_header and not self.trusted_proxies:
            raise ValueError(
                "HOGLINE_CONSOLE_SIGN_IN_HEADER needs HOGLINE_TRUSTED_PROXIES: otherwise anyone could send that header"
            )
        return self

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if self.store is not None and self.secret_key is None:
            raise ValueError(
                "HOGLINE_STORE needs HOGLINE_SECRET_KEY: a key in the data directory would be lost with this machine. "
                "Make one with `openssl rand -base64 32 | tr +/ -_` and keep it safe"
            )
        return self

    @field_validator("journal")
    @classmethod
    def _is_topic(cls, address: str) -> str:
        if address and not library.split(address)[0]:
            raise ValueError(
                "must be the address of a Kafka topic, for example kafka://broker:9092/hogline. Put a user and a "
                "password into the file of HOGLINE_KAFKA"
            )
        return address

    @model_validator(mode="after")
    def _has_journal(self) -> Self:
        if self.journal and self.store is None:
            raise ValueError("HOGLINE_JOURNAL needs HOGLINE_STORE: events go from Kafka into PostgreSQL")
        if self.kafka is not None:
            library.read_settings(self._kafka_text(self.kafka))
        return self

    @staticmethod
    def _kafka_text(file: Path) -> str:
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"HOGLINE_KAFKA cannot be read: {file}") from None

    @property
    def topic(self) -> JournalTopic | None:
        """Where received events are kept first, if not in the store."""
        if not self.journal:
            return None
        settings = {} if self.kafka is None else library.read_settings(self._kafka_text(self.kafka))
        return JournalTopic(self.journal, *library.split(self.journal), settings)

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
    def shared(self) -> Shared | None:
        """The store, if several processes can use it."""
        return None if self.store is None else Shared(url=self.store.get_secret_value(), lease_s=self.store_lease_s)

    @property
    def proxies(self) -> TrustedProxies:
        """The proxies whose X-Forwarded-For is trusted."""
        return TrustedProxies.parse(self.trusted_proxies)

    @property
    def listen_host(self) -> str:
        return _host(self.listen)

    @property
    def listen_port(self) -> int:
        return _port(self.listen)

    @property
    def metrics_host(self) -> str:
        """Only valid if there is an address for metrics."""
        return _host(self.metrics)

    @property
    def metrics_port(self) -> int:
        """Only valid if there is an address for metrics."""
        return _port(self.metrics)

    @property
    def console_host(self) -> str:
        """Only valid if the console is not off."""
        return _host(self.console)

    @property
    def console_port(self) -> int:
        """Only valid if the console is not off."""
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
        return (init_settings, env_settings, FromFiles(settings_cls))


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(colon and host) and port.isdecimal() and int(port) <= 65_535


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def read_settings(**given: object) -> Settings:
    """The settings from the environment; values from the command line override them (None: not given).

    Raises `InvalidSettings` with a sentence about the first invalid one.
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
