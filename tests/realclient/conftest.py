"""Fixtures: the vendor's libraries, and a gateway that they talk to."""

from collections.abc import AsyncIterator, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.app.gateway import Gateway, running
from gateway.config.settings import Settings
from tests.realclient import worm

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def arm() -> worm.Peer:
    """The library 6.x, for network and files."""
    return _or_skip(worm.arm)


@pytest.fixture(scope="session")
def x64() -> worm.Peer:
    """The library 5.9.x, for files."""
    return _or_skip(worm.x64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        port=0,
        bind=(IPv4Address("127.0.0.1"),),
        address="127.0.0.1",
        state_dir=tmp_path,
        api_token=SecretStr(TOKEN),
        simulators=1,
        simulator_fresh=True,
    )


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A running gateway with one simulated TSE, fresh from the factory."""
    async with running(settings) as served:
        yield served


def _or_skip(peer: Callable[[], worm.Peer]) -> worm.Peer:
    try:
        return peer()
    except worm.Missing as reason:
        pytest.skip(str(reason))
