"""OCI layouts, written so that the same content has the same digest: images and charts."""

import hashlib
import json
from pathlib import Path
from typing import Any

Descriptor = dict[str, Any]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Layout:
    """A folder of blobs, each named by its digest, and what it is the layout of."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self._directory = directory

    def add(self, content: bytes, media_type: str, **more: object) -> Descriptor:
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    def add_manifest(self, config: Descriptor, layers: list[Descriptor], **more: object) -> Descriptor:
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
        return self.add(canonical(document), MANIFEST)

    def add_index(self, manifests: list[Descriptor]) -> Descriptor:
        return self.add(canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}), INDEX)

    def finish(self, top: Descriptor, tag: str) -> str:
        """Name what it is the layout of; its digest."""
        named = top | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        (self._directory / "index.json").write_bytes(canonical({"schemaVersion": 2, "manifests": [named]}))
        return str(top["digest"])


def canonical(document: object) -> bytes:
    """Write JSON in the one way that gives it one digest."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def add_image(layout: Layout, folder: Path, arch: str) -> Descriptor:
    """Take what buildah wrote as `dir:` in Docker's format, whose configuration knows HEALTHCHECK.

    Its id and host name of the container that built it are left out: they are others each time.
    """

    def blob(part: Descriptor) -> bytes:
        return (folder / part["digest"].removeprefix("sha256:")).read_bytes()

    manifest = json.loads((folder / "manifest.json").read_bytes())
    told = json.loads(blob(manifest["config"]))
    config = {key: told[key] for key in ("architecture", "created", "history", "os", "rootfs")}
    config["config"] = {key: value for key, value in told["config"].items() if key != "Hostname"}
    layers = [layout.add(blob(part), _LAYER) for part in manifest["layers"]]
    platform = {"architecture": arch, "os": "linux"}
    return layout.add_manifest(layout.add(canonical(config), _CONFIG), layers) | {"platform": platform}


def write_chart(directory: Path, package: Path, chart: dict[str, Any]) -> str:
    """Write the layout of a packaged chart, as `helm push` makes it but for the time; its digest."""
    layout = Layout(directory)
    config = layout.add(canonical(chart), "application/vnd.cncf.helm.config.v1+json")
    layer = layout.add(package.read_bytes(), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    annotations = {
        "org.opencontainers.image.title": chart["name"],
        "org.opencontainers.image.version": chart["version"],
        "org.opencontainers.image.description": chart["description"],
        "org.opencontainers.image.url": chart["home"],
        "org.opencontainers.image.source": chart["sources"][0],
        **chart["annotations"],
    }
    return layout.finish(layout.add_manifest(config, [layer], annotations=annotations), chart["version"])
