"""The doctor of `tse-gateway doctor`, asked of a gateway that runs, and the support bundle."""

from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.access.caller import MONITORS, OPERATORS
from gateway.checks import CheckStatus
from gateway.server.api.downloads import media_for
from gateway.server.api.endpoint import BASE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about
from gateway.server.http.callers import caller_of

_ZIP = "application/zip"


class LayerFinding(ApiResponse):
    model_config = about("What the doctor found of one layer, or of one layer of a TSE.")

    layer: str = Field(description="Name of the layer.", examples=["usb"])
    tse_serial: str | None = Field(description="Serial of the TSE; null: about none.", examples=[None])
    verdict: Literal["ok", "warn", "fail", "unknown"] = Field(
        description="unknown: a layer below does not work, or it cannot be told from here.", examples=["ok"]
    )
    text: str = Field(description="What was found.", examples=["1 USB storage device(s)"])
    remedy: str = Field(description="What helps; empty: nothing is to be done.", examples=[""])


class Examination(ApiResponse):
    model_config = about("What the doctor found.")

    verdict: Literal["ok", "warn", "fail"] = Field(description="The worst of all findings.", examples=["ok"])
    findings: list[LayerFinding] = Field(description="In the order in which one layer rests on the other.")


async def examine(call: Call[NoParams, NoBody]) -> Examination:
    """Return what the doctor finds now."""
    caller = caller_of(call.request)
    results = [result for result in await call.services.doctor.examine() if caller.may_use(result.serial)]
    verdicts = {result.status for result in results}
    worst: Literal["ok", "warn", "fail"] = "ok"
    if CheckStatus.FAIL in verdicts:
        worst = "fail"
    elif CheckStatus.WARN in verdicts:
        worst = "warn"
    return Examination(
        verdict=worst,
        findings=[
            LayerFinding(
                layer=result.layer.value,
                tse_serial=result.serial or None,
                verdict=result.status.value,
                text=result.text_in(call.language),
                remedy=result.remedy_in(call.language),
            )
            for result in results
        ],
    )


async def get_support_bundle(call: Call[NoParams, NoBody]) -> web.Response:
    """Send a new support bundle."""
    caller_of(call.request).check_all_tses()
    name, content = await call.services.doctor.support_bundle()
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=content, content_type=media_for(call.request, _ZIP), headers=headers)


SECTION = Section(
    "Doctor",
    "What is wrong, in which layer, and what helps.",
    (
        Endpoint(
            "GET",
            f"{BASE}/doctor",
            MONITORS,
            examine,
            "Examine all layers",
            "From the USB port to the clock, as the command `tse-gateway doctor` does; takes seconds, changes nothing. "
            "Those who ask within five seconds share one examination.",
        ),
        Endpoint(
            "GET",
            f"{BASE}/support-bundle",
            OPERATORS,
            get_support_bundle,
            "Download the support bundle",
            "A ZIP file with what a reseller asks for: versions, states, settings, findings of the doctor, log, USB "
            "devices and disks. PINs, PUKs, tokens and keys are left out; serials, client ids and addresses are in it.",
            (),
            FileResponse("The bundle.", (FileFormat(_ZIP),)),
            of_all=True,
        ),
    ),
)
