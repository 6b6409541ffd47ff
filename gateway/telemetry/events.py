"""The events in the log: one stable name each, in the field `event` of a JSON line.

    log.warning("TSE %s failed: %s", serial, reason, extra=event(Event.FAILED, serial))

Names are never changed and never used for anything else; compose/monitoring/EVENTS.md is written from this table.
"""

from enum import StrEnum
from typing import Self


class Event(StrEnum):
    """Name of an event, the level of its line, and its meaning."""

    level: str
    meaning: str

    def __new__(cls, name: str, level: str, meaning: str) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.level, member.meaning = level, meaning
        return member

    STARTED = "started", "INFO", "The gateway serves its tills."
    DRAINING = "draining", "INFO", "Asked to stop: nobody new gets a TSE, and whoever has one may finish."
    STOPPING = "stopping", "INFO", "The gateway stops in order; what runs is finished."
    STOPPED = "stopped", "INFO", "The gateway let go of everything and ends."
    STOOD_STILL = (
        "stood_still",
        "ERROR",
        "The event loop had no turn for `hang_timeout`: the process ends by itself, to be started anew.",
    )
    NO_TSE = "no_tse", "WARNING", "The gateway has started and sees no TSE."
    TLS_RENEWED = "tls_renewed", "INFO", "Another certificate is used from now on; clients that check it may care."
    TLS_REFUSED = "tls_refused", "ERROR", "A new certificate cannot be used; the old one stays."
    CLOCK_FIT = "clock_fit", "INFO", "TSEs may be given the time of this host."
    CLOCK_UNFIT = "clock_unfit", "WARNING", "TSEs are given no time: nobody keeps this host's clock right."
    MIGRATED = "migrated", "INFO", "The state directory was brought to the format of this version."
    DISK_TROUBLE = (
        "disk_trouble",
        "WARNING",
        "Something cannot be written below the state directory; the line tells what.",
    )
    STATE_NOT_WRITABLE = (
        "state_not_writable",
        "WARNING",
        "The state directory cannot be written: signing stops at the next power-up after a restart of the gateway.",
    )
    STATE_WRITABLE = "state_writable", "INFO", "The state directory can be written again."
    OUT_OF_FILES = "out_of_files", "ERROR", "The process may open no more files: new connections are refused."
    FILE_DAMAGED = (
        "file_damaged",
        "WARNING",
        "A file below the state directory, or lines of it, cannot be read; the line tells which and what helps.",
    )
    DEFECT = "defect", "ERROR", "A defect of the gateway; the line has what its authors need."

    ATTACHED = "attached", "INFO", "A TSE was plugged in."
    DETACHED = "detached", "INFO", "A TSE was pulled."
    OPENED = "opened", "INFO", "A TSE can be used for the first time since the start."
    RECOVERED = "recovered", "INFO", "A TSE that had failed can be used again."
    NOT_OPENED = "not_opened", "WARNING", "Something looks like a TSE and cannot be used; it is tried again."
    FAILED = "failed", "ERROR", "A TSE cannot be used any more; it will be opened afresh."
    MISSING = "missing", "WARNING", "A TSE of the time before the start is not there."
    RETIRED = "retired", "INFO", "An operator said that a TSE is gone for good; nobody misses it any more."
    OUTAGE_BEGAN = "outage_began", "WARNING", "An outage is written down; `reason` is its class."
    OUTAGE_ENDED = "outage_ended", "INFO", "The TSE can be used again; `seconds` and `refused` tell what it cost."

    STANDBY_SERVES = "standby_serves", "WARNING", "A standby of the pool serves in place of `primary`; `reason` is why."
    PRIMARY_SERVES = "primary_serves", "INFO", "The primary of the pool serves again, by an operator or the night."
    STANDBY_UNREADY = (
        "standby_unready",
        "WARNING",
        "A standby of the pool lacks clients of the primary, at least `missing` of them: they could not sign there.",
    )

    SELF_TEST_DUE = "self_test_due", "INFO", "A TSE signs nothing before its self test."
    SELF_TEST_PASSED = "self_test_passed", "INFO", "Whoever ran it: a till, an operator or the gateway."
    SELF_TEST_FAILED = "self_test_failed", "ERROR", "The TSE found itself broken; `result` tells where."
    TIME_DUE = "time_due", "INFO", "A TSE signs nothing before it is given the time."
    TIME_SET = "time_set", "INFO", "Whoever set it: a till, an operator or the gateway."
    MAINTENANCE_FAILED = "upkeep_failed", "WARNING", "What the gateway did by itself was refused; `duty` tells what."
    MAINTENANCE_HELD_BACK = (
        "upkeep_held_back",
        "WARNING",
        "The gateway does nothing by itself until the reason is gone.",
    )
    PIN_REFUSED = "pin_refused", "WARNING", "A wrong PIN or PUK reached a TSE; `tries_left` until a block, if any."
    PIN_CHANGED = "pin_changed", "INFO", "A PIN or PUK was changed or unblocked; `user` tells whose."

    CLIENT_REGISTERED = "client_registered", "INFO", "A till may sign from now on; `client` is its id."
    CLIENT_DEREGISTERED = "client_deregistered", "INFO", "A till may no longer sign."
    SET_UP = "set_up", "INFO", "A TSE was put into service."
    DECOMMISSIONED = "decommissioned", "WARNING", "A TSE was taken out of service for good."
    DATA_DELETED = "data_deleted", "WARNING", "The stored log messages of a TSE were deleted."

    SIGNATURE_LOST = (
        "signature_lost",
        "WARNING",
        "The answer to a signature did not come; the TSE will be asked for it.",
    )
    FOUND_AHEAD = (
        "found_ahead",
        "WARNING",
        "A TSE holds transactions that this gateway does not know: used elsewhere, or the state is an older backup.",
    )
    SIGNATURE_SETTLED = "signature_settled", "WARNING", "The TSE told whether it signed; `outcome` is what it said."
    LOCK_EXPIRED = "lock_expired", "WARNING", "A till was silent, gone or too long at it, so its lock was taken back."
    LOCK_BROKEN = "lock_broken", "WARNING", "An operator took the lock from its holder; `peer` and `client` tell whom."
    LOCK_REFUSED = (
        "lock_refused",
        "WARNING",
        "A till waited in vain for a TSE; `peer`, `client`, `holder` tell who for whom.",
    )
    ARCHIVED = "archived", "INFO", "What a TSE signed since is verified and kept; `counter` is the last signature."
    ARCHIVE_FAILED = "archive_failed", "WARNING", "A run of an archive failed, `reason` is why; the next goes on."
    ARCHIVE_DAMAGED = "archive_damaged", "ERROR", "The verifier or a hash found an error in an archive."
    UPLOADED = "uploaded", "INFO", "An archive is complete at a target, read back; `last` is its newest segment."
    UPLOAD_FAILED = (
        "upload_failed",
        "WARNING",
        "An upload to a target failed, `reason` is why; it is tried again.",
    )
    STAMPED = "stamped", "INFO", "The authority stamped the newest manifest `file` of an archive."
    STAMP_FAILED = (
        "stamp_failed",
        "WARNING",
        "The newest manifest has no time stamp, `reason` is why; it is tried again.",
    )
    NOTIFIED = "notified", "INFO", "A mail or a webhook told that something needs attention, or that it is over."
    NOTIFICATION_FAILED = (
        "notification_failed",
        "WARNING",
        "A notification could not be sent by `channel`; it is tried again.",
    )
    NOTIFICATION_GIVEN_UP = (
        "notification_given_up",
        "ERROR",
        "A notification was not sent by `channel` for three days, or too many wait.",
    )
    EXPORT_BROKEN = "export_broken", "WARNING", "An export ended early; whoever wanted it must begin again."
    TOKENS_CHANGED = "tokens_changed", "INFO", "Other tokens are accepted from now on, as files say."
    TOKENS_REFUSED = "tokens_refused", "ERROR", "A file of tokens cannot be used; those of before stay."
    TOKEN_SHORT = "token_short", "WARNING", "The LAN token is short, or not as the setting `token_digits` wants it."
    LOGIN = "login", "INFO", "An administrator logged in at the status page; `peer` is the address."
    LOGIN_REFUSED = "login_refused", "WARNING", "A wrong API token; more of them are told once a minute."
    LOGIN_SLOWED = "login_slowed", "WARNING", "An address guesses a short token; its tries are judged slowly."
    FORBIDDEN = "forbidden", "WARNING", "A token asked for what it is not for; told once a minute for each address."
    TOKENS_GUESSED = (
        "tokens_guessed",
        "WARNING",
        "A minute with several wrong API tokens: `count` of them, most from `peer`.",
    )


def event(which: Event, serial: str = "", **fields: object) -> dict[str, object]:
    """Return the `extra` of a log call; `serial` is that of the TSE which the line is about."""
    about = {"serial": serial} if serial else {}
    return {"event": which.value, **about, **fields}
