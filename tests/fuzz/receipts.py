"""Receipt codes (DSFinV-K, annex I): one on the command line, and a file of lines with them."""

from contextlib import suppress

from gateway.errors import ProtocolError
from gateway.verify.files import Options, _verify_receipts, verify_file
from gateway.verify.receipt import MARK, ReceiptCode
from gateway.verify.report import as_data


def run(data: bytes) -> None:
    """Read `data` as lines, and as one code."""
    text = data.decode("utf-8-sig", "surrogateescape")
    for report in (_verify_receipts("codes.csv", text.split("\n"), Options()), verify_file(MARK + text)):
        counts = report.counts
        assert counts.messages == counts.valid + counts.invalid + counts.unchecked
        as_data(report, "de")
    with suppress(ProtocolError):
        ReceiptCode.decode(text).verify()
