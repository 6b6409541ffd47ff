"""What OpenSSL alone takes, in milliseconds of CPU: no gateway can be faster than that."""

import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.simulator.device import SimulatedTse
from tests.bench.rows import ROUNDS, Row
from tests.bench.till import DATA
from tests.simulator.host import Host

_TIMES = 50


async def crypto(checkouts: list[Path], scratch: Path) -> list[Row]:
    """A signature as a TSE makes, its check, and both signatures of a receipt in a simulated TSE without a disk."""
    key, scheme = ec.generate_private_key(ec.BrainpoolP384R1()), ec.ECDSA(hashes.SHA384())
    signature, public = key.sign(DATA, scheme), key.public_key()
    tse = SimulatedTse.create(scratch / "crypto", durable=False)
    host = Host(tse)
    host.set_up()
    host.start_day()
    works: dict[str, Callable[[], object]] = {
        "a signature (brainpoolP384r1)": lambda: key.sign(DATA, scheme),
        "the check of one": lambda: public.verify(signature, DATA, scheme),
        "receipt of a simulated TSE in memory (2 signatures)": lambda: host.receipt(DATA),
    }
    rows = [
        Row(f"{name}: CPU", "ms", [[_cpu(it) for _ in range(ROUNDS)]] * len(checkouts)) for name, it in works.items()
    ]
    tse.close()
    return rows


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(_TIMES):
        work()
    return 1000 * (time.process_time() - began) / _TIMES
