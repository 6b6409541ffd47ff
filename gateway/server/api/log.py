"""The log of the last hour."""

import logging
from datetime import UTC, datetime

from pydantic import Field

from gateway.access.caller import OPERATORS
from gateway.server.api.endpoint import BASE, Call, Endpoint, Section
from gateway.server.api.parameters import LogParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about


class LogEntry(ApiResponse):
    model_config = about("A line of the log.")

    at: datetime = Field(description="When.", examples=["2026-09-21T14:13:20Z"])
    level: str = Field(description="INFO, WARNING or ERROR.", examples=["WARNING"])
    logger: str = Field(description="Module that tells it.", examples=["gateway.fleet.registry"])
    message: str = Field(description="The text, in English.", examples=["TSE 4F2A... does not answer"])
    event: str | None = Field(description="Name of the event, for rules of log collectors.", examples=["failed"])
    tse_serial: str | None = Field(description="Serial of the TSE; null: about none.", examples=[None])
    request_id: str | None = Field(description="X-Request-ID of the request, if there was one.", examples=[None])


class LogLines(ApiResponse):
    model_config = about("The log of the last hour.")

    lines: list[LogEntry] = Field(description="The oldest first, 2,000 at most.")


async def list_log(call: Call[LogParams, NoBody]) -> LogLines:
    """Return the lines that are kept."""
    return LogLines(
        lines=[
            LogEntry(
                at=datetime.fromtimestamp(line.at, UTC),
                level=line.level,
                logger=line.logger,
                message=line.text,
                event=line.event or None,
                tse_serial=line.serial or None,
                request_id=line.request_id or None,
            )
            for line in call.services.recent_log.lines(logging.getLevelNamesMapping()[call.params.level])
        ]
    )


SECTION = Section(
    "Log",
    "What the gateway logged in the last hour.",
    (
        Endpoint(
            "GET",
            f"{BASE}/log",
            OPERATORS,
            list_log,
            "List the log of the last hour",
            "For those who cannot reach the log of the machine. It holds no PIN, PUK, token or session, and begins "
            "anew with each start.",
            (),
        ),
    ),
)
