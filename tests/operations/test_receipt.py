"""Receipts and requests as values."""

from dataclasses import replace

import pytest

from gateway.operations.receipt import Action, NoQrCode, Receipt, Signed, SigningRequest, qr_blocks, qr_image
from gateway.tse.commands import TransactionStep

RECEIPT = Receipt(
    operation="finish",
    serial="AB" * 32,
    public_key=b"key",
    client_id="Käse".encode(),
    process_type=b"Kassenbeleg-V1",
    process_data=b"Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar",
    signed=Signed(4, 11, 1_700_000_005, b"signature"),
    start_time=1_700_000_000,
    certified=True,
)
QR = (
    "V0;Käse;Kassenbeleg-V1;Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar;4;11;2023-11-14T22:13:20.000Z;"
    "2023-11-14T22:13:25.000Z;ecdsa-plain-SHA384;unixTime;c2lnbmF0dXJl;a2V5"
)


def test_the_text_of_a_qr_code_has_its_fields_in_their_order() -> None:
    assert RECEIPT.qr_text == QR


@pytest.mark.parametrize(
    "other",
    [
        replace(RECEIPT, operation="update"),
        replace(RECEIPT, start_time=None),
        replace(RECEIPT, client_id=b"\xff"),
        replace(RECEIPT, process_type=b"a;b"),
        replace(RECEIPT, process_data=b"a;b"),
    ],
)
def test_a_step_that_no_code_can_show_has_none(other: Receipt) -> None:
    assert other.qr_text is None


def test_a_text_that_is_too_long_has_no_code() -> None:
    for draw in (qr_blocks, lambda text: qr_image(text, "svg")):
        assert draw(QR)
        with pytest.raises(NoQrCode):
            draw("x" * 3000)


@pytest.mark.parametrize(
    ("action", "event"),
    [
        (Action.START, TransactionStep.START),
        (Action.UPDATE, TransactionStep.UPDATE),
        (Action.FINISH, TransactionStep.FINISH),
        (Action.SIGN, TransactionStep.FINISH),
    ],
)
def test_each_action_ends_with_one_step(action: Action, event: TransactionStep) -> None:
    assert action.event is event


def test_requests_that_differ_in_anything_that_is_signed_have_different_fingerprints() -> None:
    wish = SigningRequest(Action.SIGN, "A", b"POS-1", 0, b"type", b"data")
    others = (
        replace(wish, action=Action.FINISH),
        replace(wish, serial="B"),
        replace(wish, client_id=b"POS-2"),
        replace(wish, number=1),
        replace(wish, process_type=b"typed", process_data=b"ata"),  # the same bytes in a row
        replace(wish, process_data=b""),
    )
    assert len({wish.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)
    assert replace(wish).fingerprint == wish.fingerprint
    assert len(wish.fingerprint) == 64
