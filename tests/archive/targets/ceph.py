"""A Ceph cluster of one machine with its object gateway: Debian's ceph-mon, ceph-osd (in memory) and radosgw."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minio import Minio

from tests.archive.targets.servers import BUCKET, KEY_ID, SECRET, ObjectStorage

_MON, _PORT = "[v1:127.0.0.1:16789]", 17480
_CONF = """
[global]
fsid = {fsid}
mon_host = {mon}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {data}/run
admin_socket = {data}/run/$name.asok
pid_file = {data}/run/$name.pid
log_file = {data}/$name.log
mon_data = {data}/mon
mgr_data = {data}/mgr
osd_data = {data}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
ms_bind_ipv6 = false
ms_bind_msgr2 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
rgw_frontends = beast port={port}
"""


def is_installed() -> bool:
    """Tell whether `apt-get install ceph-mon ceph-osd ceph-common radosgw` was done."""
    return all(shutil.which(name) for name in ("ceph", "ceph-mon", "ceph-osd", "radosgw"))


@contextmanager
def ceph(data: Path) -> Iterator[ObjectStorage]:
    """Run it with its files in the empty directory `data`; it starts in half a minute."""
    for name in ("mon", "mgr", "osd", "run"):
        (data / name).mkdir()
    (data / "keyring").touch()
    conf, fsid = data / "ceph.conf", str(uuid.uuid4())
    conf.write_text(_CONF.format(fsid=fsid, mon=_MON, data=data, port=_PORT))

    def run(program: str, *arguments: object, config: bool = True) -> None:
        given = ["-c", conf] if config else []
        done = subprocess.run(
            [program, *map(str, [*given, *arguments])], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    try:
        run("monmaptool", "--create", "--addv", "a", _MON, "--fsid", fsid, data / "monmap", config=False)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", data / "monmap")
        run("ceph-mon", "-i", "a")
        run("ceph", "osd", "create")
        run("ceph-osd", "-i", "0", "--mkfs")
        run("ceph-osd", "-i", "0")
        run("radosgw", "-n", "client.admin", "--keyring", data / "keyring")
        _wait()
        keys = (f"--access-key={KEY_ID}", f"--secret-key={SECRET}")
        run("radosgw-admin", "user", "create", "--uid=shop", "--display-name=shop", *keys)
        address = f"127.0.0.1:{_PORT}"
        client = Minio(address, KEY_ID, SECRET, secure=False, region="us-east-1")
        client.make_bucket(BUCKET, object_lock=True)
        yield ObjectStorage(address, client)
    finally:
        for pid in (data / "run").glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


def _wait() -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/", timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, "radosgw did not start"
            time.sleep(0.5)
        else:
            return
