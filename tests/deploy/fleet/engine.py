"""A container engine for one shop, as far as the playbook uses one: `docker`, whose containers are real gateways.

An image is a name, an id, and what it adds to the environment of its gateway; `registry.json` has those that can be
pulled. A container is a process of this machine. State lies in the folder that SHOP names.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHOP = Path(os.environ["SHOP"])
REGISTRY, ROOT = SHOP.parent / "registry.json", Path(__file__).parents[3]
IMAGES, CONTAINER, STATE, LOG = (SHOP / name for name in ("images.json", "container.json", "state", "log"))

Object = dict[str, Any]


def main(words: list[str]) -> None:  # noqa: C901, PLR0912 (one case for each command)
    """Carry out one command."""
    match words:
        case ["compose", "version"]:
            print("stand-in for Docker Compose")
        case ["pull", "--quiet", name]:
            known = read(IMAGES)
            before = {it["Id"]: it for it in known.values()}  # an image that lost its name is still there
            save(IMAGES, before | known | {name: read(REGISTRY)[name]})
        case ["tag", known, name]:
            save(IMAGES, read(IMAGES) | {name: image(known)})
        case ["image", "inspect", name]:
            print(json.dumps([image(name)]))
        case ["ps", *_, flags]:
            if read(CONTAINER) and (flags == "-aq" or runs()):
                print(read(CONTAINER)["Id"])
        case ["inspect", _]:
            made = read(CONTAINER)
            print(json.dumps([{**made, "State": {"Running": runs()}}]))
        case ["exec", _, "cat", path]:
            sys.stdout.write((STATE / inside(path)).read_text())
        case ["exec", _, "tse-gateway", *arguments]:
            sys.exit(subprocess.run(gateway(*arguments), env=environment(), check=False).returncode)
        case ["stop", _]:
            stop()
        case ["logs", "--tail", count, _]:
            print("\n".join(LOG.read_text().splitlines()[-int(count) :]))
        case ["run", "--rm", "--user", "0", "--entrypoint", "sh", "-v", _, "-v", backup, name, "-c", script]:
            image(name)
            here = script.replace("/state ", f"{STATE} ").replace("/backup", backup.split(":")[0])
            sys.exit(subprocess.run(["sh", "-c", here], check=False).returncode)
        case ["compose", "-f", file, "up", "-d", "--no-build", *force]:
            up(Path(file).parent, anew=bool(force))
        case _:
            sys.exit(f"the playbook says what this engine does not know: {words}")


def up(folder: Path, *, anew: bool) -> None:
    """Start the gateway of this folder, anew if its files say so."""
    given = [line for line in (folder / ".env").read_text().splitlines() if line and not line.startswith("#")]
    lines = ["=".join((name, value.strip("\"'"))) for name, _, value in (line.partition("=") for line in given)]
    wanted = dict(line.split("=", 1) for line in lines)
    found = image(wanted["TSE_IMAGE"])
    adds = found["adds"].get(SHOP.name, {})
    made = {"Image": found["Id"], "Config": {"Env": lines}, "folder": str(folder), "adds": adds}
    if runs() and not anew and made == {name: read(CONTAINER)[name] for name in made}:
        return
    stop()
    STATE.mkdir(exist_ok=True)
    save(CONTAINER, made | {"Id": os.urandom(6).hex()})
    with LOG.open("w") as log:
        process = subprocess.Popen(
            gateway("serve"), env=environment(), stdout=log, stderr=log, cwd=ROOT, start_new_session=True
        )
    save(CONTAINER, read(CONTAINER) | {"pid": process.pid})
    if number := found.get("format"):  # as a newer version would leave it
        while process.poll() is None and not (STATE / "session.txt").exists():
            time.sleep(0.1)
        (STATE / "state.json").write_text(json.dumps({"format": number, "written_by": "9.9.9"}))
    print(" Container Started", file=sys.stderr)


def stop() -> None:
    """End the gateway, if it runs."""
    if runs():
        os.kill(read(CONTAINER)["pid"], signal.SIGTERM)
        while runs():
            time.sleep(0.1)


def runs() -> bool:
    """Tell whether the container's process is there and no zombie."""
    try:
        status = Path(f"/proc/{read(CONTAINER)['pid']}/stat").read_text()
    except (OSError, KeyError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def environment() -> dict[str, str]:
    """What the process in the container gets, with the paths of this machine."""
    made = read(CONTAINER)
    given = dict(line.split("=", 1) for line in made["Config"]["Env"]) | made["adds"]
    secrets = Path(made["folder"], "secrets")
    moved = {name: value.replace("/run/secrets", str(secrets)) for name, value in given.items()}
    return moved | {"GATEWAY_STATE_DIR": str(STATE), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def inside(path: str) -> str:
    return path.replace("/run/secrets", str(Path(read(CONTAINER)["folder"], "secrets")))


def gateway(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


def image(name: str) -> Object:
    known = read(IMAGES)
    found = known.get(name) or next((it for it in known.values() if it["Id"] == name), None)
    if found is None:
        sys.exit(f"no such image: {name}")
    it: Object = found
    return it


def read(path: Path) -> Object:
    found: Object = json.loads(path.read_text()) if path.exists() else {}
    return found


def save(path: Path, content: Object) -> None:
    path.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
