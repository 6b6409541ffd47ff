"""Sign a receipt with the client that openapi-python-client generated: `sign.py URL TOKEN SERIAL`.

Runs in an environment of its own, with the client as the package `tse_client`.
"""

import sys

from tse_client import AuthenticatedClient
from tse_client.api.exports import export_all
from tse_client.api.transactions import get_last_transaction, sign_receipt
from tse_client.api.tse import list_tses
from tse_client.models import Problem, SignedReceipt, SignRequest

_DATA = "Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar"


def main(url: str, token: str, serial: str) -> None:
    """Fail unless the receipt is signed, found again and exported, and an error is a problem."""
    client = AuthenticatedClient(url, token, verify_ssl=False)
    assert [tse.serial for tse in list_tses.sync(client=client)] == [serial]
    body = SignRequest(client_id="POS-1", process_type="Kassenbeleg-V1", process_data=_DATA)
    receipt = sign_receipt.sync(serial, client=client, body=body, idempotency_key="receipt-1")
    assert isinstance(receipt, SignedReceipt)
    assert (receipt.process_data, receipt.replayed) == (_DATA, False)
    again = sign_receipt.sync(serial, client=client, body=body, idempotency_key="receipt-1")
    assert isinstance(again, SignedReceipt)
    assert (again.signature, again.replayed) == (receipt.signature, True)
    last = get_last_transaction.sync(serial, client=client, client_id="POS-1")
    assert isinstance(last, SignedReceipt)
    assert last.signature == receipt.signature
    exported = export_all.sync_detailed(serial, client=client).content
    assert receipt.process_data.encode() in exported
    refused = sign_receipt.sync("0" * 64, client=client, body=body)
    assert isinstance(refused, Problem)
    assert (refused.status, refused.code) == (404, "unknown_device")
    print(f"a generated client signed transaction {receipt.transaction_number}")


if __name__ == "__main__":
    main(*sys.argv[1:])
