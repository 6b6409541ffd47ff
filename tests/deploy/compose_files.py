"""The compose files as data: `extends` followed, so that a service is seen as an engine sees it."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
FILES = ("simulator.yaml", "site.yaml", "site-macvlan.yaml")


def load(name: str) -> dict[str, Any]:
    """A compose file as it is written."""
    document: dict[str, Any] = yaml.safe_load((COMPOSE / name).read_text(encoding="utf-8"))
    return document


def service(name: str) -> dict[str, Any]:
    """Its service `gateway`, with what it extends."""
    own = dict(load(name)["services"]["gateway"])
    extended = own.pop("extends")
    return {**load(extended["file"])["services"][extended["service"]], **own}


def hardening(gateway: dict[str, Any]) -> list[str]:
    """Options that make `podman run` as strict as this service; a key that is missing is a KeyError."""
    options = [
        f"--user={gateway['user']}",
        f"--memory={gateway['mem_limit']}",
        f"--pids-limit={gateway['pids_limit']}",
        *(f"--cap-drop={name}" for name in gateway["cap_drop"]),
        *(f"--security-opt={option.removesuffix(':true')}" for option in gateway["security_opt"]),
        *(f"--device-cgroup-rule={rule}" for rule in gateway.get("device_cgroup_rules", [])),
    ]
    return [*options, "--read-only", "--read-only-tmpfs=false"] if gateway["read_only"] else options


def mounts(gateway: dict[str, Any]) -> list[str]:
    """Its bind mounts as options of `podman run`."""
    found = []
    for volume in gateway["volumes"]:
        if isinstance(volume, dict):
            flags = [volume["bind"]["propagation"]] if "bind" in volume else []
            flags += ["ro"] if volume.get("read_only") else []
            found.append(f"--volume={volume['source']}:{volume['target']}:{','.join(flags)}")
    return found
