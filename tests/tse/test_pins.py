import pytest

from gateway.tse.commands import ChangePin, ChangePuk, Login, SelfTest, UnblockPin, User, parse
from gateway.tse.fields import Command, Generation
from gateway.tse.pins import PinOwner, has_tries, pin_shown_by, puk_of

ONE, TWO = Generation.ONE, Generation.TWO


@pytest.mark.parametrize(
    ("command", "generation", "owner", "shown"),
    [
        (Login(User.ADMIN, b"12345"), ONE, PinOwner.ADMIN, b"12345"),
        (Login(User.TIME_ADMIN, b"98765"), TWO, PinOwner.TIME_ADMIN, b"98765"),
        (ChangePin(User.ADMIN, b"12345", b"54321"), ONE, PinOwner.ADMIN, b"12345"),
        (UnblockPin(User.TIME_ADMIN, b"123456", b"11111"), ONE, PinOwner.PUK, b"123456"),
        (UnblockPin(User.TIME_ADMIN, b"123456", b"11111"), TWO, PinOwner.TIME_ADMIN_PUK, b"123456"),
        (ChangePuk(User.ADMIN, b"123456", b"654321"), TWO, PinOwner.PUK, b"123456"),
    ],
)
def test_each_command_shows_the_pin_or_puk_of_one_owner(
    command: Command, generation: Generation, owner: PinOwner, shown: bytes
) -> None:
    assert pin_shown_by(command, generation) == (owner, shown)


def test_a_number_that_no_user_has_is_nobodys() -> None:
    unblock = parse(bytes.fromhex("22 00 07 00 01 00"))  # any bytes may come from a client
    assert pin_shown_by(unblock, TWO) is None
    assert pin_shown_by(Login(9, b"12345"), TWO) is None
    assert puk_of(7, ONE) is PinOwner.PUK


def test_who_shows_no_pin_or_is_nobody_uses_up_no_tries() -> None:
    assert pin_shown_by(SelfTest(b"POS-1"), ONE) is None
    assert pin_shown_by(Login(User.NONE, b"12345"), ONE) is None


def test_only_a_puk_of_generation_2_has_no_end_of_tries() -> None:
    assert {owner for owner in PinOwner if not has_tries(owner, TWO)} == {
        PinOwner.PUK,
        PinOwner.TIME_ADMIN_PUK,
        PinOwner.LOGGER_PUK,
    }
    assert all(has_tries(owner, ONE) for owner in PinOwner)


def test_an_owner_has_the_number_of_its_user_and_those_without_one_that_of_nobody() -> None:
    assert [owner.user for owner in PinOwner] == [
        User.NONE,
        User.ADMIN,
        User.TIME_ADMIN,
        User.LOGGER,
        User.NONE,
        User.NONE,
    ]
    assert [PinOwner.of(owner.number) for owner in PinOwner] == list(PinOwner)
    assert PinOwner.of(len(PinOwner)) is None
