# noqa: INP001 (a script that the Dockerfile runs)
"""What an image consists of: a CycloneDX bill of materials and a list of licences, written to a directory.

    python sbom.py DIRECTORY [python]

Run by the Python whose packages are meant. Debian's packages are told if there are any, unless only those of Python are
wished for. The same packages give the same files: no time, no random number.
"""

import json
import platform
import sys
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from gateway import __version__

_DPKG = Path("/var/lib/dpkg/status")
_NAMESPACE = uuid.UUID("7a1c6c0e-4c39-5d0b-9a63-3f2d3f0d7a11")
_UNTOLD = "see /usr/share/doc/*/copyright"


class Package(NamedTuple):
    """A part of the image."""

    kind: str
    name: str
    version: str
    licence: str
    purl: str


def main(directory: Path, *, debian: bool) -> None:
    """Write sbom.cdx.json and licences.txt."""
    packages = sorted({*_python(), *(_debian() if debian else ())})
    (directory / "sbom.cdx.json").write_text(json.dumps(_document(packages), indent=1) + "\n", encoding="utf-8")
    lines = [f"{package.name} {package.version}: {package.licence}\n" for package in packages]
    (directory / "licences.txt").write_text("".join(lines), encoding="utf-8")


def _python() -> Iterator[Package]:
    version = platform.python_version()
    yield Package("platform", "python", version, "PSF-2.0", f"pkg:generic/python@{version}")
    for found in distributions():
        name = found.metadata["Name"].lower().replace("_", "-")
        yield Package("library", name, found.version, _licence(found), f"pkg:pypi/{name}@{found.version}")


def _licence(found: Distribution) -> str:
    told = [*(found.metadata.get_all("License-Expression") or []), *(found.metadata.get_all("License") or [])]
    if told and len(told[0]) < 80:  # older packages put the whole text there
        return str(told[0])
    classified = found.metadata.get_all("Classifier") or []
    names = [line.rsplit(" :: ", 1)[-1] for line in classified if line.startswith("License :: ")]
    return " and ".join(names) or "not told"


def _debian() -> Iterator[Package]:
    if not _DPKG.exists():
        return
    for paragraph in _DPKG.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"] == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            purl = (
                f"pkg:deb/debian/{name}@{version.replace(':', '%3A').replace('+', '%2B')}?arch={fields['Architecture']}"
            )
            yield Package("library", name, version, _UNTOLD, purl)


def _document(packages: list[Package]) -> dict[str, object]:
    content = "\n".join(package.purl for package in packages)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "tse-gateway",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(package) for package in packages],
    }


def _component(package: Package) -> dict[str, object]:
    component: dict[str, object] = {
        "type": package.kind,
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    if package.licence == _UNTOLD:
        return component
    return component | {"licenses": [{"license": {"name": package.licence}}]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), debian=sys.argv[2:] != ["python"])
