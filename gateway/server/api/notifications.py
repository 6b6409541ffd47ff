"""Notifications by mail and webhook: the test message."""

from pydantic import Field

from gateway.access.caller import OPERATORS
from gateway.notifications.service import NotificationsOff
from gateway.server.api.endpoint import BASE, Call, Endpoint, Section
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about


class NotificationTestResult(ApiResponse):
    model_config = about("What became of the test message of one channel.")

    channel: str = Field(description="mail or webhook.", examples=["mail"])
    sent: bool = Field(description="Whether the mail server or the webhook took it.", examples=[True])
    error: str | None = Field(description="Why not; null if it was sent.", examples=[None])


class NotificationTest(ApiResponse):
    model_config = about("What became of a test message.")

    results: list[NotificationTestResult] = Field(description="One for each channel that is set up.")


async def send_test_notification(call: Call[NoParams, NoBody]) -> NotificationTest:
    """Send a test message by each channel."""
    tried = await call.services.notifications.test()
    return NotificationTest(
        results=[
            NotificationTestResult(
                channel=trial.channel,
                sent=trial.error is None,
                error=None if trial.error is None else trial.error.in_language(call.language),
            )
            for trial in tried
        ]
    )


SECTION = Section(
    "Notifications",
    "Mails and webhook calls about what needs attention.",
    (
        Endpoint(
            "POST",
            f"{BASE}/notifications/test",
            OPERATORS,
            send_test_notification,
            "Send a test message",
            "By each channel that is set up, at once and once; takes up to a minute if one does not answer. That a "
            "channel failed is no error of this request.",
            (NotificationsOff,),
        ),
    ),
)
