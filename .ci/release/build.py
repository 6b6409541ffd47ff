"""All files of a release, from the last commit: what is not committed is not in it."""

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oci import Descriptor, Layout, add_image, canonical, write_chart

ROOT = Path(__file__).parents[2]
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
SUITES = {"bookworm": "3.11", "trixie": "3.13"}  # Debian and its Python; the image has that of the newer one
_SBOM = "opt/tse-gateway/share/sbom.cdx.json"
_NOT_FOR_ADMINISTRATORS = ("tests", ".github")


class Build:
    """One build; each method writes its part into the directory."""

    def __init__(
        self, directory: Path, registry: str, base: str | None, architectures: list[str], suites: list[str]
    ) -> None:
        self._out = directory.resolve()
        self._registry = registry
        self._base = base
        self._architectures = architectures
        self._suites = suites
        self._commit = _said("git", "-C", ROOT, "rev-parse", "HEAD")
        self._epoch = int(_said("git", "-C", ROOT, "log", "-1", "--format=%ct"))
        self._environment = os.environ | {"SOURCE_DATE_EPOCH": str(self._epoch)}

    def everything(self) -> None:
        """Build in a folder of its own; the directory must be empty."""
        if self._out.exists() and any(self._out.iterdir()):
            raise SystemExit(f"release: {self._out} is not empty")
        self._out.mkdir(parents=True, exist_ok=True)
        with self._sources() as work:
            self._work, self._source = work, work / "source"
            self._version = _said(sys.executable, "-Bc", "import gateway; print(gateway.__version__)", cwd=self._source)
            self._python_packages()
            self._wheels()
            self._debian_packages()
            self._image()
            self._chart()
            self._files_for_administrators()
        self._provenance()
        sums = [f"{_sha256(path)}  {path.name}\n" for path in sorted(self._out.iterdir())]
        (self._out / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        print("".join(sums), end="")

    @contextmanager
    def _sources(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="tse-release.", dir="/var/tmp") as work:
            sources = Path(work, "source")
            sources.mkdir()
            self._run("git", "-C", ROOT, "archive", "-o", f"{work}/source.tar", "HEAD")
            self._run("tar", "-C", sources, "-xf", f"{work}/source.tar")
            yield Path(work)

    def _python_packages(self) -> None:
        self._tell("wheel and sdist")
        tools = self._work / "tools"
        self._run(sys.executable, "-m", "venv", tools)
        self._run(tools / "bin/pip", "install", "-q", "--require-hashes", "-r", ".ci/requirements-release.txt")
        self._run(tools / "bin/hatchling", "build", "-d", self._out)

    def _wheels(self) -> None:
        """Fetch and check once what the builds below install, so that they need no index."""
        self._tell("packages")
        tags = ("manylinux_2_17", "manylinux2014", "manylinux_2_28", "manylinux_2_34")
        for version in SUITES.values():
            for machine in (ARCHITECTURES[arch] for arch in self._architectures):
                platforms = [part for tag in tags for part in ("--platform", f"{tag}_{machine}")]
                self._run(
                    *(self._work / "tools/bin/pip", "download", "-q", "-d", self._work / "wheels", "--require-hashes"),
                    *("--only-binary=:all:", "--implementation", "cp", "--python-version", version, *platforms),
                    *("-r", ".ci/requirements.txt"),
                )

    def _debian_packages(self) -> None:
        """Build each in a fresh Debian, which is gone afterwards."""
        for suite in self._suites:
            for arch in self._architectures:
                self._tell(f"Debian package: {suite}, {arch}")
                settings = f"PIP_NO_INDEX=1 PIP_FIND_LINKS=/build/wheels SOURCE_DATE_EPOCH={self._epoch}"
                build = "/build/source/.ci/build-deb /build/out >/build/said 2>&1 || { cat /build/said >&2; exit 1; }"
                self._run(
                    *("mmdebstrap", "--quiet", "--variant=minbase", f"--architectures={arch}"),
                    *("--include=debhelper,python3-venv", suite, "/dev/null"),
                    '--customize-hook=mkdir "$1/build"',
                    f"--customize-hook=copy-in '{self._source}' '{self._work}/wheels' /build",
                    f"--customize-hook=chroot \"$1\" sh -c 'export {settings}; {build}'",
                    f"--customize-hook=sync-out /build/out '{self._out}'",
                )

    def _image(self) -> None:
        """Archive a layout of all architectures, and write the bill of materials of each."""
        (self._work / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
        layout = Layout(self._work / "image")
        manifests = [self._image_for(arch, layout) for arch in self._architectures]
        digest = layout.finish(layout.add_index(manifests), self._version)
        self._archive(self._work / "image", "image")
        self._image_name = f"{self._registry}/tse-gateway@{digest}"
        (self._out / "image.txt").write_text(self._image_name + "\n", encoding="utf-8")

    def _image_for(self, arch: str, layout: Layout) -> Descriptor:
        self._tell(f"image: {arch}")
        folder, name = self._work / f"image-{arch}", f"localhost/tse-gateway-release:{self._commit[:12]}-{arch}"
        base = ["--build-arg", f"BASE={self._base.replace('ARCH', arch)}"] if self._base else []
        versions = ["--build-arg", f"VERSION={self._version}", "--build-arg", f"REVISION={self._commit}"]
        mounts = ["-v", f"{self._work}/wheels:/wheels:ro", "-v", f"{self._work}/pip.conf:/etc/pip.conf:ro"]
        self._run(
            *("buildah", "build", "-q", "--format", "docker", "--isolation", "chroot", "--platform", f"linux/{arch}"),
            *("--timestamp", str(self._epoch), *base, *versions, *mounts, "-t", name, "."),
        )
        self._run("buildah", "push", "-q", "--disable-compression=false", name, f"dir:{folder}")
        self._run("buildah", "rmi", name)
        for blob in json.loads((folder / "manifest.json").read_bytes())["layers"][::-1]:
            with tarfile.open(folder / blob["digest"].removeprefix("sha256:")) as files:
                if _SBOM in files.getnames() and (found := files.extractfile(_SBOM)):
                    (self._out / f"tse-gateway-{self._version}-{arch}.cdx.json").write_bytes(found.read())
                    break
        return add_image(layout, folder, arch)

    def _chart(self) -> None:
        """Pack it with the image by digest as its default, for Helm and as a layout."""
        self._tell("chart")
        chart = self._source / "helm/tse-gateway"
        name, digest = self._image_name.split("@")
        values = (chart / "values.yaml").read_text(encoding="utf-8")
        filled = values.replace("repository: tse-gateway", f"repository: {name}").replace(
            'digest: ""', f"digest: {digest}", 1
        )
        (chart / "values.yaml").write_text(filled, encoding="utf-8")
        package = self._out / f"tse-gateway-{self._version}.tgz"
        self._pack(chart.parent, chart.name, package, leave_out=("tse-gateway/examples",))
        to_json = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
        with (chart / "Chart.yaml").open("rb") as file:
            described = json.loads(_said(self._work / "tools/bin/python", "-c", to_json, stdin=file))
        digest = write_chart(self._work / "chart", package, described)
        self._archive(self._work / "chart", "chart")
        self._chart_name = f"{self._registry}/charts/tse-gateway@{digest}"
        (self._out / "chart.txt").write_text(self._chart_name + "\n", encoding="utf-8")

    def _files_for_administrators(self) -> None:
        """Pack what the guides name, with the image by digest, so that no engine need build it."""
        self._tell("files for administrators")
        folder = f"tse-gateway-{self._version}"
        self._source.rename(self._work / folder)
        for path in (path for part in ("compose", "helm") for path in (self._work / folder / part).rglob("*")):
            if path.suffix in {".yaml", ".container", ".example"}:
                text = path.read_text(encoding="utf-8")
                path.write_text(filled(text, self._version, self._image_name, self._registry), encoding="utf-8")
        leave_out = tuple(f"{folder}/{name}" for name in _NOT_FOR_ADMINISTRATORS)
        self._pack(self._work, folder, self._out / f"{folder}-install.tar.gz", leave_out)

    def _provenance(self) -> None:
        """State what was made from what, as in-toto wants it. The workflow signs one of its own beside it."""
        subjects = [{"name": path.name, "digest": {"sha256": _sha256(path)}} for path in sorted(self._out.iterdir())]
        pushed = [name.split("@sha256:") for name in (self._image_name, self._chart_name)]
        subjects += [{"name": name, "digest": {"sha256": digest}} for name, digest in pushed]
        wishes = {
            "version": self._version,
            "registry": self._registry,
            "base": self._base,
            "architectures": self._architectures,
            "suites": self._suites,
        }
        base = self._base or _said("sed", "-n", r"s/^FROM \(.*@.*\) AS .*/\1/p", ROOT / "Dockerfile")
        definition = {
            "buildType": "urn:tse-gateway:release",
            "externalParameters": {"command": "python3 .ci/release build", **wishes},
            "internalParameters": {"SOURCE_DATE_EPOCH": self._epoch},
            "resolvedDependencies": [{"name": "sources", "digest": {"gitCommit": self._commit}}, {"name": base}],
        }
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": definition,
                "runDetails": {"builder": {"id": os.environ.get("GITHUB_WORKFLOW_REF", "local")}},
            },
        }
        (self._out / "provenance.json").write_bytes(canonical(statement) + b"\n")

    def _archive(self, layout: Path, what: str) -> None:
        self._pack(layout, ".", self._out / f"tse-gateway-{self._version}-{what}.tar")

    def _pack(self, parent: Path, name: str, target: Path, leave_out: tuple[str, ...] = ()) -> None:
        """Pack in the order of names, with the time of the commit and no owner."""
        packed = self._work / "packed.tar"
        self._run(
            *(
                "tar",
                "-C",
                parent,
                "-cf",
                packed,
                "--sort=name",
                "--format=gnu",
                f"--mtime=@{self._epoch}",
                "--mode=go=rX,u+rw",
            ),
            *("--owner=0", "--group=0", "--numeric-owner", *(f"--exclude={path}" for path in leave_out), name),
        )
        content = packed.read_bytes()
        target.write_bytes(content if target.suffix == ".tar" else gzip.compress(content, mtime=0))

    def _run(self, *command: str | Path) -> None:
        here = self._source if hasattr(self, "_source") and self._source.exists() else ROOT
        subprocess.run(command, cwd=here, env=self._environment, check=True, stdout=sys.stderr)

    def _tell(self, what: str) -> None:
        print(f"== {what}", file=sys.stderr, flush=True)


def filled(text: str, version: str, image: str, registry: str) -> str:
    """Name the image by digest, and the registry; what tells an engine to build the image goes away."""
    text = re.sub(rf"(?:localhost/|registry\.example/)?tse-gateway:{re.escape(version)}\b", image, text)
    text = re.sub(r"\n +build:\n +context: \.\.\n", "\n", text)
    return text.replace("registry.example", registry)


def _said(*command: str | Path, cwd: Path | None = None, stdin: object = None) -> str:
    done = subprocess.run(command, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, text=True, check=True)  # type: ignore[call-overload]
    return str(done.stdout).strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
