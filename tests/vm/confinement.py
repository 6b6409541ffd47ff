"""What the gateway's container can reach of the disks of the machine it runs on: TSEs, and nothing else."""

import json

from tests.vm.shop import Shop

_OPEN = """
import errno, json, os
found = {}
for name in sorted(os.listdir("/dev")):
    if name.startswith(("sd", "vd")):
        try:
            os.close(os.open("/dev/" + name, os.O_RDWR | os.O_NONBLOCK))
            found[name] = "open"
        except OSError as error:
            found[name] = errno.errorcode[error.errno]
print(json.dumps(found))
"""
_GRACE = 30.0


def check(shop: Shop) -> str:
    """With a foreign stick in a socket, try to open every disk; then stop the container. One line for people.

    Raises:
        AssertionError: it reaches too much or too little, or does not stop.
    """
    shop.plug_foreign()
    shop.machine.run("for i in $(seq 200); do [ $(ls /sys/block | grep -c '^sd') -ge 3 ] && exit 0; sleep 0.05; done")
    shop.machine.run("udevadm settle --timeout=30")
    tses = {
        name.strip() for name in shop.machine.run("cd /dev/tse; for i in *; do basename $(realpath $i); done").split()
    }
    seen = json.loads(shop.inside(_OPEN))
    as_root = json.loads(shop.inside(_OPEN, "0:0"))
    shop.pull_foreign()
    own = {name for name in seen if name.startswith("vd")}
    foreign = {name for name in seen if name.startswith("sd")} - tses
    assert len(tses) == 2, tses
    assert foreign, seen
    assert own >= {"vda", "vdb", "vdc"}, seen
    assert {name for name, told in seen.items() if told == "open"} == tses, f"as the gateway's user: {seen}"
    # Not even a root without capabilities: the disks of the machine are refused by the device cgroup.
    assert {as_root[name] for name in own} == {"EPERM"}, f"as root: {as_root}"
    seconds, status = shop.stop_gateway()
    assert status == 0, f"the container ended with status {status}"
    assert seconds < _GRACE, f"the container ended after {seconds:.1f} s"
    return (
        f"container: opens {len(tses)} TSEs; refused {', '.join(sorted(foreign))}, a foreign stick "
        f"({seen[min(foreign)]}), and {', '.join(sorted(own))}, the machine's disks (EPERM, also for root); "
        f"SIGTERM to exit 0 in {seconds:.1f} s"
    )
