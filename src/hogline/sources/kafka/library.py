"""librdkafka: its settings, and what it says as sentences that are safe to show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hogline.sources.kafka.log import Trouble

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

Settings: TypeAlias = Mapping[str, str | int | float | bool]

SCHEME = "kafka://"
NEEDED = "Kafka needs confluent-kafka. Install it with `pip install 'hogline[kafka]'`."
CHOSEN = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "fetch.max.bytes",
        "log_level",
        "max.partition.fetch.bytes",
        "metadata.broker.list",
        "plugin.library.paths",
        "queued.max.messages.kbytes",
        "request.required.acks",
    }
)
"""Settings that Hogline makes itself."""


def split(address: str) -> tuple[str, str]:
    """The brokers and the topic of an address such as kafka://b1:9092,b2:9092/topic. Both are empty if it is none, or
    has a user: addresses are shown."""
    if not re.fullmatch(rf"{SCHEME}[^\s/,@]+(,[^\s/,@]+)*/[A-Za-z0-9._-]+", address):
        return "", ""
    brokers, _, topic = address.removeprefix(SCHEME).rpartition("/")
    return brokers, topic


class NotSettings(ValueError):
    """A file of settings that cannot be used. The text says why."""


def read_settings(text: str) -> dict[str, str | int | float | bool]:
    """Read librdkafka's settings: a JSON object, or lines of `name=value` as in Kafka's own files. Raises
    `NotSettings`.
    """
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            raise NotSettings("The settings are not valid JSON.") from None
    else:
        lines = [line.strip() for line in text.splitlines()]
        pairs = [line.partition("=") for line in lines if line and line[0] not in "#!"]
        if any(not equals for _, equals, _ in pairs):
            raise NotSettings("The settings must be lines of name=value, or a JSON object.")
        # In one line, a certificate has `\n` between its own lines.
        found = {name.strip(): value.strip().replace("\\n", "\n") for name, _, value in pairs}
    for name, value in found.items():
        if not isinstance(value, (str, int, float)):
            raise NotSettings(f"The setting {name} must be a string, a number, true or false.")
        if name in CHOSEN:
            raise NotSettings(f"Hogline chooses {name} itself. Remove it from the settings.")
    return dict(found)


class Library:
    """librdkafka for one topic, and the last thing that went wrong."""

    def __init__(self, brokers: str, topic: str, settings: Settings, doing: Literal["read", "written to"]) -> None:
        """`brokers`: such as kafka:9092, several with commas. Raises `Trouble` if it is not installed."""
        try:
            import confluent_kafka  # noqa: PLC0415  # an extra
            from confluent_kafka import admin  # noqa: PLC0415
        except ImportError:
            raise Trouble(NEEDED) from None
        self.kafka = confluent_kafka
        self.admin = admin
        self.codes = codes = confluent_kafka.KafkaError
        self.topic = topic
        self._brokers = brokers
        self._doing = doing
        self._last_error = ""
        self._fatal: KafkaError | None = None
        self._secrets = [str(value) for value in settings.values() if len(str(value)) > 3]
        self._no_topic = {codes.UNKNOWN_TOPIC_OR_PART, codes._UNKNOWN_TOPIC, codes._UNKNOWN_PARTITION}  # noqa: SLF001
        self._after_fatal = {codes._FATAL, codes._PURGE_QUEUE, codes._PURGE_INFLIGHT}  # noqa: SLF001
        """They do not say what happened."""
        self.shared: dict[str, Any] = {
            "client.id": "hogline",
            **settings,
            "bootstrap.servers": brokers,
            "error_cb": self._noted,
            "log_level": 0,
        }
        """Settings of every client."""

    def _noted(self, error: KafkaError) -> None:
        if error.code() != self.codes._ALL_BROKERS_DOWN:  # noqa: SLF001  # which says nothing of why
            self._last_error = self._plain(error.str())

    def works(self) -> None:
        """What went wrong before does not matter anymore."""
        self._last_error = ""

    def _plain(self, text: str) -> str:
        """What librdkafka says, without its own addresses and without the values of settings."""
        text = (
            re.sub(r"^\S+://\S+: |^\S+/(bootstrap|\d+): ", "", text.strip()).replace("ipv4#", "").replace("ipv6#", "")
        )
        text = re.sub(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)", "", text)
        text = text.removesuffix(".")
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def not_accepted(self, error: Exception) -> Trouble:
        """It does not accept the settings."""
        found = error.args[0] if error.args else error
        text = found.str() if isinstance(found, self.codes) else str(found)
        return Trouble(f"librdkafka does not accept the settings: {self._plain(text)}.")

    def ended(self, error: KafkaError) -> Trouble:
        """What `poll` of a producer raised: it takes nothing more."""
        self._fatal = error
        self._noted(error)
        return self.trouble(error)

    def trouble(self, error: KafkaError) -> Trouble:
        """Call `poll` of the client before, so that what it heard is known here."""
        if error.code() in self._after_fatal and self._fatal is not None:
            error = self._fatal
        code = error.code()
        if code in self._no_topic:
            return Trouble(f"Kafka has no topic named {self.topic}.")
        if code in {self.codes.TOPIC_AUTHORIZATION_FAILED, self.codes.CLUSTER_AUTHORIZATION_FAILED}:
            right = (
                "read {}: it needs Describe and Read"
                if self._doing == "read"
                else "write to {}: it needs Describe, Write and IdempotentWrite"
            )
            return Trouble(f"Kafka does not allow this user to {right.format(self.topic)}.")
        # A broker's own answer says why; what happened in this library does not.
        why = (code < 0 and self._last_error) or self._plain(error.str())
        return Trouble(f"Kafka cannot be {self._doing} at {self._brokers}: {why}.")
