"""The image for runc in the machine, confined by podman's own hand exactly as compose/site.yaml says.

Podman prepares the container on this machine and writes the config.json that it would give to runc: user, seccomp
filter, device cgroup, masked paths and all. Only what lies in this machine's directories is left out of it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.deploy.compose_files import hardening, mounts, service

STATE = "/run/gateway-state"  # in the guest
_NAME = "tse-gateway-bundle"
_HERE = ("/var/lib/containers/", "/run/containers/")
_MOUNT_POINTS = ("dev", "proc", "sys", "run/udev", "run/secrets", "var/lib/tse-gateway")


def bundle(image: str) -> Path:
    """A squashfs with `config.json`, `rootfs` and `runc`; kept in the cache under the image's id and how it is run."""
    config = _config(image)
    identity = _podman("image", "inspect", "-f", "{{.Id}}", image).strip() + json.dumps(config)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tse-gateway-vm")
    made = cache / f"bundle-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.sqfs"
    if not made.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _fill(Path(work, "bundle"), image, config)
            _run("mksquashfs", f"{work}/bundle", f"{work}/made", "-quiet", "-no-progress", "-noI", "-noD", "-noF")
            Path(work, "made").rename(made)
    return made


def _fill(directory: Path, image: str, config: dict[str, Any]) -> None:
    root = directory / "rootfs"
    for name in _MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    container = _podman("create", "--network", "none", image).strip()
    try:
        _podman("export", "-o", str(directory / "rootfs.tar"), container)
    finally:
        _podman("rm", container)
    _run("tar", "-x", "-C", root, "-f", directory / "rootfs.tar")
    (directory / "rootfs.tar").unlink()
    shutil.copy(shutil.which("runc") or "", directory / "runc")
    (directory / "config.json").write_text(json.dumps(config))


def _config(image: str) -> dict[str, Any]:
    site = service("site.yaml")
    Path("/run/udev").mkdir(exist_ok=True)
    binds = [bind for bind in mounts(site) if ":/run/secrets:" not in bind]
    where = ("--network", site["network_mode"], "--volume", f"{_NAME}:/var/lib/tse-gateway")
    _podman("rm", "-f", "-i", "-v", _NAME)
    _podman("create", "--name", _NAME, *where, *hardening(site), *binds, image)
    try:
        _podman("init", _NAME)
        path = Path(_podman("inspect", "-f", "{{.OCIConfigPath}}", _NAME).strip())
        config: dict[str, Any] = json.loads(path.read_text())
    finally:
        _podman("rm", "-f", _NAME)
        _podman("volume", "rm", "-f", _NAME)
    return _moved(config)


def _moved(config: dict[str, Any]) -> dict[str, Any]:
    """Without the names of this machine and of this container."""
    state = next(mount for mount in config["mounts"] if mount["destination"] == "/var/lib/tse-gateway")
    state["source"] = STATE
    config["mounts"] = [mount for mount in config["mounts"] if not mount["source"].startswith(_HERE)]
    config["root"]["path"] = "rootfs"
    config["hostname"] = "gateway"
    config["process"]["env"] = [word for word in config["process"]["env"] if not word.startswith("HOSTNAME=")]
    config["linux"]["cgroupsPath"] = "/tse-gateway"
    config.pop("annotations", None)
    config.pop("hooks", None)
    return config


def _podman(*arguments: str) -> str:
    return _run("podman", *arguments)


def _run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
