"""What the host tells of itself, for the support bundle: system, USB, disks, logs. Everything is only read."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from gateway import __version__
from gateway.driver.usb.block_devices import Roots

_PATIENCE = 20.0  # seconds
_MOST_LINES = 3000
_OF_HARDWARE = ("usb", "scsi", " sd", "mmc", "fat", "vhci", "i/o error", "uas", "xhci")
_USB_FILES = (
    *("idVendor", "idProduct", "manufacturer", "product", "serial", "speed", "version", "bMaxPower"),
    *("power/control", "power/runtime_status", "power/autosuspend_delay_ms"),
)
_DISK_FILES = ("size", "ro", "removable", "dev", "device/vendor", "device/model", "queue/logical_block_size")
_PACKAGES = ("aiohttp", "cryptography", "pydantic", "pyudev", "prometheus-client")


def versions() -> dict[str, object]:
    """Return the versions of the gateway, its packages and the system."""
    return {
        "tse_gateway": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": _os_name(),
        "container": any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
        or "KUBERNETES_SERVICE_HOST" in os.environ,
        "user": os.geteuid(),
    }


def usb(roots: Roots) -> str:
    """Return each USB device with its attributes, among them power saving."""
    return "\n".join(_attributes(roots.sys / "bus/usb/devices", _USB_FILES)) or "no USB devices are visible"


def disks(roots: Roots) -> str:
    """Return disks and mounted volumes."""
    listed = "\n".join(_attributes(roots.sys / "block", _DISK_FILES))
    return f"{listed}\n\n{roots.mounts}:\n{_text(roots.mounts)}"


def directory(path: Path) -> str:
    """Return names, sizes, modes and owners of all files below a directory, without contents."""
    found = []
    with suppress(OSError):
        for file in sorted(path.rglob("*")):
            state = file.lstat()
            found.append(
                f"{state.st_mode:o} {state.st_uid}:{state.st_gid} {state.st_size:>12} {file.relative_to(path)}"
            )
    return "\n".join(found) or f"{path} cannot be listed"


def kernel_log() -> str:
    """Return the lines of dmesg about USB and disks."""
    lines = _output("dmesg").splitlines()
    return "\n".join([line for line in lines if any(word in line.lower() for word in _OF_HARDWARE)][-_MOST_LINES:])


def gateway_log(file: Path | None) -> str:
    """Return the end of the gateway's log, from `file` or else from the journal."""
    if file is not None:
        return "\n".join(_text(file).splitlines()[-_MOST_LINES:])
    return _output(
        "journalctl", "--unit", "tse-gateway", "--no-pager", "--lines", str(_MOST_LINES), "--output", "short-iso"
    )


def _output(program: str, *arguments: str) -> str:
    found = shutil.which(program)
    if found is None:
        return f"{program} is not there"
    try:
        done = subprocess.run(  # noqa: S603 (a program of the system with fixed arguments)
            [found, *arguments], capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be asked: {error}"
    return done.stdout if done.returncode == 0 else f"{program} refuses: {done.stderr.strip()}"


def _attributes(parent: Path, names: Iterable[str]) -> Iterator[str]:
    entries: list[Path] = []
    with suppress(OSError):
        entries = sorted(parent.iterdir())
    for entry in entries:
        known = {name: _text(entry / name).strip() for name in names if os.access(entry / name, os.R_OK)}
        yield f"{entry.name}: " + ", ".join(f"{name}={value}" for name, value in known.items() if value)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "?"


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
