"""Assumptions: each behaviour of the simulated TSE that no real device has confirmed, with its reason.

What is known stands where it happens. Whoever has a real device checks this page against it. Assumed behaviour that is
no value stands in the code:

    order of the checks of a command                            needs.check
    a second announcement replaces the first                    transactions.open_import
    a self test for an unknown client undoes none that passed   clients.self_test
    store blocks outside of the announced data are ignored      session.Import.write
    a command written while busy is ignored                     device.write_window
    a fetch with nothing to fetch is answered like a command    lifecycle.fetch_response

Of generation 2 no real device was asked at all. What the vendor's library sends to it and accepts is known; beyond the
values below it is assumed:

    the needs of commands and their order are as in generation 1   needs, handlers
    one user is logged in at a time; a login ends the one before   users.login
    a PUK during the pause is refused like a wrong one, unseen     users.check_puk
    the pause begins afresh at power-up                            users.puk_pause
    a fresh one passes its self test                               clients.self_test
    the field that the library adds to command 90 may be missing   handlers.execute
    a logout by time leaves no log message                         core.logged_in
"""

from gateway.tse.commands import Decommission, Initialize, Login, Logout, SetTime
from gateway.tse.fields import Command, Generation
from gateway.tse.products import SIMULATED
from gateway.tse.results import Result

# --- identity ---
MARK = SIMULATED  # appears in certificate, info.csv and description: nobody may take this for a certified TSE
DESCRIPTION = f"BSI-K-TR-0000-2026 {MARK}"  # real ones carry the number of their certification
MANUFACTURER = f"{MARK} of tse-gateway, not certified"
FORM_FACTOR = "USB"
HARDWARE_VERSION = 0x0001_00_00
SOFTWARE_VERSIONS = {Generation.ONE: 0x0001_01_00, Generation.TWO: 0x0002_00_00}
RELEASE = "RLS"  # firmware type of retail devices; DEV and TST allow the factory reset
DEVELOPMENT = ("DEV", "TST")  # what the vendor's library calls development firmware
CERTIFICATE_YEARS = 5  # usual life of the certificate of retail devices

# --- limits ---
CAPACITY_BLOCKS = 15_000_000  # about 7.7 GB, the store of a device of 8 GB
MAX_SIGNATURES = 20_000_000
MAX_SIGNATURES_SETTABLE = 99_999_999  # more digits would push member names over the 100 bytes of a TAR header
MAX_OPEN_TRANSACTIONS = 512
MAX_CLIENTS = 100
MAX_CLIENT_ID = 30
MAX_PROCESS_TYPE = 100  # TR-03151 sets this limit
MAX_PROCESS_DATA = 64 * 1024 * 1024  # far over any receipt; keeps a wrong length from eating the memory
MAX_TRIES = 3  # PINs and the PUK; third-party code warns that three wrong tries lock a TSE
RESERVED_BLOCKS = 128  # for system logs when transactions no longer fit: else no Admin could log in and empty the store
LAST_UNIX_TIME = 9_999_999_999  # ten digits, for the same 100 bytes of a member name

# Client ids become part of a member name: printable ASCII, nothing that a file system takes for a path.
CLIENT_ID_BYTES = frozenset(range(0x20, 0x7F)) - frozenset(b"/\\")

# --- times in seconds ---
SELF_TEST_VALID = 90_000  # 25 hours
TIME_SYNC_DELAY = 1800  # host must set the time this often, else it is no longer valid
UPDATE_DELAY = 60
AUTO_LOGOUT = 300  # generation 2, since the last command
LONGEST_PUK_PAUSE = 3600  # generation 2: 1, 2, 4 ... after each wrong PUK (reported from a development device)

# --- behaviour ---
PART_BYTES = 496  # certificate and export parts; the vendor's library asks in these steps
STAGING_DISTANCE = 2  # blocks between the used store and the process data: the end of the archive stays zero
FILTER_BY_CLIENT_KEEPS_SYSTEM_LOGS = True  # TR-03151: a client filter restricts transactions; system logs concern all
REFUSED_BY_GENERATION_2 = Result.UNKNOWN_COMMAND  # commands of generation 1 and filtered exports; its code is unknown
ORIGIN = "integration-interface"  # of system logs of version 3
FILTER_BY_NUMBER_KEEPS_SYSTEM_LOGS = False  # vendor's words: only data belonging to the transactions

# --- which commands log (one signature each), as the recorded counters show ---
# Failed logins, changes of PINs, PUK and clients, CTSS, self test and deletion write none; no login of generation 2.
_LIFE: dict[type[Command], str] = {
    Initialize: "Initialize",
    SetTime: "UpdateTime",
    Decommission: "DisableSecureElement",
}
# TR-03151 v1.0.1 spells them with a capital; the other logs of this firmware do so too. Log version 3 does not.
SYSTEM_LOGS: dict[Generation, dict[type[Command], str]] = {
    Generation.ONE: {**_LIFE, Login: "AuthenticateUser", Logout: "LogOut"},
    Generation.TWO: {kind: name[0].lower() + name[1:] for kind, name in _LIFE.items()},
}
NEEDS_VALID_TIME_TO_LOG: frozenset[type[Command]] = frozenset({Login, Logout})

# --- flash health: a new device ---
SPARE_BLOCKS_PERCENT = 100
ENDURANCE = 3000
