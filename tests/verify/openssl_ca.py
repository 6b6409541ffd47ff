"""A root, a CA below it, certificates and revocation lists, all made by openssl."""

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.verify.exports import NOW, Authority, Tse

DAY = 86_400
_CONFIG = """
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
certificate = {name}.pem
private_key = {name}.key
default_md = sha384
policy = names
unique_subject = no
[names]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
{points}
[device]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
{points}
[req]
distinguished_name = names
[only_users]
issuingDistributionPoint = critical, onlyuser:TRUE
[some_reasons]
issuingDistributionPoint = critical, onlysomereasons:keyCompromise
[delta]
2.5.29.27 = critical, DER:02:01:01
"""


@dataclass(frozen=True)
class OpensslCa:
    """An authority in a directory of its own."""

    place: Path
    name: str

    @classmethod
    def create(cls, place: Path, name: str, issuer: "OpensslCa | None" = None, *, address: str = "") -> "OpensslCa":
        """Make one; `address`: where the certificates that it issues say that its list is."""
        place.mkdir(parents=True)
        points = f"crlDistributionPoints = URI:{address}" if address else ""
        (place / "config").write_text(_CONFIG.format(name=name, points=points))
        (place / "index").touch()
        (place / "serial").write_text("A0\n" if issuer else "10\n")
        made = cls(place, name)
        made._openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", f"{name}.key")
        made._openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", "request")
        (issuer or made).issue(place / "request", made.certificate_file, "authority", self_signed=issuer is None)
        return made

    @property
    def certificate_file(self) -> Path:
        return self.place / f"{self.name}.pem"

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def issue(self, request: Path, to: Path, kind: str, *, self_signed: bool = False) -> None:
        """Issue a certificate that is valid from a day before `NOW` for some years."""
        dates = ["-startdate", _time(NOW - DAY), "-enddate", _time(NOW + 2000 * DAY)]
        how = ["-selfsign"] if self_signed else []
        call = ["ca", "-batch", "-notext", "-config", "config", "-extensions", kind, *how, *dates]
        self._openssl(*call, "-in", str(request), "-out", str(to))

    def revoke(self, certificate: x509.Certificate, at: int, invalid_from: int | None = None) -> None:
        """Write a revocation into the database of openssl, at any time; `invalid_from` becomes the invalidityDate."""
        lines = []
        for line in (self.place / "index").read_text().splitlines():
            fields = line.split("\t")
            if int(fields[3], 16) == certificate.serial_number:
                since = f",keyTime,{_time(invalid_from)}" if invalid_from is not None else ""
                fields[0], fields[2] = "R", f"{_time(at)[2:]}{since}"
            lines.append("\t".join(fields))
        (self.place / "index").write_text("".join(f"{line}\n" for line in lines))

    def revocation_list(self, to: Path, *, made: int, days: float = 30, obtained: int, kind: str = "") -> Path:
        """Make a list; `obtained` becomes the time of its file."""
        dates = ["-crl_lastupdate", _time(made), "-crl_nextupdate", _time(made + int(days * DAY))]
        scope = ["-crlexts", kind] if kind else []
        self._openssl("ca", "-gencrl", "-config", "config", *dates, *scope, "-out", str(to))
        os.utime(to, (obtained, obtained))
        return to

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def tse_of(root: OpensslCa, ca: OpensslCa) -> Tse:
    """A TSE whose certificate openssl issued."""
    tse = Tse(issuer=Authority.create())
    place = ca.place
    pem = tse.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "tse.key").write_bytes(pem)
    ca._openssl("req", "-new", "-key", "tse.key", "-subj", "/CN=tse", "-out", "tse.request")
    ca.issue(place / "tse.request", place / "tse.pem", "device")
    tse.leaf = x509.load_pem_x509_certificate((place / "tse.pem").read_bytes())
    tse.chain = (tse.leaf, ca.certificate, root.certificate)
    return tse


def _time(unix_time: int) -> str:
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y%m%d%H%M%SZ")
