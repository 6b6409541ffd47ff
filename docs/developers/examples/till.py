"""A till in fifty lines. `till.py 1.19 2.20` sells for 1.19 at 19 % and 2.20 at 7 % in cash, and prints the receipt.

It needs segno, and TSE_URL, TSE_SERIAL, TSE_TOKEN and TSE_CA of the gateway. A sale is written down before it is sent,
so a lost answer, a restart of the gateway and one of the till end with the one signature that belongs to it.
"""

import json
import os
import ssl
import sys
import time
import urllib.request
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import segno

TSE = f"{os.environ['TSE_URL']}/api/v1/tses/{os.environ['TSE_SERIAL']}"
HEADERS = {"Authorization": f"Bearer {os.environ['TSE_TOKEN']}", "Content-Type": "application/json"}
TRUST = ssl.create_default_context(cafile=os.environ["TSE_CA"])
NOT_READY = {"no_time_set", "needs_self_test", "needs_passed_self_test"}  # which the gateway mends
UNSIGNED = Path("unsigned.json")  # the sale whose signature has not come yet


def sale(normal: Decimal, reduced: Decimal) -> dict[str, Any]:
    """Return a sale that was paid in cash."""
    amounts = {"normal": str(normal), "reduced": str(reduced)}
    payments = [{"type": "Bar", "amount": str(normal + reduced)}]
    body = {"client_id": "POS-1", "receipt": {"amounts": amounts, "payments": payments}}
    return {"key": str(uuid.uuid4()), "body": body}


def signed(sold: dict[str, Any]) -> dict[str, Any]:
    """Ask under the same key until there is an answer; one that refuses the sale (4xx) ends it."""
    UNSIGNED.write_text(json.dumps(sold))
    headers = HEADERS | {"Idempotency-Key": sold["key"]}
    request = urllib.request.Request(f"{TSE}/sign", json.dumps(sold["body"]).encode(), headers)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60, context=TRUST) as answer:
                receipt = json.load(answer)
            break
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            if refused.code < 500 and problem["code"] not in NOT_READY:
                UNSIGNED.unlink()
                sys.exit(problem["detail"])
        except OSError:
            pass
        print("the TSE does not answer, asking again ...", file=sys.stderr)
        time.sleep(1)
    UNSIGNED.unlink()
    return receipt


sold = json.loads(UNSIGNED.read_text()) if UNSIGNED.exists() else sale(*(Decimal(text) for text in sys.argv[1:3]))
receipt = signed(sold)
print(receipt["process_data"], f"Transaction {receipt['transaction_number']} of {receipt['log_time']}", sep="\n")
print(f"Signature {receipt['signature_counter']} of TSE {receipt['tse_serial']}")
print("" if receipt["certified"] else "SIMULATED: no receipt before the law")
segno.make_qr(receipt["qr_text"], error="m").terminal(compact=True)
