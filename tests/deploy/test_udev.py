"""The udev files: what udevd makes of a stick by our real rules, without a kernel that has one and without a daemon."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.tse.info import TseInfo
from gateway.tse.layout import OFFSET_TABLE_LBA, Offsets
from gateway.tse.sectors import SECTOR

UDEV = Path(__file__).parents[2] / "udev"
SERIAL = bytes(range(0xE0, 0x100))
USB = "/devices/pci0000:00/0000:00:14.0/usb1/1-1"
DISK = f"{USB}/1-1:1.0/host0/target0:0:0/0:0:0:0/block/sdx"
UNTOUCHED = "--"  # of the length of "on": a plain file, unlike one in sysfs, keeps what a shorter write leaves

# package -> program
PROGRAMS = {"udev": "udevadm", "umockdev": "umockdev-run", "util-linux": "unshare"}
LACKING = [package for package, program in PROGRAMS.items() if shutil.which(program) is None]
needs_udev = pytest.mark.skipif(
    bool(LACKING) or os.geteuid() != 0, reason=f"needs root, and {LACKING or 'nothing'} more"
)

# In a mount namespace of its own, since udevadm writes to /dev and /run: the machine's stay as they are.
EVALUATE = """
set -e
mount --make-rprivate /
mount -t tmpfs run /run && mkdir /run/udev
mkdir -p "$4/dev" && mount -t tmpfs dev "$4/dev"
cp -a /dev/null /dev/zero /dev/urandom "$4/dev/" && cp "$4/disk" "$4/dev/sdx"
mkdir -p /etc/udev/rules.d /usr/lib/udev
cp -a /usr/lib/udev "$4/lib" && cp "$1/tse-probe" "$4/lib/" && mount --bind "$4/lib" /usr/lib/udev
mkdir "$4/rules" && sed 's/GROUP="tse"/GROUP="10001"/' "$1/59-tse.rules" >"$4/rules/59-tse.rules"
mount --bind "$4/rules" /etc/udev/rules.d
mount --bind "$4/dev" /dev
umockdev-run -d "$2" -- sh -c 'udevadm test --action=add "$1" 2>&1; cat "/sys$2/power/control"' _ "$3" "$5"
"""


@dataclass(frozen=True)
class Evaluated:
    """What udevd would do with the disk."""

    output: str

    def value(self, name: str) -> str | None:
        found = re.search(rf"^{name}=(.*)$", self.output, re.MULTILINE)
        return found[1] if found else None

    @property
    def links(self) -> list[str]:
        return (self.value("DEVLINKS") or "").split()

    @property
    def power(self) -> str:
        return self.output.splitlines()[-1]


def tse_disk(*, info: int = 16, magic: bytes = b"GMIS", sectors: int = 32) -> bytes:
    """The begin of a TSE: offset table, and the info sector at LBA `info`."""
    disk = bytearray(sectors * SECTOR)
    disk[OFFSET_TABLE_LBA * SECTOR : (OFFSET_TABLE_LBA + 1) * SECTOR] = Offsets(info, 17, 18).encode()
    sector = magic + TseInfo(serial=SERIAL, public_key=bytes([4]) + bytes(96)).encode()[4:]
    if info < sectors:
        disk[info * SECTOR : (info + 1) * SECTOR] = sector
    return bytes(disk)


def probe(tmp_path: Path, disk: bytes, size: int | None = None) -> str:
    """What the probe says about a disk."""
    path = tmp_path / "disk"
    path.write_bytes(disk)
    sectors = str(len(disk) // SECTOR if size is None else size)
    done = subprocess.run(
        ["sh", UDEV / "tse-probe", path, sectors], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def evaluate(tmp_path: Path, disk: bytes, *, sectors: int | None = None) -> Evaluated:
    """The verdict of udevadm on a stick with these contents; `sectors` if it is to claim another size."""
    description = tmp_path / "stick.umockdev"
    description.write_text(_described(len(disk) // SECTOR if sectors is None else sectors))
    (tmp_path / "disk").write_bytes(disk)  # udevd's helpers see this one: they lose umockdev's faked /dev
    arguments = [str(UDEV), str(description), DISK, str(tmp_path), USB]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", EVALUATE, "_", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Evaluated(done.stdout)


def _described(sectors: int) -> str:
    """The stick as umockdev reads it."""
    entries = {
        USB: ["E: SUBSYSTEM=usb", "E: DEVTYPE=usb_device", r"A: idVendor=1370\n", rf"A: power/control={UNTOUCHED}\n"],
        f"{USB}/1-1:1.0": ["E: SUBSYSTEM=usb", "E: DEVTYPE=usb_interface", r"A: bInterfaceClass=08\n"],
        f"{USB}/1-1:1.0/host0/target0:0:0/0:0:0:0": ["E: SUBSYSTEM=scsi", "E: DEVTYPE=scsi_device", r"A: type=0\n"],
        DISK: [
            "N: sdx",
            "E: SUBSYSTEM=block",
            "E: DEVTYPE=disk",
            "E: DEVNAME=/dev/sdx",
            "E: MAJOR=8",
            "E: MINOR=200",
            rf"A: size={sectors}\n",
        ],
    }
    return "\n".join("\n".join([f"P: {path}", *lines, ""]) for path, lines in entries.items())


@needs_udev
def test_a_tse_gets_its_link_its_group_and_peace(tmp_path: Path) -> None:
    found = evaluate(tmp_path, tse_disk())
    assert f"/dev/tse/{SERIAL.hex().upper()}" in found.links
    assert found.value("ID_TSE_SERIAL") == SERIAL.hex().upper()
    assert found.value("UDISKS_IGNORE") == "1"
    assert re.search(r"59-tse\.rules:\d+ GROUP 10001", found.output)
    assert re.search(r"59-tse\.rules:\d+ MODE 0660", found.output)


@needs_udev
def test_usb_of_a_tse_never_sleeps(tmp_path: Path) -> None:
    assert evaluate(tmp_path, tse_disk()).power == "on"


@needs_udev
@pytest.mark.parametrize("disk", [tse_disk(magic=b"GMIT"), bytes(32 * SECTOR), b"\x55\xaa" * 16 * SECTOR])
def test_another_stick_is_left_as_it_is(tmp_path: Path, disk: bytes) -> None:
    found = evaluate(tmp_path, disk)
    assert not [link for link in found.links if link.startswith("/dev/tse/")]
    assert found.value("UDISKS_IGNORE") is None
    assert found.value("ID_TSE") is None
    assert found.power == UNTOUCHED


@needs_udev
def test_an_empty_card_reader_is_not_read(tmp_path: Path) -> None:
    found = evaluate(tmp_path, tse_disk(), sectors=0)
    assert "tse-probe" not in found.output
    assert found.value("ID_TSE") is None


@needs_udev
def test_the_rules_are_understood_completely(tmp_path: Path) -> None:
    output = evaluate(tmp_path, tse_disk()).output
    assert "59-tse.rules" in output
    assert not [line for line in output.splitlines() if re.search(r"59-tse\.rules:\d+ (Invalid|Unknown|Failed)", line)]
    if subprocess.run(["udevadm", "verify", "--help"], capture_output=True, check=False).returncode == 0:  # from 254 on
        subprocess.run(["udevadm", "verify", "--resolve-names=never", UDEV / "59-tse.rules"], check=True, timeout=20)


def test_the_probe_tells_the_serial(tmp_path: Path) -> None:
    assert probe(tmp_path, tse_disk()).splitlines() == ["ID_TSE=1", f"ID_TSE_SERIAL={SERIAL.hex().upper()}"]


@pytest.mark.parametrize(
    "disk",
    [b"", bytes(9 * SECTOR), b"\xff" * 40 * SECTOR, tse_disk(magic=b"gmis"), tse_disk(info=0), tse_disk(sectors=16)],
)
def test_the_probe_is_silent_about_anything_else(tmp_path: Path, disk: bytes) -> None:
    assert probe(tmp_path, disk) == ""


def test_the_probe_never_looks_behind_the_end_of_a_disk(tmp_path: Path) -> None:
    assert probe(tmp_path, tse_disk(info=2**32 - 1)) == ""
    assert probe(tmp_path, tse_disk(), size=16) == ""


def test_the_probe_works_with_busybox(tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox-static")
    for name in ("sh", "od"):
        (tmp_path / name).symlink_to(busybox)
    (tmp_path / "disk").write_bytes(tse_disk())
    command = [str(tmp_path / "sh"), str(UDEV / "tse-probe"), str(tmp_path / "disk"), "32"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True, timeout=20)
    assert f"ID_TSE_SERIAL={SERIAL.hex().upper()}" in done.stdout


@pytest.mark.parametrize("script", ["install.sh", "tse-probe", "usbip-keep-attached"])
def test_scripts_are_plain_shell(script: str) -> None:
    assert (UDEV / script).read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", UDEV / script], check=True, timeout=20)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", UDEV / script], check=True, timeout=60)


def test_the_installer_puts_everything_in_place_and_takes_it_away(tmp_path: Path) -> None:
    serial = SERIAL.hex().upper()
    _install(tmp_path, "usbip", "10.0.0.5", "1-1.2", "3241")
    _install(tmp_path, "mount", serial)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        f"etc/systemd/system/mnt-tse-{serial}.mount",
        "etc/systemd/system/usbip-attach@.service",
        "etc/tse-gateway/usbip-10-0-0-5-1-1-2.conf",
        "etc/udev/rules.d/59-tse.rules",
        f"etc/udev/rules.d/60-tse-{serial}.rules",
        "usr/lib/udev/tse-probe",
        "usr/local/sbin/usbip-keep-attached",
    ]
    settings = (tmp_path / "etc/tse-gateway/usbip-10-0-0-5-1-1-2.conf").read_text()
    assert settings == "HOST=10.0.0.5\nBUSID=1-1.2\nPORT=3241\n"
    assert "@" not in (tmp_path / f"etc/systemd/system/mnt-tse-{serial}.mount").read_text()
    _install(tmp_path, "remove")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("serial", ["", "AB", "../../etc/passwd", "g" * 64])
def test_the_installer_refuses_what_is_no_serial(tmp_path: Path, serial: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        _install(tmp_path, "mount", serial)
    assert not (tmp_path / "etc/systemd").exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    _install(tmp_path, "usbip", "10.0.0.5", "1-1")
    _install(tmp_path, "mount", SERIAL.hex().upper())
    units = tmp_path / "etc/systemd/system"
    service = units / "usbip-attach@.service"
    service.write_text(service.read_text().replace("/usr/local/sbin", f"{tmp_path}/usr/local/sbin"))
    command = ["systemd-analyze", "verify", "--man=no", *sorted(str(path) for path in units.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def _install(root: Path, *arguments: str) -> None:
    environment = {**os.environ, "DESTDIR": str(root)}
    subprocess.run(
        ["sh", UDEV / "install.sh", *arguments], env=environment, check=True, capture_output=True, timeout=30
    )
