"""However a TSE is reached: when the answer to a signature is lost, the fleet finds it again."""

from gateway.fleet.registry import Attachment, DeviceTimes, Registry
from gateway.simulator.device import SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import CloseImport, OpenImport, TransactionReply, TransactionStep
from gateway.tse.fields import Generation
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.contract.test_drivers import Open, generation, open_driver, tse
from tests.support import CLIENT, PREPARE, step

__all__ = ["generation", "open_driver", "tse"]


async def test_a_signature_whose_answer_was_lost_is_told_all_the_same(
    open_driver: Open,
    tse: SimulatedTse,
    generation: Generation,
    metrics: Metrics,
) -> None:
    registry = Registry(metrics, DeviceTimes(refresh=3600))
    await registry.reconcile([Attachment("here", open_driver)])
    device = registry.devices()[0]
    await PREPARE[generation](device.command, tse.serial)
    started = await step(device.command, device, TransactionStep.START)
    await device.command(OpenImport(TransactionStep.FINISH, CLIENT, started.transaction_number, 0, b"X").encode())
    tse.faults.set("lost_response", 1)
    reply = TransactionReply.decode(await device.command(CloseImport().encode()))
    info = TseInfo.decode(tse.read_info())
    last = LogMessage.decode(list(members(tse.read_store(0, info.used_blocks + 2)))[-1].data)
    assert (last.operation.lower(), last.signature) == ("finishtransaction", reply.signature)
    assert reply.signature_counter == started.signature_counter + 1
    await registry.reconcile([])
    await registry.close()
