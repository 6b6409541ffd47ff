"""A built release into a registry, and its signatures by cosign."""

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path


class Publication:
    """What `build` left in a directory, on its way to the registry that was told then."""

    def __init__(self, directory: Path, key: Path | None, *, insecure: bool) -> None:
        self._directory = directory
        self._options = ["--dest-tls-verify=false"] if insecure else []
        self._signer = ["--yes", *(["--key", str(key), "--tlog-upload=false"] if key else [])]

    def everything(self) -> None:
        """Check what is there; push, sign and describe image and chart; sign the list of files."""
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=self._directory, check=True)
        for what in ("image", "chart"):
            name = (self._directory / f"{what}.txt").read_text(encoding="utf-8").strip()
            (archive,) = self._directory.glob(f"*-{what}.tar")
            with tempfile.TemporaryDirectory() as layout, tarfile.open(archive) as packed:
                packed.extractall(layout, filter="data")
                self._publish(Path(layout), name)
        self._cosign("sign-blob", "--bundle", f"{self._directory}/SHA256SUMS.bundle", f"{self._directory}/SHA256SUMS")

    def _publish(self, layout: Path, name: str) -> None:
        (top,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        repository, digest = name.split("@")
        if top["digest"] != digest:
            raise SystemExit(f"release: {repository} is {top['digest']}, not {digest}")
        tag = top["annotations"]["org.opencontainers.image.ref.name"]
        command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", *self._options]
        subprocess.run([*command, f"oci:{layout}:{tag}", f"docker://{repository}:{tag}"], check=True)
        # Engines check the signature of the image that they run, not only that of the index.
        self._cosign("sign", "--recursive", name)
        provenance = json.loads((self._directory / "provenance.json").read_bytes())["predicate"]
        (layout / "provenance").write_text(json.dumps(provenance), encoding="utf-8")
        self._cosign("attest", "--type", "slsaprovenance1", "--predicate", f"{layout}/provenance", name)
        content = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
        for entry in content.get("manifests", []):
            parts = f"{self._directory}/tse-gateway-{tag}-{entry['platform']['architecture']}.cdx.json"
            self._cosign("attest", "--type", "cyclonedx", "--predicate", parts, f"{repository}@{entry['digest']}")
        print(f"{repository}:{tag}@{digest}")

    def _cosign(self, command: str, *arguments: str) -> None:
        subprocess.run(["cosign", command, *self._signer, *arguments], check=True)
