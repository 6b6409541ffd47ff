"""A log message (BSI TR-03151) as exports hold it, and its name: LF ends the name."""

from contextlib import suppress

from gateway.errors import ProtocolError
from gateway.tse.log_names import LogName, without_file_counter
from gateway.tse.logmessage import LogMessage, verify
from gateway.verify.history import check_sequence, check_transactions
from gateway.verify.messages import CheckedMessages, check_message
from gateway.verify.receipt import ReceiptCode
from tests.tse.samples import vectors

_ANNEX = next(vector["qr"] for vector in vectors() if vector["id"].startswith("qr-"))
_KEY = ReceiptCode.decode(_ANNEX).keys[0]


def run(data: bytes) -> None:
    """Read name and message."""
    name, _, content = data.partition(b"\n")
    text = name.decode(errors="backslashreplace")
    LogName.parse(text)
    without_file_counter(text)
    checked = CheckedMessages()
    message = check_message(content, text, (), checked)
    assert checked.counts.messages == 1
    spans = check_sequence(sorted(checked.sequence), checked.findings, complete=True)
    check_transactions(sorted(checked.transactions), spans, checked.findings)
    if message is not None:
        assert message == LogMessage.decode(content)
        with suppress(ProtocolError):
            verify(message, _KEY)
