from collections.abc import Callable

from gateway.server.http import admission
from gateway.server.http.admission import HOLD, PLACES, PLACES_OF_ONE, WAITING, WAITING_OF_ONE, Admission, network_of

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


class Client:
    """A connection whose state is what admission made of it."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.has_left = False
        self.state = "silent"

    def serve(self) -> None:
        assert self.state == "silent"
        self.state = "served"

    def close(self) -> None:
        assert self.state != "closed"
        self.state = "closed"


class Door:
    """Admission with a clock of its own; while somebody waits it is looked at every `_LOOK_AGAIN` seconds."""

    def __init__(self, most: int = 10_000) -> None:
        self.now = 0.0
        self.looks: list[Callable[[], None]] = []
        self.admission = Admission(most, clock=lambda: self.now, later=lambda _, look: self.looks.append(look))

    def come(self, network: str, *, speaking: bool = True) -> Client:
        client = Client(network)
        if not self.admission.arrive(client):
            client.close()
        elif speaking:
            self.admission.speak(client)
            self.take_turns()
        return client

    def crowd(self, count: int, network: str = A, *, speaking: bool = True) -> list[Client]:
        return [self.come(network, speaking=speaking) for _ in range(count)]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.looks:
            self.looks.pop()()
        self.take_turns()

    def take_turns(self) -> None:
        """Few begin at the same time; the next ones follow at once, as far as this clock is concerned."""
        while self.admission._begun:
            self.looks.pop()()


def states(clients: list[Client]) -> dict[str, int]:
    return {state: sum(client.state == state for client in clients) for state in {client.state for client in clients}}


def test_who_says_something_is_served_at_once() -> None:
    door = Door()
    silent = door.come(A, speaking=False)
    assert silent.state == "silent"
    assert door.come(A).state == "served"
    door.admission.speak(silent)
    assert silent.state == "served"


def test_one_address_has_few_places_and_others_keep_theirs() -> None:
    door = Door()
    crowd = door.crowd(PLACES_OF_ONE + 50)
    assert states(crowd) == {"served": PLACES_OF_ONE, "silent": 50}
    assert door.come(B).state == "served"


def test_all_together_have_few_places_and_the_addressestake_turns() -> None:
    door = Door()
    door.crowd(PLACES_OF_ONE, A)
    door.crowd(PLACES - PLACES_OF_ONE, B)
    waiting = [door.come(network) for network in (A, A, A, C)]
    assert states(waiting) == {"silent": 4}
    door.wait(HOLD / 2)
    assert states(waiting) == {"silent": 4}
    door.wait(HOLD / 2)
    assert states(waiting) == {"served": 4}


def test_the_right_token_gives_the_place_to_the_next() -> None:
    door = Door()
    crowd = door.crowd(PLACES_OF_ONE + 1)
    door.admission.authenticated(crowd[0])
    assert crowd[-1].state == "served"
    door.wait(10 * HOLD)
    assert crowd[0].state == "served"


def test_a_thousand_tills_with_the_right_token_are_let_in_without_waiting() -> None:
    door = Door()
    for _ in range(1000):
        till = door.come(A)
        assert till.state == "served"
        door.admission.authenticated(till)


def test_a_place_is_held_for_a_while_even_if_the_connection_ends_sooner() -> None:
    door = Door()
    served = 0
    for _ in range(int(10 / 0.1)):
        for client in door.crowd(100):
            served += client.state == "served"
            client.state = "closed"
            door.admission.ended(client)
        door.wait(0.1)
    assert served <= (10 / HOLD + 1) * PLACES_OF_ONE


def test_whoever_has_had_a_place_for_a_while_gives_way_and_only_if_somebody_waits() -> None:
    door = Door()
    crowd = door.crowd(PLACES_OF_ONE)
    door.wait(10 * HOLD)
    assert states(crowd) == {"served": PLACES_OF_ONE}
    assert door.come(A).state == "served"
    assert crowd[0].state == "closed"
    assert states(crowd[1:]) == {"served": PLACES_OF_ONE - 1}


def test_who_has_left_takes_no_place() -> None:
    door = Door()
    crowd = door.crowd(PLACES_OF_ONE + 60)
    for client in crowd[PLACES_OF_ONE:-1]:
        client.has_left = True
    door.admission.ended(crowd[0])
    door.wait(HOLD)
    assert states(crowd[PLACES_OF_ONE:-1]) == {"closed": 59}
    assert crowd[-1].state == "served"


def test_silent_connections_give_way_to_new_ones_of_their_address() -> None:
    door = Door()
    silent = door.crowd(WAITING_OF_ONE, speaking=False)
    assert door.come(A).state == "served"
    assert states(silent) == {"closed": 1, "silent": WAITING_OF_ONE - 1}


def test_too_many_who_wait_are_refused_and_other_addresses_are_not() -> None:
    door = Door()
    crowd = door.crowd(PLACES_OF_ONE + WAITING_OF_ONE + 5)
    assert states(crowd) == {"served": PLACES_OF_ONE, "silent": WAITING_OF_ONE, "closed": 5}
    assert door.come(B).state == "served"


def test_when_all_addresses_are_too_many_the_largest_crowd_loses() -> None:
    door = Door()
    for number in range(WAITING // 200 + 1):
        door.crowd(PLACES_OF_ONE + 200, f"198.51.100.{number}")
    assert door.admission._all_pending == WAITING
    assert door.come(B, speaking=False).state == "silent"
    assert door.admission._all_pending == WAITING


def test_there_are_never_more_connections_than_files() -> None:
    door = Door(most=50)
    tills = door.crowd(50)
    for till in tills:
        door.admission.authenticated(till)
    assert door.come(B).state == "closed"
    door.admission.ended(tills[0])
    assert door.come(B).state == "served"


def test_nothing_is_remembered_of_connections_that_are_gone() -> None:
    door = Door()
    clients = [*door.crowd(300), *door.crowd(300, B, speaking=False)]
    for client in clients:
        door.admission.ended(client)
        door.admission.ended(client)
    door.wait(HOLD)
    door.admission.ended(door.come(A))
    door.wait(HOLD)
    door.admission._next()
    kept = vars(door.admission)
    assert [name for name, value in kept.items() if isinstance(value, dict | set) and value] == []
    assert door.admission._all_pending == 0


def test_few_begin_at_the_same_time() -> None:
    door = Door()
    clients = [Client(A) for _ in range(20)]
    for client in clients:
        door.admission.arrive(client)
        door.admission.speak(client)
    assert states(clients) == {"served": 4, "silent": 16}
    door.take_turns()
    assert states(clients) == {"served": 20}


def test_half_of_ten_digits_takes_more_than_a_year() -> None:
    assert 10**10 / 2 / (admission.PLACES / HOLD) > 365 * 86_400


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert network_of("2001:db8::1%eth0") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("") == ""
