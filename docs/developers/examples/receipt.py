"""A whole receipt with the client that openapi-python-client generates as `tse_client`; see clients.md."""

import os
import time
import uuid

import httpx
from tse_client import AuthenticatedClient
from tse_client.api.transactions import sign_receipt
from tse_client.models import Payment, PaymentType, SignedReceipt, SignReceiptQr, SignRequest, TypedReceipt, VatAmounts

client = AuthenticatedClient(os.environ["TSE_URL"], os.environ["TSE_TOKEN"], verify_ssl=os.environ["TSE_CA"])
sold = TypedReceipt(amounts=VatAmounts(normal="1.19"), payments=[Payment(type_=PaymentType.BAR, amount="1.19")])
request, key = SignRequest(client_id="POS-1", receipt=sold), str(uuid.uuid4())
while True:
    try:
        answer = sign_receipt.sync_detailed(
            os.environ["TSE_SERIAL"], client=client, body=request, qr=SignReceiptQr.SVG, idempotency_key=key
        )
    except httpx.TransportError:
        answer = None
    if answer is not None and answer.status_code < 500:
        break
    time.sleep(1)  # the same request under the same key gets the one signature that belongs to it
receipt = answer.parsed
assert isinstance(receipt, SignedReceipt), receipt
print(receipt.process_data, receipt.transaction_number, receipt.qr_text, receipt.qr_svg, sep="\n")
