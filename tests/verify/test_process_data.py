"""Process data of log messages against DSFinV-K, annex I: told, and never more than a note."""

import pytest

from gateway.tse.der import integer_element
from gateway.tse.logmessage import UnsignedMessage
from gateway.verify.files import Options
from gateway.verify.findings import Code, Severity
from gateway.verify.texts import worst
from tests.verify.conftest import Check
from tests.verify.exports import NOW, Tse


@pytest.mark.parametrize(
    ("operation", "process_type", "data", "code"),
    [
        ("Start", b"", b"", None),
        ("Start", b"Kassenbeleg-V1", b"", Code.PROCESSDATA_START),
        ("Update", b"Kassenbeleg-V1", b"half of", None),
        ("Finish", b"Kassenbeleg-V1", b"Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar", None),
        ("Finish", b"Kassenbeleg-V1", b"Beleg^1.00_0.00_0.00_0.00_0.00^2.00:Bar", Code.PROCESSDATA_FORM),
        ("Finish", b"Bestellung-V1", b'2;"Eis";3.99', None),
        ("Finish", b"SonstigerVorgang", b"\xff", Code.PROCESSDATA_FORM),
        ("Finish", b"Kassenbeleg", b"", Code.PROCESSDATA_FORM),
    ],
)
def test_the_form_of_process_data_is_told(
    operation: str, process_type: bytes, data: bytes, code: Code | None, check: Check
) -> None:
    tse = Tse()
    message = tse._seal(
        UnsignedMessage.transaction(
            operation=f"{operation}Transaction",
            client_id=b"POS-1",
            process_data=data,
            process_type=process_type,
            number=1,
            serial=tse.serial,
            counter=1,
            log_time=integer_element(NOW),
        )
    )
    report = check(message, Options(tse.chain), name="message.log")
    told = {found for found, _ in report.findings.items() if found.startswith("processdata.")}
    assert told == ({code} if code else set())
    assert report.counts.valid == 1
    assert worst(report.findings) in (None, Severity.NOTE)
