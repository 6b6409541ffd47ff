"""Six shops in folders of this machine: each has an engine of its own, and Ansible reaches it as it would a box."""

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
ENGINE = Path(__file__).with_name("engine.py")
UNREACHABLE = "ulm"
SHOPS = ("berlin", "mainz", "bonn", "hamburg", "kiel", UNREACHABLE)
PIN = "98765"
PORT = 24433  # of the first shop; those of the metrics are 20 higher
_RECAP = re.compile(r"^(\w+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    status: int
    said: str

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by shop."""
        return {shop: int(changed) for shop, changed, *_ in _RECAP.findall(self.said)}

    def group(self, name: str) -> list[str]:
        """Shops that the list at the end has below `name`."""
        _, _, rest = self.said.partition("SHOPS **")
        found = re.search(rf"^{name}[^\n]* \((\d+)\)\n((?:  \S[^\n]*\n)*)", rest, re.MULTILINE)
        return [] if found is None else [line.split()[0] for line in found[2].splitlines()]

    def told(self, shop: str) -> str:
        """The line of the shop in that list."""
        _, _, rest = self.said.partition("SHOPS **")
        (line,) = re.findall(rf"^  {shop} ?(.*)$", rest, re.MULTILINE)
        return str(line)


@dataclass
class Fleet:
    """A copy of compose/ and udev/, an inventory, and the folder of each shop."""

    work: Path

    def __post_init__(self) -> None:
        for folder in ("compose", "udev"):
            shutil.copytree(ROOT / folder, self.work / folder)
        shutil.rmtree(self.fleet / "sites")
        self.password.write_text("of the vault")
        hosts: dict[str, Any] = {}
        for number, name in enumerate(SHOPS):
            self._shop(name, PORT + number)
            box = self.work / name
            hosts[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(box / "python")}
            hosts[name]["tse_home"] = str(box / "opt")
        hosts[UNREACHABLE] = {"ansible_host": "127.0.0.1", "ansible_port": 9}
        boxes = {"hosts": hosts, "vars": {"tse_patience": 27, "tse_engine": "docker"}}
        inventory = {"all": {"children": {"tse_boxes": boxes}}}
        (self.work / "inventory.yaml").write_text(yaml.safe_dump(inventory, sort_keys=False))

    @property
    def fleet(self) -> Path:
        return self.work / "compose/fleet"

    @property
    def password(self) -> Path:
        return self.work / "password"

    def _shop(self, name: str, port: int) -> None:
        box = self.work / name
        (box / "bin").mkdir(parents=True)
        for program, words in {"python": "", "bin/docker": f" {ENGINE}"}.items():
            wrapper = box / program
            own = f"SHOP={box} DESTDIR={box}/root PATH={box}/bin:$PATH"
            wrapper.write_text(f'#!/bin/sh\n{own} exec {sys.executable}{words} "$@"\n')
            wrapper.chmod(0o755)
        site = self.fleet / "sites" / name
        site.mkdir(parents=True)
        self.settings(name, f'GATEWAY_SITE="{name.title()} Mitte"', f"GATEWAY_PORT={port}", with_pin=True)
        self.secrets(name, api_token="4667430815", time_admin_pin=PIN)

    def settings(self, name: str, *more: str, with_pin: bool) -> None:
        """Write the shop's .env; lines that it has stay."""
        path = self.fleet / "sites" / name / ".env"
        kept = path.read_text().splitlines() if path.exists() else []
        pin = "GATEWAY_TIME_ADMIN_PIN_FILE=/run/secrets/time_admin_pin"
        lines = [line for line in kept if line != pin] or [
            *("# A shop of a test.", "GATEWAY_ADDRESS=127.0.0.1", "GATEWAY_BIND=127.0.0.1", "GATEWAY_SIMULATORS=1"),
            *("GATEWAY_NTP_SERVERS=none", "GATEWAY_API_TOKEN_FILE=/run/secrets/api_token"),
            *("GATEWAY_METRICS_LISTEN=tls", f"GATEWAY_METRICS_PORT={PORT + 20 + SHOPS.index(name)}"),
        ]
        path.write_text("\n".join([*lines, *more, *([pin] if with_pin else [])]) + "\n")

    def secrets(self, name: str, **secrets: str) -> None:
        """Write the shop's vault."""
        path = self.fleet / "sites" / name / "secrets.yaml"
        path.write_text(json.dumps({"secrets": secrets}))
        command = ["ansible-vault", "encrypt", "--vault-password-file", str(self.password), str(path)]
        subprocess.run(command, check=True, capture_output=True)

    def publish(self, name: str, *, without_tse: tuple[str, ...] = (), brings_format: int = 0) -> None:
        """Put an image into the registry, whose gateways find no TSE in some shops; again it is another image."""
        registry = self.work / "registry.json"
        known = json.loads(registry.read_text()) if registry.exists() else {}
        adds = {shop: {"GATEWAY_SIMULATORS": "0", "GATEWAY_DISCOVER": "false"} for shop in without_tse}
        made = {"Id": "sha256:" + os.urandom(32).hex(), "adds": adds, "format": brings_format}
        registry.write_text(json.dumps(known | {name: made}))

    def play(self, image: str, *options: str, playbook: str = "playbook.yaml") -> Run:
        """Run the playbook as an administrator does."""
        command = ["ansible-playbook", "-i", str(self.work / "inventory.yaml"), str(self.fleet / playbook)]
        command += ["--vault-password-file", str(self.password), "-e", f"tse_image={image}", *options]
        quiet = {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "6",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }
        quiet["ANSIBLE_HOME"] = str(self.work / "ansible")
        done = subprocess.run(
            command, env=os.environ | quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return Run(done.returncode, done.stdout)

    def image(self, shop: str) -> str:
        """The id of the image that the shop's container was made of; empty if none runs."""
        made = self._container(shop)
        return str(made["Image"]) if made and Path(f"/proc/{made['pid']}").exists() else ""

    def published(self, name: str) -> str:
        return str(json.loads((self.work / "registry.json").read_text())[name]["Id"])

    def process(self, shop: str) -> int:
        made = self._container(shop)
        return int(made["pid"]) if made else 0

    def can_sign(self, shop: str) -> int:
        """How many TSEs the shop's gateway itself says can sign."""
        try:
            ready = self.ask(shop, "/readyz")
        except OSError:
            return 0
        return sum(tse["ready"] for tse in ready["tses"])

    def takes(self, shop: str, token: str) -> bool:
        """Whether the gateway serves who has this token."""
        try:
            self.ask(shop, "/api/v1/tses", token)
        except OSError:
            return False
        return True

    def ask(self, shop: str, path: str, token: str = "") -> Any:
        url = f"https://127.0.0.1:{PORT + SHOPS.index(shop)}{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(request, timeout=30, context=ssl._create_unverified_context()) as response:
            return json.load(response)

    def _container(self, shop: str) -> dict[str, Any]:
        path = self.work / shop / "container.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def end(self) -> None:
        """End the gateways of all shops."""
        for shop in SHOPS:
            command = Path(f"/proc/{self.process(shop)}/cmdline")
            if command.exists() and b"gateway" in command.read_bytes():
                os.kill(self.process(shop), signal.SIGTERM)
