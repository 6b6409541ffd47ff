"""A till that asks for commands and receipts, one after the other, over one kept connection."""

import base64
import json
from itertools import count
from typing import Any

from gateway.tse.commands import CloseImport, ImportOpened, OpenImport, TransactionReply, TransactionStep
from gateway.tse.fields import Command
from gateway.tse.sectors import SECTOR
from tests.bench.layers import COMMAND
from tests.bench.served import BlockingClient
from tests.lan_client import BASE
from tests.support import CLIENT

DATA = b"Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar"
TYPE = b"Kassenbeleg-V1"
SIGN = json.dumps({"client_id": CLIENT.decode(), "process_type": TYPE.decode(), "process_data": DATA.decode()}).encode()
_PADDED = DATA.ljust(SECTOR, b"\0")


class Till:
    """A till at the TSE with this serial."""

    def __init__(self, client: BlockingClient, serial: str) -> None:
        self._client = client
        self._serial = serial
        self._keys = map("bench-{}".format, count())

    def command(self) -> None:
        """Ask for the last transaction under a lock that is held, and keep it."""
        if not hasattr(self, "_held"):
            self._held = self._lock()
        self._post(f"{self._held}/sendCommand", COMMAND)

    def sell(self) -> None:
        """A receipt over LAN in seven requests: lock, start, finish with its data, unlock."""
        path = self._lock()
        started = self._signed(path, OpenImport(TransactionStep.START, CLIENT, 0, 0, b""))
        self._signed(path, OpenImport(TransactionStep.FINISH, CLIENT, started.transaction_number, len(DATA), TYPE))
        self._client.ask("GET", f"{path}/unlock")

    def sign(self) -> None:
        """A receipt through `/api/v1`."""
        self._client.ask("POST", f"/api/v1/tses/{self._serial}/sign", SIGN)

    def sign_with_key(self) -> None:
        """The same under a new `Idempotency-Key`."""
        self._client.ask("POST", f"/api/v1/tses/{self._serial}/sign", SIGN, f"Idempotency-Key: {next(self._keys)}\r\n")

    def newest(self) -> None:
        """A page of the newest transactions."""
        self._client.ask("GET", f"/api/v1/tses/{self._serial}/transactions")

    def _lock(self) -> str:
        session = json.loads(self._client.ask("GET", f"{BASE}/tse/{self._serial}/lock"))["data"]
        return f"{BASE}/tse/{self._serial}/{session}"

    def _signed(self, path: str, step: OpenImport) -> TransactionReply:
        opened = self._send(path, step)
        if step.event is TransactionStep.FINISH:
            block = ImportOpened.decode(opened).block
            self._post(f"{path}/writeWormStore?offset={block}", _PADDED)
        return TransactionReply.decode(self._send(path, CloseImport()))

    def _send(self, path: str, command: Command) -> bytes:
        return base64.b64decode(self._post(f"{path}/sendCommand", command.encode())["data"])

    def _post(self, path: str, data: bytes) -> Any:
        body = json.dumps({"data": base64.b64encode(data).decode()}).encode()
        return json.loads(self._client.ask("POST", path, body))
