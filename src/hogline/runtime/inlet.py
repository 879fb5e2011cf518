"""The way into the journal if that begins in Kafka (`HOGLINE_JOURNAL`)."""

from __future__ import annotations

from contextlib import AsyncExitStack

from hogline.service.core import CannotDo
from hogline.settings import Settings
from hogline.sources.kafka.log import Trouble
from hogline.sources.kafka.writer import KafkaWriter


async def inlet(stack: AsyncExitStack, settings: Settings) -> KafkaWriter | None:
    """Where received events go, as long as the stack lasts; None: into the store. Raises `CannotDo`."""
    if (topic := settings.topic) is None:
        return None
    try:
        made = KafkaWriter(topic.brokers, topic.topic, topic.settings)
    except Trouble as trouble:
        raise CannotDo(f"HOGLINE_JOURNAL: {trouble}") from None
    stack.push_async_callback(made.close)
    await made.open()
    return made
