"""Names of log messages: what is written is what is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tse import log_names
from gateway.tse.log_names import LogName

numbers = st.integers(0, 2**64 - 1)


@given(numbers, numbers, numbers, st.sampled_from(["Start", "Update", "Finish"]), st.text())
def test_the_name_of_a_transaction_is_read_back(time: int, counter: int, number: int, step: str, client: str) -> None:
    name = log_names.transaction(
        "unixTime", str(time), counter, number=number, operation=f"{step}Transaction", client_id=client
    )
    assert LogName.parse(name) == LogName(time, counter, number, step, client)
    assert log_names.is_exported(name)


@given(numbers, numbers, st.text())
def test_the_names_of_other_logs_tell_time_and_counter(time: int, counter: int, operation: str) -> None:
    expected = LogName(time, counter, None, "", "")
    assert LogName.parse(log_names.system("unixTime", str(time), counter, operation)) == expected
    assert LogName.parse(log_names.audit("unixTime", str(time), counter)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "info.csv",
        "Unixt_1_Sig-2_Log-Aud",
        "Unixt_x_Sig-2_Log-Aud.log",
        "Unixt_²_Sig-2_Log-Aud.log",
        "Unixt_1_Sig-2_Log-Tra_No-_Start_Client-a.log",
        "Utc_230601120000Z_Sig-2_Log-Aud.log",
        "x/Unixt_1_Sig-2_Log-Aud.log",
    ],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert LogName.parse(name) is None


def test_the_file_counter_stands_before_the_ending_only() -> None:
    assert log_names.without_file_counter("Unixt_1_Sig-2_Log-Aud_Fc-12.log") == "Unixt_1_Sig-2_Log-Aud.log"
    for name in ("Unixt_1_Sig-2_Log-Aud.log", "Unixt_1_Sig-2_Log-Sys_Fc-1_x.log"):
        assert log_names.without_file_counter(name) == name
