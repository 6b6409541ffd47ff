from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.certificates import by_serial, chain_problems, key_of, load, serial_of
from tests.tse.samples import SAMPLES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1000)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Holder:
    """A name and a key that can issue certificates."""

    name: str
    key: Key

    def issue(
        self,
        subject: "Holder",
        *,
        ca: bool | None = True,
        days: int = 100,
        public: Key | None = None,
        extra: x509.ExtensionType | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject.name))
            .issuer_name(_name(self.name))
            .public_key((public or subject.key).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
        )
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if extra is not None:
            builder = builder.add_extension(extra, critical=False)
        return builder.sign(self.key, hashes.SHA384())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def holder(name: str) -> Holder:
    return Holder(name, ec.generate_private_key(ec.BrainpoolP384R1()))


ROOT, CA, TSE, OTHER = holder("Test Root"), holder("Test CA"), holder("TSE"), holder("Other")
root, ca, leaf = ROOT.issue(ROOT), ROOT.issue(CA), CA.issue(TSE, ca=False)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def test_a_file_is_told_apart_by_content() -> None:
    assert load(_pem(leaf, ca, root)) == [leaf, ca, root]
    assert load(b"leaf first\n" + _pem(leaf)) == [leaf]
    assert load(leaf.public_bytes(Encoding.DER)) == [leaf]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_told_so(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a certificate"):
        load(data)


def test_a_certificate_of_an_unknown_version_is_told_so() -> None:
    der = leaf.public_bytes(Encoding.DER)
    assert der.count(bytes.fromhex("a003020102")) == 1
    with pytest.raises(ProtocolError, match="not a certificate"):
        load(der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020109")))


@given(st.data())
def test_a_damaged_certificate_is_either_read_or_a_protocol_error(data: st.DataObject) -> None:
    der = bytearray(leaf.public_bytes(Encoding.DER))
    # Not the serial number: cryptography only warns of a negative one.
    at = data.draw(st.integers(0, len(der) - 1).filter(lambda at: not 12 < at < 36))
    der[at] = data.draw(st.integers(0, 255))
    try:
        (certificate,) = load(bytes(der))
        by_serial([certificate])
        chain_problems(certificate, [ca, root], NOW)
        chain_problems(leaf, [certificate, root], NOW)
    except ProtocolError:
        return


def test_certificates_are_found_by_the_hash_of_their_key() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    odd = ROOT.issue(TSE, public=rsa_key)
    found = by_serial([leaf, odd, ca])
    assert found == {serial_of(key_of(leaf)): leaf, serial_of(key_of(ca)): ca}
    with pytest.raises(ProtocolError, match="no elliptic-curve key"):
        key_of(odd)


def test_a_key_on_an_unknown_curve_is_told_so() -> None:
    der = leaf.public_bytes(Encoding.DER)
    brainpool, nobody = bytes.fromhex("06092b240303020801010b"), bytes.fromhex("06092b240303020801017b")
    assert brainpool in der
    (certificate,) = load(der.replace(brainpool, nobody))
    with pytest.raises(ProtocolError, match="cannot be read"):
        key_of(certificate)
    assert by_serial([certificate]) == {}


def told(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    at: datetime,
    anchors: Sequence[x509.Certificate] | None = None,
) -> list[str]:
    return [problem.in_language("en") for problem in chain_problems(leaf, others, at, anchors)]


def test_a_chain_that_holds_has_no_problems_in_any_order() -> None:
    assert told(leaf, [ca, root], NOW) == []
    assert told(leaf, [root, leaf, ca, ca], NOW) == []
    assert told(root, [], NOW) == []


def test_the_vendors_chain_holds_in_its_time_only() -> None:
    chain = load((SAMPLES / "usb_tse_testversion_chain_2020.pem").read_bytes())
    assert told(chain[0], chain[1:], datetime(2020, 8, 27, tzinfo=UTC)) == []
    assert len(told(chain[0], chain[1:], datetime(2022, 8, 27, tzinfo=UTC))) == 1


def test_a_missing_issuer_is_named() -> None:
    assert told(leaf, [root], NOW) == [f"the issuer of certificate {leaf.serial_number:x} is missing"]


def test_an_issuer_of_the_right_name_with_another_key_is_missing() -> None:
    impostor = ROOT.issue(Holder(CA.name, OTHER.key))
    assert told(leaf, [impostor, root], NOW) == [f"the issuer of certificate {leaf.serial_number:x} is missing"]


def test_every_certificate_out_of_its_time_is_named() -> None:
    problems = told(leaf, [ca, root], LATER)
    assert [problem.split()[1] for problem in problems] == [f"{item.serial_number:x}" for item in (leaf, ca, root)]
    assert all("was not valid at 2028-09-27" in problem for problem in problems)


def test_a_renewed_issuer_is_taken_instead_of_the_expired_one() -> None:
    long_leaf, new_ca, new_root = (
        CA.issue(TSE, ca=False, days=2000),
        ROOT.issue(CA, days=2000),
        ROOT.issue(ROOT, days=2000),
    )
    assert told(long_leaf, [new_ca, ca, new_root, root], LATER) == []
    assert told(long_leaf, [ca, new_ca, root, new_root], LATER) == []


def test_a_circle_ends() -> None:
    first, second = ROOT.issue(CA), CA.issue(ROOT)
    assert told(leaf, [first, second], NOW) == ["the chain of certificates goes in a circle"]


def test_a_tse_may_not_issue_certificates_for_another() -> None:
    forged = TSE.issue(OTHER, ca=False)
    problem = f"certificate {leaf.serial_number:x} may not issue certificates"
    assert told(forged, [leaf, ca, root], NOW) == [problem]


def test_only_a_root_may_come_without_basic_constraints() -> None:
    assert told(leaf, [ca, ROOT.issue(ROOT, ca=None)], NOW) == []
    silent = ROOT.issue(CA, ca=None)
    assert told(leaf, [silent, root], NOW) == [f"certificate {silent.serial_number:x} may not issue certificates"]


def test_extensions_that_cannot_be_read_allow_nothing() -> None:
    garbled = x509.UnrecognizedExtension(x509.OID_SUBJECT_ALTERNATIVE_NAME, b"\xff")
    issuer = ROOT.issue(CA, extra=garbled)
    assert told(leaf, [issuer, root], NOW) == [f"certificate {issuer.serial_number:x} may not issue certificates"]


def test_of_two_roots_that_hold_the_trusted_one_is_taken() -> None:
    trusted = ROOT.issue(ROOT)
    assert told(leaf, [ca, root], NOW, [trusted]) == []


def test_a_certificate_is_valid_from_its_first_to_its_last_second() -> None:
    second = timedelta(seconds=1)
    for at in (root.not_valid_before_utc, root.not_valid_after_utc):
        assert told(root, [], at) == []
    for at in (root.not_valid_before_utc - second, root.not_valid_after_utc + second):
        assert told(root, [], at) == [f"certificate {root.serial_number:x} was not valid at {at.isoformat()}"]
