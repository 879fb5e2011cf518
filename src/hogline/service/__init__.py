"""What a user can ask Hogline to do, one function each. The commands, the control socket, the console and the API all
call the same functions.
"""

from __future__ import annotations

from hogline.service.access import ConsoleAccess
from hogline.service.accounts import Accounts
from hogline.service.alerts import Alerts
from hogline.service.api_tokens import ApiAccess
from hogline.service.auditing import Auditing
from hogline.service.backfills import Backfills
from hogline.service.connections import Connections
from hogline.service.core import CannotDo
from hogline.service.doctor import Doctor
from hogline.service.event_log import Events
from hogline.service.exporting import Exporting
from hogline.service.failures import Failures
from hogline.service.figures import Trends
from hogline.service.files import Files
from hogline.service.forgetting import Forgetting
from hogline.service.live import Live
from hogline.service.people import People
from hogline.service.posthog import PostHogSetup
from hogline.service.project_tokens import ProjectTokens
from hogline.service.resending import Resending
from hogline.service.status import Statuses
from hogline.service.verifying import Verifying

__all__ = ["CannotDo", "Service"]


class Service(
    Forgetting,
    Verifying,
    Resending,
    Exporting,
    Events,
    Connections,
    PostHogSetup,
    Alerts,
    ProjectTokens,
    Statuses,
    People,
    Failures,
    Files,
    Backfills,
    Live,
    ConsoleAccess,
    Accounts,
    ApiAccess,
    Auditing,
    Trends,
    Doctor,
):
    """Everything a user can ask for. Every function raises `CannotDo` if it cannot do what was asked."""
