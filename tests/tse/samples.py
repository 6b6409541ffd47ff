"""Recorded data for the tests: LAN exchanges, log messages with known verdicts, exports of real devices."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

RECORDINGS = Path(__file__).parent.parent / "recordings"
SAMPLES = RECORDINGS / "samples"

CURVES: dict[str, ec.EllipticCurve] = {
    curve.name: curve
    for curve in (
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    )
}


@dataclass(frozen=True)
class Exchange:
    """One recorded request of the vendor's client and the answer it got; payloads without base64."""

    scenario: str
    method: str
    path: str
    body: str | None
    sent: bytes | None
    status: int
    got: bytes | None
    error: int | None

    @property
    def verb(self) -> str:
        return self.path.rpartition("/")[2].partition("?")[0]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """Every recorded exchange of every scenario, in order."""
    return tuple(_read_exchanges("lantse"))


@cache
def exchanges_of_generation_2() -> tuple[Exchange, ...]:
    """Every recorded exchange with a TSE of generation 2, in order."""
    return tuple(_read_exchanges("lantse-2"))


@cache
def vectors() -> tuple[dict[str, Any], ...]:
    """Log messages with what is known of them."""
    return tuple(json.loads((RECORDINGS / "log_messages.json").read_text())["vectors"])


def key_of_vector(vector: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    """The key that a vector names."""
    point = bytes.fromhex(vector["publicKeyPointHex"])
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[vector["curve"]], point)


def _read_exchanges(folder: str) -> Iterator[Exchange]:
    for file in sorted((RECORDINGS / folder).glob("*.jsonl")):
        for line in file.read_text().splitlines():
            recorded = json.loads(line)
            body, answer = recorded["request_body"], recorded["response_body"]
            data = answer.get("data") if isinstance(answer, dict) else None
            yield Exchange(
                scenario=file.stem,
                method=recorded["method"],
                path=recorded["path"],
                body=body,
                sent=base64.b64decode(json.loads(body)["data"]) if body else None,
                status=recorded["status"],
                got=base64.b64decode(data) if data is not None and data != "<SESSION>" else None,
                error=answer.get("error") if isinstance(answer, dict) else None,
            )
