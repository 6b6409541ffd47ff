"""Recent transactions, found from the end of the store backwards."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import GatewayError, ProtocolError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations.receipt import Receipt, Signed
from gateway.operations.store import LEADING, Store, open_store
from gateway.tse import certificates
from gateway.tse.logmessage import LogMessage
from gateway.tse.products import is_simulated


class TransactionNotFound(GatewayError):
    """No such transaction among the last ones in the store."""

    code = "transaction_not_found"


MOST_BLOCKS = 16_384  # 8 MiB: thousands of receipts, and less than a second of reading
START, UPDATE, FINISH = "start", "update", "finish"


@dataclass(frozen=True, slots=True)
class StoreOwner:
    """The TSE whose store is read; `certified` is false for a simulated one."""

    serial: str
    public_key: bytes
    certified: bool


def owner_of(device: Device) -> StoreOwner:
    """Return a TSE that is here as the owner of its store."""
    return StoreOwner(device.serial, device.info.public_key, not is_simulated(device.info.description))


async def owner_in(store: Store, serial: str) -> StoreOwner:
    """Return the owner of a store as the store tells it: its description is in info.csv, its key in the certificate.

    Raises:
        ProtocolError: the store does not begin with these.
    """
    leading: list[bytes] = []
    async for entry in store.entries():
        leading.append(await store.content(entry))
        if len(leading) == LEADING:
            break
    description, chain = leading
    leaf = certificates.by_serial(certificates.load(chain)).get(bytes.fromhex(serial))
    if leaf is None:
        raise ProtocolError(
            Text(
                "the store holds no certificate for the key of this TSE",
                "im Speicher liegt kein Zertifikat zum Schlüssel dieser TSE",
            )
        )
    point = certificates.key_of(leaf).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return StoreOwner(serial, point, not is_simulated(description.decode(errors="replace")))


async def steps_of(device: Device, number: int, *, since: str = START) -> list[LogMessage]:
    """Return what `steps_in` finds in the store of a TSE."""
    return await steps_in(await open_store(device), number, since=since)


async def steps_in(store: Store, number: int, *, since: str = START) -> list[LogMessage]:
    """Return the signed steps of a transaction, newest first; those among the last `MOST_BLOCKS` blocks only.

    The search ends at its start or at the step `since`: a finish is found before its start.
    """
    found: list[LogMessage] = []
    async for message in store.newest_first(MOST_BLOCKS):
        if message.transaction_number == number:
            found.append(message)
            if step_of(message) in (START, since):
                break
    return found


async def start_time(device: Device, number: int) -> int | None:
    """Return when a transaction was started, in Unix seconds; `None` if that was long ago."""
    return next((step.log_time for step in await steps_of(device, number) if step_of(step) == START), None)


async def signed_with(device: Device, counter: int) -> LogMessage | None:
    """Return the transaction step with this signature counter; `None` if that was long ago."""
    async for message in (await open_store(device)).newest_first(MOST_BLOCKS):
        if message.signature_counter == counter and message.transaction_number is not None:
            return message
    return None


def receipt_of(message: LogMessage, owner: StoreOwner, started: int | None) -> Receipt:
    """Return a step that was read from the store as a receipt shows it; `started` in Unix seconds."""
    signed = Signed(message.transaction_number or 0, message.signature_counter, message.log_time, message.signature)
    return Receipt(
        operation=step_of(message),
        serial=owner.serial,
        public_key=owner.public_key,
        client_id=message.client_id.encode(),
        process_type=message.process_type.encode(),
        process_data=message.process_data,
        signed=signed,
        start_time=started,
        certified=owner.certified,
    )


def step_of(message: LogMessage) -> str:
    """Return "start", "update" or "finish"."""
    return message.operation.removesuffix("Transaction").lower()
