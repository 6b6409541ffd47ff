"""The image instead of a process: hardened, and with the memory, exactly as compose/hardened.yaml says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.compose_files import hardening, service
from tests.deploy.container import podman
from tests.hostile.shop import Shop, free_port, until_it_serves

NAME = "tse-gateway-hostile"


@asynccontextmanager
async def contained(image: str, token_digits: str) -> AsyncIterator[Shop]:
    """A container that serves one simulated TSE, ready for sales; it must still run at the end."""
    environment = {
        "GATEWAY_SIMULATORS": "1",
        "GATEWAY_SIMULATOR_FRESH": "true",
        "GATEWAY_PORT": str(free_port()),
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_ADDRESS": "127.0.0.1",
        "GATEWAY_NTP_SERVERS": "none",
        "GATEWAY_TOKEN_DIGITS": token_digits,
    }
    site = service("site.yaml")
    _away()
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log.txt"
        podman(
            *("run", "--detach", "--name", NAME, "--network", "host", "--volume", f"{NAME}:/var/lib/tse-gateway"),
            *("--log-driver", "k8s-file", "--log-opt", f"path={log}"),
            *hardening(site),
            *(f"--env={name}={value}" for name, value in environment.items()),
            image,
        )
        try:
            state_dir = Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", NAME).strip())
            pid = int(podman("inspect", "--format", "{{.State.Pid}}", NAME))
            running = Shop(state_dir, log, pid, await until_it_serves(log, pid))
            await running.open()
            yield running
            await running.till.close()
            state = podman("inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}}", NAME).split()
            assert state == ["true", "false"], f"running and killed for its memory: {state}"
        finally:
            await asyncio.to_thread(_away)


def _away() -> None:
    podman("rm", "-f", "-i", "-v", NAME)
    podman("volume", "rm", "-f", NAME)
