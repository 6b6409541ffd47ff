"""An archive: the way of the store's reader, and that of the verifier with all its checks."""

from contextlib import suppress

from gateway.errors import ProtocolError
from gateway.tse import tar
from gateway.verify.archive import verify_archive
from tests.fuzz.targets import scratch

_FILE = scratch() / "export.tar"


def run(data: bytes) -> None:
    """Read `data` as an archive."""
    with suppress(ProtocolError):
        for member in tar.members(data):
            assert member.data in data
    with suppress(ValueError):
        dict(tar.pax_records(data))
    _FILE.write_bytes(data)
    report = verify_archive(_FILE, complete=True, processes=1)
    assert report.counts.messages >= report.counts.valid + report.counts.invalid
