"""Sign typed receipts and write them as a till writes its DSFinV-K export: `receipts.py URL TOKEN SERIAL CA DIRECTORY`.

Runs in an environment of its own, with dsfinvk, whose models refuse values that the standard does not allow.
"""

import csv
import json
import random
import ssl
import sys
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dsfinvk.models import Bonkopf, Bonkopf_USt, Bonkopf_Zahlarten, Stamm_Kassen, Stamm_TSE, TSE_Transaktionen

RECEIPTS = 400
MOST = 19_999  # cents at a rate: numbers from 1,000 on have points in dsfinvk, which the linter refuses
KINDS = (
    *("Beleg", "AVTransfer", "AVBestellung", "AVTraining", "AVBelegstorno"),
    *("AVBelegabbruch", "AVSachbezug", "AVSonstige", "AVRechnung"),
)
RATES = {"normal": 1, "reduced": 2, "average_3": 3, "average_1": 4, "zero": 5}  # UST_SCHLUESSEL


def receipt(chance: random.Random) -> dict[str, Any]:
    """Return a receipt whose payments in euros add up, now and then with francs or without payment."""
    amounts = {name: Decimal(chance.randint(-500, MOST)) / 100 for name in RATES if chance.random() < 0.6}
    total, kind = sum(amounts.values(), Decimal(0)), chance.choice(KINDS)
    cash = Decimal(chance.randint(0, 5000)) / 100
    payments = [("Bar", cash, "EUR"), ("Unbar", total - cash, "EUR")]
    if chance.random() < 0.2:
        payments.append(("Bar", Decimal(chance.randint(1, 5000)) / 100, "CHF"))
    elif kind != "Beleg" and chance.random() < 0.3:
        payments = []
    return {
        "receipt_type": kind,
        "amounts": {name: str(amount) for name, amount in amounts.items()},
        "payments": [{"type": way, "amount": str(amount), "currency": of} for way, amount, of in payments],
    }


def rows(number: int, sold: dict[str, Any], signed: dict[str, Any]) -> list[Any]:
    """Return the rows of one receipt in the files of DSFinV-K."""
    key = {"Z_KASSE_ID": "Kasse 1", "Z_ERSTELLUNG": datetime.fromisoformat(signed["log_time"]), "Z_NR": 1}
    bon = {**key, "BON_ID": str(number)}
    kind, totals, payments = signed["process_data"].split("^")
    amounts = dict(zip(RATES, map(Decimal, totals.split("_")), strict=True))
    assert kind == sold["receipt_type"]
    assert {name: Decimal(text) for name, text in sold["amounts"].items()}.items() <= amounts.items()
    times = [datetime.fromisoformat(signed[name]) for name in ("start_time", "log_time")]
    made: list[Any] = [
        Bonkopf(
            **bon,
            BON_NR=number,
            BON_TYP=kind,
            BON_STORNO=kind == "AVBelegstorno",
            BON_START=times[0],
            BON_ENDE=times[1],
            UMS_BRUTTO=sum(amounts.values(), Decimal(0)),
        ),
        TSE_Transaktionen(
            **bon,
            TSE_ID=1,
            TSE_TANR=signed["transaction_number"],
            TSE_TA_START=signed["start_time"],
            TSE_TA_ENDE=signed["log_time"],
            TSE_TA_VORGANGSART=signed["process_type"],
            TSE_TA_SIGZ=signed["signature_counter"],
            TSE_TA_SIG=signed["signature"],
            TSE_VORGANGSDATEN=signed["process_data"],
        ),
    ]
    taxes = {"BON_NETTO": Decimal(0), "BON_UST": Decimal(0)}  # what a till knows, and the TSE does not
    made += [Bonkopf_USt(**bon, UST_SCHLUESSEL=RATES[name], BON_BRUTTO=it, **taxes) for name, it in amounts.items()]
    for paid in payments.split("_") if payments else ():
        amount, way, *currency = paid.split(":")
        foreign = {"ZAHLWAEH_CODE": currency[0], "ZAHLWAEH_BETRAG": Decimal(amount)} if currency else {}
        made.append(Bonkopf_Zahlarten(**bon, ZAHLART_TYP=way, BASISWAEH_BETRAG=Decimal(amount), **foreign))
    return made


def main(url: str, token: str, serial: str, trust: str, directory: str) -> None:
    """Sign and write."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    sign, context = f"{url}/api/v1/tses/{serial}/sign", ssl.create_default_context(cafile=trust)
    chance = random.Random(1)
    files: dict[str, list[Any]] = {}
    closing = {"Z_KASSE_ID": "Kasse 1", "Z_ERSTELLUNG": datetime.now(UTC), "Z_NR": 1}
    master = urllib.request.Request(f"{url}/api/v1/tses/{serial}/dsfinvk", headers=headers)
    with urllib.request.urlopen(master, context=context) as answer:
        columns = json.load(answer)
    files[Stamm_TSE._filename] = [Stamm_TSE(**closing, TSE_ID=1, **columns)]
    files[Stamm_Kassen._filename] = [Stamm_Kassen(**closing, KASSE_SERIENNR="POS-1", KASSE_BASISWAEH_CODE="EUR")]
    for number in range(1, RECEIPTS + 1):
        sold = receipt(chance)
        body = json.dumps({"client_id": "POS-1", "receipt": sold}).encode()
        with urllib.request.urlopen(urllib.request.Request(sign, body, headers), context=context) as answer:
            for row in rows(number, sold, json.load(answer)):
                files.setdefault(row._filename, []).append(row)
    for name, found in files.items():
        with (Path(directory) / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [it.name for it in found[0]._fields], delimiter=";", lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(row._data for row in found)
    print(f"{RECEIPTS} receipts in", *sorted(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
