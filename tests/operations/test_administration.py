"""What the operations of an operator do beside their purpose."""

from dataclasses import replace

import pytest

from gateway.errors import CommandRejected
from gateway.operations.administration import Administration, NewerGeneration
from gateway.operations.wanted import Action, Wanted
from gateway.tse.commands import User
from tests.operations.conftest import Shop
from tests.support import ADMIN_PIN, NOW


@pytest.fixture
def administration(shop: Shop) -> Administration:
    return Administration(shop.registry, lock_wait=1, now=lambda: float(NOW))


async def test_who_was_logged_in_is_logged_out_again_also_after_a_refusal(
    shop: Shop, administration: Administration
) -> None:
    before = shop.registry.devices()[0].info.created_signatures
    with pytest.raises(CommandRejected, match="not registered"):
        await administration.deregister_client(shop.serial, ADMIN_PIN, b"POS-9")
    device = shop.registry.devices()[0]
    assert device.lease is None
    assert device.info.created_signatures == before + 2  # login and logout


async def test_a_wrong_pin_is_tried_once(shop: Shop, administration: Administration) -> None:
    with pytest.raises(CommandRejected, match="2 tries left"):
        await administration.set_time(shop.serial, User.TIME_ADMIN, b"00000")
    with pytest.raises(CommandRejected, match="1 tries left"):
        await administration.change_pin(shop.serial, User.TIME_ADMIN, b"00000", b"11111")


async def test_what_firmware_2_does_otherwise_is_refused_before_it_is_tried(
    shop: Shop, administration: Administration
) -> None:
    device = shop.registry.devices()[0]
    device.info = replace(device.info, software_version=0x0002_00_00)
    with pytest.raises(NewerGeneration, match=r"firmware 2\.0\.0"):
        await administration.clients(shop.serial, ADMIN_PIN)
    with pytest.raises(NewerGeneration):
        await administration.open_transactions(shop.serial, b"")


async def test_all_open_transactions_are_listed_though_they_fill_several_answers(
    shop: Shop, administration: Administration
) -> None:
    for _ in range(70):
        await shop.transactions.sign(Wanted(Action.START, shop.serial, b"POS-1"))
    assert await administration.open_transactions(shop.serial, b"POS-1") == list(range(1, 71))
