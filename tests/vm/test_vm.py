"""The short ordeal, for CI. Only collected when asked for: GATEWAY_VM_TESTS=1 pytest tests/vm"""

import pytest

from tests.vm.__main__ import prove
from tests.vm.shop import Way


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["usbip", "qemu"])
def test_every_receipt_is_stored_once_whatever_happens_to_the_sticks(way: Way) -> None:
    prove(way, receipts=60, is_short=True, seed=1)
