"""The image that the virtual machine starts from: Debian's kernel, udevd and usbip, and the gateway's requirements.

The project itself (gateway, udev files) is not in it: it comes along at each start, on a drive of its own,
so that one image serves all work on the code. Kept in a cache directory under a name made of what went into it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / ".ci" / "requirements.txt"
GUEST = Path(__file__).parent / "guest"

# program -> Debian package
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "cpio": "cpio",
    "depmod": "kmod",
    "busybox": "busybox-static",
}
_PACKAGES = "python3,udev,usbip,kmod,busybox-static"
_SUITE = "bookworm"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_34_x86_64")
_BOOT_MODULES = ("virtio_pci", "virtio_blk", "squashfs", "overlay")
_MODULES = (
    *_BOOT_MODULES,
    *("virtio_net", "virtio_console", "af_packet"),
    *("usbcore", "xhci_pci", "usb_storage", "uas", "sd_mod", "vhci_hcd"),
)
# Reading all of Debian's rules takes seconds on an emulated processor; these are the ones that a disk meets.
_RULES = (
    "50-udev-default.rules",
    "60-block.rules",
    "60-persistent-storage.rules",
    "80-drivers.rules",
    "99-systemd.rules",
)


class Missing(Exception):
    """The machine lacks something; the message says which package to install."""


def missing() -> list[str]:
    """Debian packages that must be installed first."""
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    return packages if _kernel_version() else [*packages, "linux-image-amd64"]


def image() -> Path:
    """Directory with `vmlinuz`, `initrd` and `root.sqfs`; built when it is not in the cache.

    Raises:
        Missing: packages are not installed, or this is not root.
    """
    lacking = missing()
    if lacking:
        raise Missing(f"apt-get install --no-install-recommends {' '.join(lacking)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tse-gateway-vm")
    made = cache / _key()
    if not (made / "root.sqfs").exists():
        if os.geteuid() != 0:
            raise Missing("the image is built as root (once)")
        _build(cache, made)
    return made


def project_archive(target: Path) -> None:
    """A TAR of what is to be proved, unpacked over / of the guest before udevd starts."""
    places = {
        "gateway": "opt/app/gateway",
        "udev/59-tse.rules": "etc/udev/rules.d/59-tse.rules",
        "udev/tse-probe": "usr/lib/udev/tse-probe",
        "udev/usbip-keep-attached": "usr/local/sbin/usbip-keep-attached",
    }
    with tarfile.open(target, "w") as archive:
        for source, place in places.items():
            archive.add(ROOT / source, place, filter=_as_root)
        for name in ("init", "agent.py", "serve-gateway", "serve-container"):
            archive.add(GUEST / name, f"opt/guest/{name}", filter=_as_root)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _kernel_version() -> str:
    found = sorted(path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*-amd64"))
    return found[-1] if found else ""


def _key() -> str:
    """Changes when anything that goes into the image does."""
    files = (Path(__file__), REQUIREMENTS, GUEST / "initrd-init")
    parts = (*(file.read_bytes() for file in files), _kernel_version().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _build(cache: Path, made: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        root, image_dir = Path(work, "root"), Path(work, "image")
        image_dir.mkdir()
        _debian(root)
        _python_packages(root / "opt" / "site")
        _modules(root, _MODULES)
        _account(root)
        _run("mksquashfs", root, image_dir / "root.sqfs", "-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX")
        _initrd(Path(work, "initrd"), image_dir / "initrd")
        shutil.copy(f"/boot/vmlinuz-{_kernel_version()}", image_dir / "vmlinuz")
        shutil.rmtree(made, ignore_errors=True)
        image_dir.rename(made)


def _debian(root: Path) -> None:
    without = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("doc", "man", "locale", "info")]
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", *without, _SUITE, root)
    for rules in (root / "usr/lib/udev/rules.d").glob("*.rules"):
        if rules.name not in _RULES:
            rules.unlink()
    for name in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)


def _python_packages(target: Path) -> None:
    platforms = [f"--platform={name}" for name in _PLATFORMS]
    _run(
        *(_python_with_pip(), "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--only-binary=:all:"),
        *("--implementation=cp", "--python-version=3.11", *platforms, "--target", target),
        *("--disable-pip-version-check", "--root-user-action=ignore", "--require-hashes", "-r", REQUIREMENTS),
    )
    _run("chroot", target.parents[1], "python3", "-m", "compileall", "-q", "/opt/site", "/usr/lib/python3.11")


def _python_with_pip() -> str:
    for python in (sys.executable, "python3"):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return python
    raise Missing("python3-pip")


def _modules(root: Path, names: tuple[str, ...]) -> None:
    version = _kernel_version()
    needed: set[str] = set()
    for name in names:
        shown = _run("modprobe", "-S", version, "--show-depends", name)
        needed.update(line.split()[1] for line in shown.splitlines() if line.startswith("insmod "))
    place = Path("lib/modules", version)
    for module in sorted(needed):
        target = root / module.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, target)
    for listing in ("modules.order", "modules.builtin"):
        shutil.copy(Path("/", place, listing), root / place)
    _run("depmod", "-b", root, version)


def _account(root: Path) -> None:
    """As udev/install.sh and the container image have it."""
    with (root / "etc/group").open("a") as groups:
        groups.write("tse:x:10001:\n")
    with (root / "etc/passwd").open("a") as users:
        users.write("gateway:x:10001:10001::/data:/usr/sbin/nologin\n")


def _initrd(tree: Path, target: Path) -> None:
    for name in ("bin", "proc", "sys", "dev", "new", "lower", "over"):
        (tree / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", tree / "bin/busybox")
    for name in ("sh", "mount", "mkdir", "modprobe", "switch_root", "usleep", "tar"):
        (tree / "bin" / name).symlink_to("busybox")
    _modules(tree, _BOOT_MODULES)
    shutil.copy(GUEST / "initrd-init", tree / "init")
    (tree / "init").chmod(0o755)
    names = "\0".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with target.open("wb") as out:
        command = ["cpio", "--create", "--format=newc", "--null", "--quiet"]
        subprocess.run(command, cwd=tree, input=names.encode(), stdout=out, check=True)


def _run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
