"""The audit: what the tills saw, against what the TSE has stored."""

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.simulator.device import SimulatedTse
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage, verify
from gateway.tse.tar import members
from tests.history.checker import demand_explained
from tests.history.events import History


def audit(tse: SimulatedTse, history: History) -> None:
    """Everything seen as signed is stored exactly once, and nothing else of the tills is; all signatures are good.

    Raises:
        AssertionError: a receipt is missing, doubled, or other than the till saw it.
    """
    info = TseInfo.decode(tse.read_info())
    assert info.ctss_active, "the TSE is not in service: how much it stored is not to be seen"
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.BrainpoolP384R1(), info.public_key)
    tar = tse.read_store(0, info.used_blocks + 2)
    messages = [LogMessage.decode(member.data) for member in list(members(tar))[2:]]
    for message in messages:
        assert verify(message, key), f"signature {message.signature_counter} does not verify"
    assert len(messages) == info.created_signatures, "the store has gaps or duplicates"
    untold = demand_explained(history, tar).untold
    assert not untold, f"steps were signed that no till knows of: {untold}"
