"""Names of the log messages in an export (BSI TR-03151).

    {Unixt|Utc|Gent}_{time}_Sig-{counter}_Log-Tra_No-{number}_{Start|Update|Finish}_Client-{client id}[_Fc-{n}].log
    {Unixt|Utc|Gent}_{time}_Sig-{counter}_Log-Sys_{operation}[_Fc-{n}].log
    {Unixt|Utc|Gent}_{time}_Sig-{counter}_Log-Aud[_Fc-{n}].log

`time` is in Unix seconds or as in the message. The file counter `Fc` tells messages apart that would be named alike.
"""

import re
from dataclasses import dataclass

ENDING = ".log"

_PREFIXES = {"unixTime": "Unixt", "utcTime": "Utc", "generalizedTime": "Gent"}
_UNIX = re.compile(
    r"Unixt_(\d+)_Sig-(\d+)_Log-(?:Tra_No-(\d+)_([A-Z][a-z]+)_Client-(.*)|Sys_.*|Aud.*)\.log", re.ASCII | re.DOTALL
)
_FILE_COUNTER = re.compile(r"_Fc-\d+(?=\.log$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogName:
    """What a name tells; `number`, `step` and `client_id` of transactions only. `log_time` in Unix seconds."""

    log_time: int
    counter: int
    number: int | None
    step: str
    client_id: str

    @classmethod
    def parse(cls, name: str) -> "LogName | None":
        """Return what `name` tells, `None` unless it is that of a log message in Unix time."""
        found = _UNIX.fullmatch(name)
        if found is None:
            return None
        number = None if found[3] is None else int(found[3])
        return cls(int(found[1]), int(found[2]), number, found[4] or "", found[5] or "")


def transaction(
    time_format: str, time: str, counter: int, *, number: int | None, operation: str, client_id: str
) -> str:
    """Return the name of a step of a transaction; `operation` as in the message, such as `StartTransaction`."""
    step = operation.removesuffix("Transaction").capitalize()
    return f"{_stem(time_format, time, counter)}Tra_No-{number}_{step}_Client-{client_id}{ENDING}"


def system(time_format: str, time: str, counter: int, operation: str) -> str:
    """Return the name of a system log; `operation` as in the message."""
    return f"{_stem(time_format, time, counter)}Sys_{operation}{ENDING}"


def audit(time_format: str, time: str, counter: int) -> str:
    """Return the name of an audit log."""
    return f"{_stem(time_format, time, counter)}Aud{ENDING}"


def without_file_counter(name: str) -> str:
    """Return `name` without its file counter, if it has one."""
    return _FILE_COUNTER.sub("", name)


def is_exported(name: str) -> bool:
    """Tell whether `name` begins as those of an export do."""
    return name.startswith(tuple(f"{prefix}_" for prefix in _PREFIXES.values()))


def _stem(time_format: str, time: str, counter: int) -> str:
    return f"{_PREFIXES[time_format]}_{time}_Sig-{counter}_Log-"
