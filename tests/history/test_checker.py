"""The checker finds each kind of violation, names the receipt, and finds nothing where nothing is wrong."""

import time

import pytest

from gateway.tse.der import integer_element
from gateway.tse.logmessage import LogMessage, UnsignedMessage
from gateway.tse.tar import END, member
from tests.history.checker import Report, check, demand_explained
from tests.history.events import Action, History, Signature, Step

NOW = 1_790_000_000
OPERATIONS = {Action.START: "StartTransaction", Action.UPDATE: "UpdateTransaction", Action.FINISH: "FinishTransaction"}


class Refusal(Exception):
    """The TSE has not signed."""


class Lost(Exception):
    """Nobody knows."""


class Story:
    """A store and a history, written by hand."""

    def __init__(self) -> None:
        self.history = History()
        self.store: list[bytes] = []
        self.counter = 0
        self.number = 0

    def sign(self, action: Action, client: bytes = b"POS-1", number: int = 0, data: bytes = b"") -> Signature:
        """A message in the store."""
        self.counter += 1
        if action is Action.START:
            self.number = number = self.number + 1
        draft = UnsignedMessage.transaction(
            operation=OPERATIONS[action],
            client_id=client,
            process_data=data,
            process_type=b"",
            number=number,
            serial=bytes(32),
            counter=self.counter,
            log_time=integer_element(NOW),
        )
        signature = self.counter.to_bytes(96, "big")
        self.store.append(draft.sealed(signature))
        return Signature(number, self.counter, NOW, signature)

    def ask(self, step: Step, answer: Signature | Exception) -> None:
        """One try with its end."""
        try:
            with self.history.asking(step, lambda error: isinstance(error, Refusal)) as answered:
                if isinstance(answer, Exception):
                    raise answer
                answered(answer)
        except (Refusal, Lost):
            return

    def receipt(self, name: str, client: bytes = b"POS-1") -> tuple[Signature, Signature]:
        """Start and finish, both answered."""
        started = self.sign(Action.START, client)
        self.ask(start(name, client), started)
        finished = self.sign(Action.FINISH, client, started.number, name.encode())
        self.ask(finish(name, started.number, client), finished)
        return started, finished

    def check(self) -> Report:
        return check(self.history, map(LogMessage.decode, self.store))

    def only_violation(self) -> str:
        (violation,) = self.check().violations
        return violation


def start(name: str, client: bytes = b"POS-1") -> Step:
    return Step(f"{name} start", Action.START, client)


def finish(name: str, number: int, client: bytes = b"POS-1") -> Step:
    return Step(f"{name} finish", Action.FINISH, client, number, data=name.encode())


def key(name: str, client: bytes = b"POS-1") -> Step:
    return Step(name, Action.SIGN, client, data=name.encode())


@pytest.fixture
def story() -> Story:
    """A till has sold one receipt; the checks must not take its steps for others."""
    made = Story()
    made.receipt("first")
    return made


def test_receipts_that_were_answered_are_explained(story: Story) -> None:
    story.receipt("second", b"POS-2")
    assert story.check() == Report(steps=4, answered=4, signatures=4, untold=(), violations=())


def test_a_step_whose_answer_was_lost_explains_its_message(story: Story) -> None:
    story.ask(start("second"), Lost())
    story.sign(Action.START)
    report = story.check()
    assert (report.untold, report.violations) == (("second start",), ())


def test_a_step_whose_answer_was_lost_need_not_have_been_signed(story: Story) -> None:
    story.ask(start("second"), Lost())
    story.ask(key("third"), Lost())
    assert story.check().violations == ()


def test_a_step_that_was_tried_again_explains_one_message(story: Story) -> None:
    story.ask(start("second"), Lost())
    story.ask(start("second"), Refusal())
    story.ask(start("second"), story.sign(Action.START))
    assert story.check().violations == ()


def test_a_key_explains_the_start_and_the_finish(story: Story) -> None:
    story.ask(key("second"), Lost())
    started = story.sign(Action.START)
    answer = story.sign(Action.FINISH, number=started.number, data=b"second")
    story.ask(key("second"), answer)
    story.ask(key("second"), answer)
    assert story.check().violations == ()


def test_a_key_that_was_never_answered_explains_both_too(story: Story) -> None:
    story.ask(key("second"), Lost())
    started = story.sign(Action.START)
    story.sign(Action.FINISH, number=started.number, data=b"second")
    report = story.check()
    assert (report.untold, report.violations) == (("second",), ())


def test_a_refused_key_may_leave_its_start(story: Story) -> None:
    story.ask(key("second"), Refusal())
    story.sign(Action.START)
    assert story.check().violations == ()


def test_the_export_of_a_tse_is_what_is_checked(story: Story) -> None:
    files = [member("info.csv", b"", mtime=NOW), member("certificate.pem", b"", mtime=NOW)]
    files += [member(LogMessage.decode(raw).file_name, raw, mtime=NOW) for raw in story.store]
    tar = b"".join(files) + END
    assert demand_explained(story.history, tar).signatures == 2
    story.ask(start("second"), Signature(2, 3, NOW, bytes(96)))
    with pytest.raises(AssertionError, match="'second start' was answered with signature 3, which is not in the store"):
        demand_explained(story.history, tar)


def test_a_gap_in_the_counters_is_found(story: Story) -> None:
    story.counter += 1
    story.receipt("second")
    assert (
        story.only_violation() == "signature 4 (start of transaction 2 by POS-1) stands behind signature 2 in the store"
    )


def test_a_transaction_number_that_is_left_out_is_found(story: Story) -> None:
    story.number += 1
    story.receipt("second")
    assert story.only_violation() == "signature 3 (start of transaction 3 by POS-1) follows the start of transaction 1"


def test_a_step_in_the_transaction_of_another_client_is_found(story: Story) -> None:
    started = story.sign(Action.START)
    story.ask(start("second"), started)
    story.ask(finish("second", 2, b"POS-2"), story.sign(Action.FINISH, b"POS-2", 2, b"second"))
    assert "signature 4 (finish of transaction 2 by POS-2) is there, but" in story.only_violation()


def test_an_answered_signature_that_is_not_in_the_store_is_found(story: Story) -> None:
    story.ask(start("second"), Signature(2, 3, NOW, bytes(96)))
    assert story.only_violation() == "'second start' was answered with signature 3, which is not in the store"


@pytest.mark.parametrize("forged", [Signature(2, 3, NOW, bytes(96)), Signature(2, 3, NOW + 1, (3).to_bytes(96, "big"))])
def test_an_answer_with_other_bytes_than_the_store_is_found(story: Story, forged: Signature) -> None:
    story.sign(Action.START)
    story.ask(start("second"), forged)
    assert "'second start' was answered with signature 3 of transaction 2" in story.only_violation()


def test_the_answer_that_belongs_to_another_till_is_found(story: Story) -> None:
    with story.history.asking(start("one")) as one, story.history.asking(start("two", b"POS-2")) as two:
        two(story.sign(Action.START, b"POS-1"))
        one(story.sign(Action.START, b"POS-2"))
    assert story.check().violations == (
        "'one start' was answered with signature 4 (start of transaction 3 by POS-2), which is not what it asked for",
        "'two start' was answered with signature 3 (start of transaction 2 by POS-1), which is not what it asked for",
    )


def test_one_signature_for_two_tills_is_found(story: Story) -> None:
    answer = story.sign(Action.START)
    with story.history.asking(start("second")) as second, story.history.asking(start("third")) as third:
        second(answer)
        third(answer)
    assert "'third start' has signature 3 (start of transaction 2 by POS-1), which belongs to 'second start'" in (
        story.only_violation()
    )


def test_a_key_that_took_the_start_of_a_till_is_found(story: Story) -> None:
    with story.history.asking(key("second")) as answered:
        started = story.sign(Action.START)
        story.ask(start("third"), started)
        answered(story.sign(Action.FINISH, number=started.number, data=b"second"))
    assert "which belongs to 'second'" in story.only_violation()


def test_a_key_that_took_an_older_start_is_found(story: Story) -> None:
    story.ask(start("second"), Lost())
    started = story.sign(Action.START)
    story.receipt("third")
    story.ask(key("fourth"), story.sign(Action.FINISH, number=started.number, data=b"fourth"))
    assert "'fourth' has signature 3 (start of transaction 2 by POS-1), which was made before" in story.only_violation()


def test_a_receipt_that_was_signed_twice_is_found(story: Story) -> None:
    started = story.sign(Action.START)
    story.ask(start("second"), started)
    step = finish("second", started.number)
    story.ask(step, Lost())
    story.sign(Action.FINISH, number=started.number, data=b"second")
    story.ask(step, story.sign(Action.FINISH, number=started.number, data=b"second"))
    assert "'second finish' was signed twice: signatures 5 and 4" in story.check().violations


def test_a_key_that_was_signed_twice_is_found(story: Story) -> None:
    story.ask(key("second"), Lost())
    for _ in range(2):
        started = story.sign(Action.START)
        answer = story.sign(Action.FINISH, number=started.number, data=b"second")
    story.ask(key("second"), answer)
    assert "'second' was signed twice: signatures 6 and 4" in story.check().violations


def test_a_message_that_nobody_asked_for_is_found(story: Story) -> None:
    story.sign(Action.START, b"POS-2")
    assert story.only_violation() == "signature 3 (start of transaction 2 by POS-2) was asked for by nobody"


def test_a_message_whose_till_was_refused_is_found(story: Story) -> None:
    started = story.sign(Action.START)
    story.ask(start("second"), started)
    story.ask(finish("second", started.number), Refusal())
    story.sign(Action.FINISH, number=started.number, data=b"second")
    assert "'second finish' was refused, yet signature 4" in story.only_violation()


def test_a_message_from_before_it_was_asked_for_is_found(story: Story) -> None:
    story.sign(Action.START, b"POS-2")
    story.receipt("second")
    story.ask(start("third", b"POS-2"), Lost())
    assert "'third start' was asked for only after signature 3" in story.only_violation()


def test_an_answer_from_before_the_request_is_found(story: Story) -> None:
    early = story.sign(Action.START)
    story.ask(start("third"), story.sign(Action.START))
    story.ask(start("second"), early)
    assert story.only_violation() == (
        "'second start' was answered with signature 3, but signature 4 was known before it was asked for"
    )


def test_requests_at_the_same_time_may_be_signed_in_any_order(story: Story) -> None:
    with story.history.asking(start("second")) as second, story.history.asking(start("third")) as third:
        later, earlier = story.sign(Action.START), story.sign(Action.START)
        third(later)
        second(earlier)
    assert story.check().violations == ()


def test_a_key_that_is_answered_in_two_ways_is_found(story: Story) -> None:
    started = story.sign(Action.START)
    story.ask(key("second"), story.sign(Action.FINISH, number=started.number, data=b"second"))
    story.ask(key("second"), started)
    assert story.only_violation().startswith("'second' was answered with signature 4 of transaction 2")


def test_a_last_signature_that_is_not_the_last_is_found(story: Story) -> None:
    started, finished = story.receipt("second")
    story.ask(Step("look", Action.LAST, b"POS-1"), finished)
    assert story.check().violations == ()
    story.ask(Step("look again", Action.LAST, b"POS-1"), started)
    assert story.only_violation() == "look again: signature 3 was told as the last one, after signature 4"


def test_a_last_signature_of_another_client_is_found(story: Story) -> None:
    started, _ = story.receipt("second", b"POS-2")
    story.ask(Step("look", Action.LAST, b"POS-1"), started)
    assert "look: the last signature signature 3" in story.only_violation()


def test_a_hundred_thousand_steps_take_seconds() -> None:
    story = Story()
    for number in range(25_000):
        story.receipt(f"receipt {number}")
        story.ask(start(f"lost {number}"), Lost())
        started = story.sign(Action.START)
        story.ask(finish(f"lost {number}", started.number), Lost())
        story.sign(Action.FINISH, number=started.number, data=b"lost %d" % number)
    messages = [LogMessage.decode(raw) for raw in story.store]
    began = time.process_time()
    report = check(story.history, messages)
    seconds = time.process_time() - began
    print(f"{len(messages)} signatures and {len(story.history.events)} events checked in {seconds:.2f} s")
    assert (report.steps, report.answered, len(report.untold), report.violations) == (100_000, 50_000, 50_000, ())
    assert seconds < 20
