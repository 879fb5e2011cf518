"""Sends alerts: by email (SMTP), and by webhook as JSON or as Slack takes it. Knows nothing about what is wrong."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

import msgspec

from hogline.destinations.base import Send, Unreachable
from hogline.model import Request
from hogline.settings import Settings
from hogline.views.connections import AlertView

TIMEOUT_S = 20.0


class CannotSend(Exception):
    """A sentence that says where an alert could not be sent, and why. No secret is in it. `reached`: who has it."""

    def __init__(self, sentence: str, reached: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.reached = reached


class Notices:
    def __init__(self, settings: Settings, send: Send) -> None:
        self._to = [one.strip() for one in settings.alert_email.split(",") if one.strip()]
        self._smtp = settings.smtp_url.get_secret_value() if settings.smtp_url else ""
        self._from = settings.alert_from
        self._webhook = settings.alert_webhook.get_secret_value() if settings.alert_webhook else ""
        self._is_slack = settings.alert_webhook_format == "slack"
        self._send = send

    @property
    def places(self) -> list[str]:
        """Where alerts go, for people."""
        return [*(["email"] if self._to else []), *(["webhook"] if self._webhook else [])]

    async def send(self, alerts: Sequence[AlertView], where: str) -> list[str]:
        """One message with all of them to every place. `where`: the address of this Hogline. Returns the places. Raises
        `CannotSend` if a place does not take it; the others have it then.
        """
        problems, reached = [], []
        for place, deliver in (("email", self._email), ("webhook", self._post)):
            if place in self.places:
                try:
                    await deliver(alerts, where)
                    reached.append(place)
                except CannotSend as error:
                    problems.append(str(error))
        if problems:
            raise CannotSend(" ".join(problems), reached)
        return self.places

    async def _email(self, alerts: Sequence[AlertView], where: str) -> None:
        message = EmailMessage()
        message["From"] = self._from
        message["To"] = ", ".join(self._to)
        message["Subject"] = f"[Hogline] {subject(alerts)}"
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid("hogline")
        message.set_content(f"{text(alerts)}\n\n{where}\n")
        try:
            await asyncio.to_thread(_hand_over, message, self._smtp or "smtp://localhost:25")
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise CannotSend(f"The mail server did not take the alert ({type(error).__name__}).") from None

    async def _post(self, alerts: Sequence[AlertView], where: str) -> None:
        body: object = {"text": f"*{subject(alerts)}*\n{text(alerts)}\n{where}"}
        if not self._is_slack:
            body = {"source": "hogline", "url": where, "summary": subject(alerts), "alerts": alerts}
        request = Request("POST", self._webhook, {"content-type": "application/json"}, msgspec.json.encode(body))
        try:
            response = await self._send(request)
        except Unreachable as error:
            raise CannotSend(f"The alert webhook cannot be reached ({error}).") from None
        if response.status >= 300:
            raise CannotSend(f"The alert webhook responded with {response.status}.")


def subject(alerts: Sequence[AlertView]) -> str:
    return alerts[0].sentence if len(alerts) == 1 else f"{len(alerts)} alerts"


def text(alerts: Sequence[AlertView]) -> str:
    return "\n".join(alert.sentence for alert in alerts)


def _hand_over(message: EmailMessage, url: str) -> None:
    """To the mail server: `smtps://` with TLS from the first byte, `smtp://` with STARTTLS where it is offered. A
    password is only sent over TLS."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "localhost", parts.scheme == "smtps"
    context = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=context)
        if is_tls
        else smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_S)
    )
    with server:
        server.ehlo()
        if not is_tls and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            is_tls = True
        if parts.username:
            if not is_tls:
                raise smtplib.SMTPNotSupportedError("The password would be sent without TLS.")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
