"""The steps of a swap, and the checklist that says which are done. A step that is done twice does no harm."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import download
from gateway.cli.confirm import check_clock, confirmed
from gateway.cli.formatting import life
from gateway.cli.secrets import PIN_LENGTH, Secrets
from gateway.cli.verify import export_is_valid
from gateway.client.api import Api, Refused
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage.atomic import read_private, write_private

if TYPE_CHECKING:
    from gateway.cli.base import Cli

_OLD_PIN = Text("Admin PIN of the old TSE", "Admin-PIN der alten TSE")
_NEW_PIN = Text("Admin PIN of the new TSE", "Admin-PIN der neuen TSE")
_OPEN = Text(
    "{count} transactions are open: finish or cancel them at the tills, then go on",
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
_NOT_IN_SERVICE = Text(
    "the old TSE is {life}: only one in service is replaced step by step; one that does not work any more by --dead",
    "die alte TSE ist {life}: Schritt für Schritt ersetzt wird nur eine in Betrieb; eine, die nicht mehr arbeitet, mit "
    "--dead",
)
_WHICH_NEW = Text("several new TSEs are there: name one by --new", "mehrere neue TSEs sind da: eine mit --new nennen")
_OTHER = Text(
    "this directory is of the swap of TSE {serial}: use another --directory",
    "dieses Verzeichnis gehört zum Wechsel der TSE {serial}: ein anderes mit --directory nennen",
)
_SECONDS = 5.0  # that the decommissioning takes
StepResult = dict[str, Any]  # what is noted of a step that is done


class Checklist:
    """The steps that are done, in a JSON file: {fact: value, ..., "steps": {name: {"at": time, ...}}}.

    Each change is on the disk before the next step begins.

    Raises:
        ConfigurationError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts: dict[str, Any] = {}
        self._done: dict[str, dict[str, Any]] = {}
        self._read()

    def is_done(self, step: str) -> bool:
        """Return whether the step was done, now or by an earlier call."""
        return step in self._done

    def tick(self, step: str, **result: Any) -> None:
        """Note that the step is done, with its result."""
        self._done[step] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **result}
        self._write()

    def fact(self, name: str) -> Any:
        """Return a fact that `note` kept; None before."""
        return self._facts.get(name)

    def note(self, **facts: Any) -> None:
        """Keep facts that later steps need."""
        self._facts.update(facts)
        self._write()

    def as_data(self) -> dict[str, Any]:
        """Return facts and steps as JSON data."""
        return {**self._facts, "steps": self._done}

    def _read(self) -> None:
        content = read_private(self.path)
        if content is None:
            return
        try:
            plain = json.loads(content)
            self._done = dict(plain.pop("steps"))
            self._facts = plain
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(
                Text(
                    "{path} is damaged: restore it, or begin in another directory",
                    "{path} ist beschädigt: die Datei zurückholen, oder in einem anderen Verzeichnis beginnen",
                ),
                path=self.path,
            ) from None

    def _write(self) -> None:
        write_private(self.path, json.dumps(self.as_data(), indent=1, ensure_ascii=False).encode() + b"\n")


class Swap:
    """One swap. `wanted`: beginning of the new serial. `files`: of the old and the new Admin PIN.

    `directory` takes exports and ELSTER data; `dead`: the old TSE does not work any more.
    """

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

    async def begin(self, name: str, *, anyway: bool) -> None:
        """Look at life cycles and clock, and note the serial of the old TSE; later calls need not name it.

        Raises:
            ConfigurationError: the directory belongs to the swap of another TSE, the old TSE is not in service, or
                nobody vouches for the clock of the gateway, which is not to be used `anyway`.
        """
        known = self.checklist.fact("old")
        if known and name and not known.startswith(name.upper()):
            raise ConfigurationError(_OTHER, serial=known)
        serial = known or await self._serial(name)
        if not (self.dead or self.checklist.is_done("deregister")):
            lifecycle = (await self.api.get(f"/tses/{serial}"))["lifecycle"]
            if lifecycle != "initialized":
                raise ConfigurationError(_NOT_IN_SERVICE, life=life(lifecycle, self.cli.locale))
        await check_clock(self.cli, self.api, anyway=anyway)
        self.checklist.note(old=serial)
        fresh = [tse["serial"] for tse in await self._others() if tse["lifecycle"] == "uninitialized"]
        if len(fresh) == 1 and not self.checklist.is_done("find_new"):
            self.cli.note(_NOT_SET_UP, serial=fresh[0])

    async def _serial(self, name: str) -> str:
        if not self.dead:
            return await self.cli.serial(self.api, name)
        archives = (await self.api.get("/archives"))["archives"]
        return self.cli.chosen(name, [str(archive["serial"]) for archive in archives])

    @property
    def old(self) -> str:
        """The path of the old TSE in the API."""
        return f"/tses/{self.checklist.fact('old')}"

    @property
    def new(self) -> str:
        """The path of the new TSE in the API."""
        return f"/tses/{self.checklist.fact('new')}"

    def pin(self, *, new: bool) -> str:
        """Return the Admin PIN of the old or the new TSE, asked for once."""
        name = _NEW_PIN if new else _OLD_PIN
        if name.en not in self._pins:
            self._pins[name.en] = self._asked.known(name, self._files[new], PIN_LENGTH)
        return self._pins[name.en]

    # ---- the old TSE --------------------------------------------------------

    async def export_before(self) -> StepResult:
        """Export and verify everything before anything is changed."""
        if self.dead:
            return await self._export(f"{self.old}/archive/export", "old.tar")
        known = await self.api.get(self.old)
        if known["open_transactions"]:
            raise ConfigurationError(_OPEN, count=known["open_transactions"])
        return await self._export(f"{self.old}/export", "old.tar")

    async def elster_old(self) -> StepResult:
        """Keep the data for the report that the old TSE is out of service."""
        return await self._keep(f"{self.old}/elster", "elster-old.json")

    async def deregister(self) -> StepResult:
        """Deregister all clients, and note them for the new TSE."""
        body = {"admin_pin": self.pin(new=False)}
        found = (await self.api.post(f"{self.old}/clients/list", body))["client_ids"]
        clients = sorted({*(self.checklist.fact("clients") or ()), *found})
        self.checklist.note(clients=clients)  # before the first is gone, in case the rest fails
        for client in found:
            await self.api.post(f"{self.old}/clients/deregister", {**body, "client_id": client})
        return {"clients": clients}

    async def decommission(self) -> StepResult:
        """Decommission the old TSE, confirmed by its serial."""
        if (await self.api.get(self.old))["lifecycle"] == "decommissioned":
            return {}
        body = {"admin_pin": self.pin(new=False)}
        await confirmed(self.cli, self.api, self.old, "decommission", body, title=_ENDING, seconds=_SECONDS)
        return {}

    async def export_after(self) -> StepResult:
        """Export again: the TSE has signed the deregistrations and its end, too."""
        return await self._export(f"{self.old}/export", "old-final.tar")

    # ---- the new TSE --------------------------------------------------------

    async def find_new(self) -> StepResult:
        """Find the new TSE.

        Raises:
            ConfigurationError: it is not there, not set up, or one of several.
        """
        found = await self._others()
        if not found:
            raise ConfigurationError(_NO_NEW)
        if len(found) > 1:
            raise ConfigurationError(_WHICH_NEW)
        serial = found[0]["serial"]
        if found[0]["lifecycle"] != "initialized":
            raise ConfigurationError(_NOT_SET_UP, serial=serial)
        self.checklist.note(new=serial)
        return {"serial": serial}

    async def _others(self) -> list[dict[str, Any]]:
        """Return the TSEs that may be the new one."""
        return [
            tse
            for tse in await self.api.get("/tses")
            if f"/tses/{tse['serial']}" != self.old
            and tse["serial"].startswith(self._wanted.upper())
            and tse["lifecycle"] != "decommissioned"
        ]

    async def register(self) -> StepResult:
        """Register the clients of the old TSE."""
        clients = self.checklist.fact("clients") or []
        if clients:
            body = {"admin_pin": self.pin(new=True)}
            for client in clients:
                await self.api.post(f"{self.new}/clients/register", {**body, "client_id": client})
        return {"clients": clients}

    async def elster_new(self) -> StepResult:
        """Keep the data for the report that the new TSE is in service."""
        return await self._keep(f"{self.new}/elster", "elster-new.json")

    async def retire(self) -> StepResult:
        """Make the gateway no longer report the old TSE as missing."""
        try:
            await self.api.post(f"{self.old}/retire", {})
        except Refused as refused:
            if refused.http_status != HTTPStatus.NOT_FOUND:  # it is not reported as missing
                raise
        return {}

    # ---- helpers ------------------------------------------------------------

    async def _export(self, path: str, name: str) -> StepResult:
        target = self.directory / name
        if not target.exists():  # an earlier call may have ended after the export
            await download.fetch(self.api, path, target, resumable=True)
        if not export_is_valid(target):
            raise ConfigurationError(_NOT_VERIFIED, file=target)
        return {"file": name, "sha256": download.digest(target)}

    async def _keep(self, path: str, name: str) -> StepResult:
        try:
            data = await self.api.get(path)
        except Refused:
            if not self.dead:
                raise
            data = {"tse_serial": self.checklist.fact("old")}  # the rest is in the certificate of the export
        write_private(self.directory / name, json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n")
        return {"file": name}
