"""python -m tests.deploy.release: a release built twice, published to a registry of this machine, verified and used.

As root; apt install mmdebstrap buildah podman runc docker-registry, and for the other architecture qemu-user-static and
binfmt-support. Only what is committed is built. Base image and Debian are those of `tests/deploy/base-image` and
`tests.deploy.guide`. Signatures are made with a key and verified by cosign and skopeo of Debian 13; how the workflow
signs without a key cannot be shown here.
"""

import argparse
import filecmp
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway import __version__
from tests.deploy.guide import ROOT, fresh_debian
from tests.deploy.terminal import Terminal
from tests.monitoring.prometheus import free_port

_SUITE = "trixie"
_CONF = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_POLICY = "--policy ~/policy.json --registries.d ~/registries.d"


def main() -> None:
    """Build, publish, verify, refuse, use."""
    asked = argparse.ArgumentParser(prog="python -m tests.deploy.release", description="a release, tried")
    asked.add_argument("--architectures", nargs="+", default=["amd64"], help="amd64, arm64 (default amd64)")
    asked.add_argument("--suites", nargs="*", default=[_SUITE], help="of the Debian packages (default trixie)")
    given = asked.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tse-release-proof.", dir="/var/tmp") as place:
        work = Path(place)
        _environment(work)
        bases = {arch: _said("tests/deploy/base-image", _SUITE, arch) for arch in given.architectures}
        with registry(work) as address:
            one, again = (build(work / name, address, given) for name in ("one", "again"))
            compare(one, again)
            with fresh_debian(_SUITE) as (root, shell):
                publish(root, shell, one)
                verify(shell, address)
                check_contents(root / "home/admin/release", work)
                refuse(shell, address)
            use(one, bases)
    print(f"\nthe release is reproducible, signed and works: {time.monotonic() - began:.0f} s")


@contextmanager
def registry(work: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port of this machine."""
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(work / "registry")}},
        "http": {"addr": address},
    }
    (work / "registry.yaml").write_text(json.dumps(settings))
    with (work / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", work / "registry.yaml"], stdout=log, stderr=log)
    try:
        yield address
    finally:
        process.kill()
        process.wait()


def build(directory: Path, address: str, given: argparse.Namespace) -> Path:
    """One build of all; `directory`."""
    began = time.monotonic()
    base = f"localhost/debian-python:{_SUITE}-ARCH"
    command = [sys.executable, ".ci/release", "build", str(directory), "--registry", f"{address}/shop", "--base", base]
    wishes = ["--architectures", *given.architectures, "--suites", *given.suites]
    subprocess.run([*command, *wishes], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    _tell(f"build {directory.name}", f"{time.monotonic() - began:.0f} s")
    return directory


def compare(one: Path, again: Path) -> None:
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    _, differ, errors = filecmp.cmpfiles(one, again, names, shallow=False)
    assert (differ, errors) == ([], []), f"the second build differs: {differ}"
    for name in names:
        _tell(f"  the same twice: {name}", f"{(one / name).stat().st_size / 1e6:.1f} MB")


def publish(root: Path, shell: Terminal, release: Path) -> None:
    """From Debian 13, by the same program as the workflow."""
    shutil.copytree(release, root / "home/admin/release")
    shell.run("sudo chown -R admin: release")
    shell.run("sudo apt-get install -y -qq --no-install-recommends skopeo cosign python3 >/dev/null")
    shell.run("export COSIGN_PASSWORD= LANG=C.UTF-8 && cosign generate-key-pair")
    shell.run("python3 tse-gateway/.ci/release publish release --key cosign.key --insecure")


def verify(shell: Terminal, address: str) -> None:
    """As a person who has the public key: files, image, chart; by cosign, and by the library of Podman and CRI-O."""
    keyed = "--key ~/cosign.pub --insecure-ignore-tlog"
    shell.run("cd ~/release && sha256sum --quiet -c SHA256SUMS")
    shell.run(f"cosign verify-blob {keyed} --bundle SHA256SUMS.bundle SHA256SUMS")
    for what in ("image", "chart"):
        shell.run(f"cosign verify {keyed} $(cat {what}.txt) >/dev/null")
        shell.run(f"cosign verify-attestation {keyed} --type slsaprovenance1 $(cat {what}.txt) >/dev/null")
    accepted = [
        {"type": "sigstoreSigned", "keyPath": "/home/admin/cosign.pub", "signedIdentity": {"type": "matchRepository"}}
    ]
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {address: accepted}}}
    shell.run(f"echo '{json.dumps(policy)}' >~/policy.json && mkdir ~/registries.d")
    shell.run(
        f"echo '{json.dumps({'docker': {address: {'use-sigstore-attachments': True}}})}' >~/registries.d/here.yaml"
    )
    for what in ("image", "chart"):
        shell.run(f"skopeo {_POLICY} copy -q --src-tls-verify=false docker://$(cat {what}.txt) dir:$HOME/pulled-{what}")
    for entry in _manifest(address, __version__)["manifests"]:
        told = f"cosign verify-attestation {keyed} --type cyclonedx {address}/shop/tse-gateway@{entry['digest']}"
        parts = "tse-gateway-*-" + entry["platform"]["architecture"] + ".cdx.json"
        read = 'import base64, json, sys; print(base64.b64decode(json.load(sys.stdin)["payload"]).decode())'
        shell.run(f"{told} | python3 -c '{read}' >~/told")
        same = 'import json, sys; a, b = (json.load(open(name)) for name in sys.argv[1:]); assert a["predicate"] == b'
        shell.run(f"python3 -c '{same}' ~/told {parts}")
    _tell("signatures", "verified by cosign and skopeo: SHA256SUMS, image, chart, bills of materials, provenance")


def check_contents(release: Path, work: Path) -> None:
    """Bills of materials, provenance, wheel, chart and the files for administrators say and do what they should."""
    image, chart = ((release / f"{what}.txt").read_text().strip() for what in ("image", "chart"))
    statement = json.loads((release / "provenance.json").read_bytes())
    commit = statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]
    assert commit == _said("git", "rev-parse", "HEAD")
    stated = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert {stated[name.split("@")[0]] for name in (image, chart)} == {
        name.rpartition(":")[2] for name in (image, chart)
    }
    listed = dict(line.split()[::-1] for line in (release / "SHA256SUMS").read_text().splitlines())
    assert {name: listed[name] for name in stated if name in listed} == {
        name: digest for name, digest in stated.items() if ":" not in name
    }

    with zipfile.ZipFile(next(release.glob("*.whl"))) as wheel:
        wheel.extractall(work / "wheel")
    said = _said(sys.executable, "-P", "-m", "gateway", "version", env=os.environ | {"PYTHONPATH": str(work / "wheel")})
    assert __version__ in said, said

    manifest = json.loads((release.parent / "pulled-image/manifest.json").read_bytes())
    config = (release.parent / "pulled-image" / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes()
    assert json.loads(config)["config"]["Healthcheck"]["Test"] == ["CMD", "tse-gateway", "healthcheck"]

    (pulled,) = [path for path in (release.parent / "pulled-chart").iterdir() if _is_gzip(path)]
    assert filecmp.cmp(pulled, release / f"tse-gateway-{__version__}.tgz", shallow=False)
    shutil.unpack_archive(release / f"tse-gateway-{__version__}-install.tar.gz", work, filter="data")
    files = work / f"tse-gateway-{__version__}"
    for name in ("compose/hardened.yaml", "compose/quadlet/tse-gateway.container", "compose/fleet/inventory.yaml"):
        assert image in (files / name).read_text(), name
    assert "build:" not in (files / "compose/hardened.yaml").read_text()
    _tell("contents", "provenance, wheel, chart and files for administrators name this commit and this image")
    _check_by_helm(chart, image, work)


def _check_by_helm(chart: str, image: str, work: Path) -> None:
    """Helm itself pulls the chart by its digest; what it renders runs the image by digest."""
    try:
        import helm_python
    except ImportError:
        _tell("helm", "not asked: pip install -r .ci/requirements-chart.txt")
        return
    (work / "helm").mkdir()
    helm_python.pull(f"oci://{chart}", destination=str(work / "helm"), plain_http=True)
    (package,) = (work / "helm").iterdir()
    with helm_python.Chart.load(str(package)) as loaded:
        texts: dict[str, str] = loaded.render({"mode": "simulator"}, name="shop", namespace="tse")
    assert any(f"image: {image}" in text.replace('"', "") for text in texts.values())
    _tell("helm", "pulls the chart by its digest, and renders the image by digest")


def refuse(shell: Terminal, address: str) -> None:
    """What was changed on the way: another image under the signed tag, also with a signature, files, their list."""
    name = f"{address}/shop/tse-gateway"
    pull = f"skopeo {_POLICY} copy -q --src-tls-verify=false docker://{name}:{__version__} dir:$HOME/refused 2>&1"
    index = _manifest(address, __version__)
    for entry in index["manifests"]:
        signature = _manifest(address, f"{entry['digest'].replace(':', '-')}.sig")
        changed = _manifest(address, entry["digest"]) | {"annotations": {"changed": "on the way"}}
        entry["digest"], entry["size"] = _put_manifest(address, changed)
    _put_manifest(address, index, tag=__version__)
    assert "no signature exists" in shell.run(f"! {pull}")
    _put_manifest(address, signature, tag=f"{entry['digest'].replace(':', '-')}.sig")
    shell.run(f"! {pull}")
    for reference in (f":{__version__}", f"@{entry['digest']}"):
        shell.run(f"! cosign verify --key ~/cosign.pub --insecure-ignore-tlog {name}{reference} >/dev/null")
    _tell("another image under the tag", "refused, also with the signature of the true one")
    shell.run("echo >>image.txt && ! sha256sum --quiet -c SHA256SUMS")
    shell.run("sed -i '$d' image.txt && sha256sum --quiet -c SHA256SUMS")
    shell.run("sha256sum *.tar *.tgz *.whl *.gz >changed")
    shell.run("! cosign verify-blob --key ~/cosign.pub --insecure-ignore-tlog --bundle SHA256SUMS.bundle changed")
    _tell("changed files, another list of files", "refused")


def use(release: Path, bases: dict[str, str]) -> None:
    """Pull each architecture by digest and start it; that of this machine also sells."""
    image = (release / "image.txt").read_text().strip()
    here = _said("dpkg", "--print-architecture")
    for arch, base in bases.items():
        _said("podman", "pull", "-q", "--tls-verify=false", "--arch", arch, image)
        said = _said("podman", "run", "--rm", "--network=none", "--arch", arch, image, "version")
        assert __version__ in said, said
        told = _said(
            "podman", "run", "--rm", "--network=none", "--entrypoint=cat", image, "/opt/tse-gateway/share/sbom.cdx.json"
        )
        assert told == (release / f"tse-gateway-{__version__}-{arch}.cdx.json").read_text().strip()
        _tell(f"image for {arch}", f"starts; its bill of materials has {len(json.loads(told)['components'])} parts")
        if arch == here:
            subprocess.run(
                [sys.executable, "-m", "tests.deploy.container", image, base, "--receipts", "50"], check=True
            )
        _said("podman", "rmi", "-f", image)


def _manifest(address: str, tag: str) -> dict[str, Any]:
    kinds = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
    asked = urllib.request.Request(f"http://{address}/v2/shop/tse-gateway/manifests/{tag}", headers={"Accept": kinds})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def _put_manifest(address: str, manifest: dict[str, Any], tag: str = "") -> tuple[str, int]:
    """Under a tag or under its digest; digest and size."""
    content = json.dumps(manifest).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    asked = urllib.request.Request(
        f"http://{address}/v2/shop/tse-gateway/manifests/{tag or digest}",
        data=content,
        headers={"Content-Type": manifest["mediaType"]},
        method="PUT",
    )
    urllib.request.urlopen(asked, timeout=30).close()
    return digest, len(content)


def _environment(work: Path) -> None:
    """What Podman needs without systemd, as in tests/deploy/run-image."""
    (work / "containers.conf").write_text(_CONF)
    os.environ.update(CONTAINERS_CONF=str(work / "containers.conf"), STORAGE_DRIVER="overlay")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _said(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _tell(what: str, value: str) -> None:
    print(f"{what:60} {value}", flush=True)


if __name__ == "__main__":
    main()
