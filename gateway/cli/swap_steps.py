"""The steps of a swap. Each looks first, does one thing, and tells what came of it."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import download
from gateway.cli.checklist import Checklist
from gateway.cli.confirm import confirmed
from gateway.cli.secrets import PIN_LENGTH, Secrets
from gateway.cli.verify import export_is_valid
from gateway.client.api import Api, Refused
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage.atomic import write_private

if TYPE_CHECKING:
    from gateway.cli.base import Cli

_OLD_PIN = Text("Admin PIN of the old TSE", "Admin-PIN der alten TSE")
_NEW_PIN = Text("Admin PIN of the new TSE", "Admin-PIN der neuen TSE")
_OPEN = Text(
    "{count} transactions are open: finish them at the tills, or cancel them, then go on",
    "{count} Transaktionen sind offen: an den Kassen beenden oder abbrechen, dann fortfahren",
)
_NOT_VERIFIED = Text(
    "{file} does not verify (tse-gateway verify {file}): the old TSE stays in service until it does",
    "{file} lässt sich nicht prüfen (tse-gateway verify {file}): die alte TSE bleibt bis dahin in Betrieb",
)
_ENDING = Text("taking the old TSE out of service", "die alte TSE wird außer Betrieb genommen")
_NO_NEW = Text(
    "no new TSE is there: plug it in, set it up (tse-gateway setup), then go on",
    "keine neue TSE ist da: einstecken, einrichten (tse-gateway setup), dann fortfahren",
)
_NOT_SET_UP = Text(
    "TSE {serial} is not set up yet: tse-gateway setup {serial}, then go on",
    "TSE {serial} ist noch nicht eingerichtet: tse-gateway setup {serial}, dann fortfahren",
)
_WHICH_NEW = Text("several new TSEs are there: name one by --new", "mehrere neue TSEs sind da: eine mit --new nennen")
_OTHER = Text(
    "this directory is of the swap of TSE {serial}: use another --directory",
    "dieses Verzeichnis gehört zum Wechsel der TSE {serial}: ein anderes mit --directory nennen",
)
_SECONDS = 5.0
Result = dict[str, Any]


class Swap:
    """One swap: the gateway, what is known of it, and where its papers go."""

    def __init__(
        self,
        cli: "Cli",
        api: Api,
        checklist: Checklist,
        directory: Path,
        *,
        dead: bool,
        wanted: str,
        files: tuple[Path | None, Path | None],
    ) -> None:
        self.cli = cli
        self.api = api
        self.checklist = checklist
        self.directory = directory
        self.dead = dead
        self._wanted = wanted
        self._files = files
        self._asked = Secrets(cli.text)
        self._pins: dict[str, str] = {}

    async def begin(self, name: str) -> None:
        """Note which TSE it is about; later calls need not name it."""
        known = self.checklist.fact("old")
        if known is None:
            self.checklist.know(old=await self._serial(name))
        elif name and not known.startswith(name.upper()):
            raise ConfigurationError(self.cli.text(_OTHER, serial=known))

    async def _serial(self, name: str) -> str:
        if not self.dead:
            return await self.cli.serial(self.api, name)
        archives = (await self.api.get("/archives"))["archives"]
        return self.cli.chosen(name, [str(archive["serial"]) for archive in archives])

    @property
    def old(self) -> str:
        """Path of the old TSE."""
        return f"/tses/{self.checklist.fact('old')}"

    @property
    def new(self) -> str:
        """Path of the new one."""
        return f"/tses/{self.checklist.fact('new')}"

    def pin(self, *, new: bool) -> str:
        """The Admin PIN, asked for once."""
        name = _NEW_PIN if new else _OLD_PIN
        if name.en not in self._pins:
            self._pins[name.en] = self._asked.known(name, self._files[new], PIN_LENGTH)
        return self._pins[name.en]

    # ---- the old TSE --------------------------------------------------------

    async def export_before(self) -> Result:
        """All that is stored, verified, before anything is changed."""
        if self.dead:
            return await self._export(f"{self.old}/archive/export", "old.tar")
        known = await self.api.get(self.old)
        if known["open_transactions"]:
            raise ConfigurationError(self.cli.text(_OPEN, count=known["open_transactions"]))
        return await self._export(f"{self.old}/export", "old.tar")

    async def elster_old(self) -> Result:
        """What the report of its end asks."""
        return await self._keep(f"{self.old}/elster", "elster-old.json")

    async def deregister(self) -> Result:
        """All its clients; which they were is noted for the new one."""
        body = {"admin_pin": self.pin(new=False)}
        found = (await self.api.post(f"{self.old}/clients/list", body))["client_ids"]
        clients = sorted({*(self.checklist.fact("clients") or ()), *found})
        self.checklist.know(clients=clients)  # before the first is gone, for who has to begin again
        for client in found:
            await self.api.post(f"{self.old}/clients/deregister", {**body, "client_id": client})
        return {"clients": clients}

    async def decommission(self) -> Result:
        """Its end, confirmed by its serial; a second time does nothing."""
        if (await self.api.get(self.old))["lifecycle"] == "decommissioned":
            return {}
        body = {"admin_pin": self.pin(new=False)}
        await confirmed(self.cli, self.api, self.old, "decommission", body, title=_ENDING, seconds=_SECONDS)
        return {}

    async def export_after(self) -> Result:
        """Once more: the deregistrations and the end itself are signed, too."""
        return await self._export(f"{self.old}/export", "old-final.tar")

    # ---- the new TSE --------------------------------------------------------

    async def find_new(self) -> Result:
        """It is there and set up."""
        others = [tse for tse in await self.api.get("/tses") if f"/tses/{tse['serial']}" != self.old]
        found = [
            tse
            for tse in others
            if tse["serial"].startswith(self._wanted.upper()) and tse["lifecycle"] != "decommissioned"
        ]
        if not found:
            raise ConfigurationError(self.cli.text(_NO_NEW))
        if len(found) > 1:
            raise ConfigurationError(self.cli.text(_WHICH_NEW))
        serial = found[0]["serial"]
        if found[0]["lifecycle"] != "initialized":
            raise ConfigurationError(self.cli.text(_NOT_SET_UP, serial=serial))
        self.checklist.know(new=serial)
        return {"serial": serial}

    async def register(self) -> Result:
        """The clients that the old one had; one that is there already does no harm."""
        clients = self.checklist.fact("clients") or []
        if clients:
            body = {"admin_pin": self.pin(new=True)}
            for client in clients:
                await self.api.post(f"{self.new}/clients/register", {**body, "client_id": client})
        return {"clients": clients}

    async def elster_new(self) -> Result:
        """What the report of its beginning asks."""
        return await self._keep(f"{self.new}/elster", "elster-new.json")

    async def retire(self) -> Result:
        """No alert tells any more that the dead one is missing."""
        try:
            await self.api.post(f"{self.old}/retire", {})
        except Refused as refused:
            if refused.http_status != HTTPStatus.NOT_FOUND:  # nobody misses it
                raise
        return {}

    # ---- below: how ---------------------------------------------------------

    async def _export(self, path: str, name: str) -> Result:
        target = self.directory / name
        if not target.exists():  # a call that was cut off after the export goes on with it
            await download.fetch(self.api, path, target, resumable=True)
        if not export_is_valid(target):
            raise ConfigurationError(self.cli.text(_NOT_VERIFIED, file=target))
        return {"file": name, "sha256": download.digest(target)}

    async def _keep(self, path: str, name: str) -> Result:
        try:
            sheet = await self.api.get(path)
        except Refused:
            if not self.dead:
                raise
            sheet = {"tse_serial": self.checklist.fact("old")}  # it tells no more; its certificate is in the export
        write_private(self.directory / name, json.dumps(sheet, indent=1, ensure_ascii=False).encode() + b"\n")
        return {"file": name}
