"""What operators did: the audit log for programs and for spreadsheets."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import hdrs, web
from pydantic import Field

from gateway.access.audit import Act, AuditUnreadable
from gateway.access.caller import AUDITORS
from gateway.i18n.locales import local
from gateway.i18n.text import Language, Text
from gateway.server.api.endpoint import BASE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.parameters import Span
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about
from gateway.server.http.callers import caller_of

_CSV = "text/csv"
_CSV_TIME = "%Y-%m-%d %H:%M:%S"
_COLUMNS = (
    Text("Time", "Zeit"),
    Text("Time (UTC)", "Zeit (UTC)"),
    Text("Who", "Wer"),
    Text("Role", "Rolle"),
    Text("Address", "Adresse"),
    Text("Act", "Handlung"),
    Text("TSE serial number", "TSE-Seriennummer"),
    Text("About", "Worüber"),
    Text("Result", "Ergebnis"),
)


class AuditEntry(ApiResponse):
    model_config = about("An act of an operator.")

    at: datetime = Field(description="When.", examples=["2026-09-21T14:13:20Z"])
    who: str = Field(
        description="Name of the token; local: the user of the gateway on its machine; gateway: the gateway itself.",
        examples=["chief"],
    )
    role: str = Field(description="Role of the token; empty for local and gateway.", examples=["operator"])
    address: str = Field(description="From where; empty: from the machine itself.", examples=["10.0.0.7"])
    act: str = Field(
        description="What: an operation of this API, a command of the LAN protocol (lan: ...), login, or start.",
        examples=["register_client"],
    )
    tse_serial: str | None = Field(description="Serial of the TSE; null: about none.", examples=[None])
    about: dict[str, Any] = Field(
        description="What it was about, such as a client id or the name of a token; never a PIN, PUK or token.",
        examples=[{"client_id": "POS-2"}],
    )
    result: str = Field(description="done, or the code of the error that it ended with.", examples=["done"])


class AuditList(ApiResponse):
    model_config = about("The acts of a span of time.")

    acts: list[AuditEntry] = Field(description="The oldest first.")


async def list_acts(call: Call[Span, NoBody]) -> AuditList:
    """Return the acts for programs."""
    return AuditList(acts=[_entry(act) for act in await _acts(call)])


async def get_acts_csv(call: Call[Span, NoBody]) -> web.Response:
    """Return the acts for spreadsheets."""
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="TSE_audit.csv"', hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(
        text=as_csv(await _acts(call), call.language), content_type=_CSV, charset="utf-8", headers=headers
    )


def as_csv(acts: Iterable[Act], language: Language) -> str:
    """Return acts in the form of the outages; the names of the columns are in `language`."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(column.in_language(language) for column in _COLUMNS)
    for act in acts:
        writer.writerow(map(_harmless, _row(act)))
    return out.getvalue()


async def _acts(call: Call[Span, NoBody]) -> list[Act]:
    caller, span = caller_of(call.request), call.params
    found = await call.services.audit.acts(span.since, span.until)
    return [act for act in found if caller.may_use(act.serial)]


def _entry(act: Act) -> AuditEntry:
    return AuditEntry(
        at=datetime.fromtimestamp(act.at, UTC),
        who=act.who,
        role=act.role,
        address=act.address,
        act=act.act,
        tse_serial=act.serial or None,
        about=dict(act.about),
        result=act.result,
    )


def _row(act: Act) -> tuple[str, ...]:
    utc = datetime.fromtimestamp(act.at, UTC).strftime(_CSV_TIME)
    what = json.dumps(dict(act.about), ensure_ascii=False) if act.about else ""
    return local(act.at).strftime(_CSV_TIME), utc, act.who, act.role, act.address, act.act, act.serial, what, act.result


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: client ids come from whoever asks."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@"} else cell


_CSV_EXAMPLE = (
    "\ufeffTime;Time (UTC);Who;Role;Address;Act;TSE serial number;About;Result\r\n"
    '2026-11-24 09:15:00;2026-11-24 08:15:00;chief;operator;10.0.0.7;register_client;E15E2EAD...;"{""client_id"": '
    '""POS-2""}";done\r\n'
)
SECTION = Section(
    "Audit",
    "What operators did, from where, and how it ended.",
    (
        Endpoint(
            "GET",
            f"{BASE}/audit",
            AUDITORS,
            list_acts,
            "List the acts of operators",
            "Set-up, clients, PINs (without values), deletions, locks that were taken, tokens, logins, settings at the "
            "start. Signatures of tills are none: the TSE keeps these.",
            (AuditUnreadable,),
        ),
        Endpoint(
            "GET",
            f"{BASE}/audit.csv",
            AUDITORS,
            get_acts_csv,
            "List the acts of operators as CSV",
            "For spreadsheets, as Excel in Germany reads them; times are local and UTC.",
            (AuditUnreadable,),
            FileResponse("UTF-8 with byte order mark, semicolons, CRLF.", (FileFormat(_CSV, _CSV_EXAMPLE),)),
        ),
    ),
)
