"""What mends a problem, by its code: the request or the command; `{tse}` is the path of the TSE in the API."""

from collections.abc import Mapping

from gateway.i18n.text import Text

_SELF_TEST = Text(
    "Run it: POST {tse}/self-test, or `tse-gateway selftest`. With the TimeAdmin PIN (GATEWAY_TIME_ADMIN_PIN_FILE) the "
    "gateway does so by itself",
    "Ausführen: POST {tse}/self-test oder `tse-gateway selftest`. Mit der TimeAdmin-PIN (GATEWAY_TIME_ADMIN_PIN_FILE) "
    "tut es das Gateway von selbst",
)
_SET_UP = Text(
    "Set it up: POST {tse}/setup, or `tse-gateway setup`",
    "Einrichten: POST {tse}/setup oder `tse-gateway setup`",
)
_REPLACE = Text(
    "Only another TSE helps: `tse-gateway swap` goes through it",
    "Da hilft nur eine andere TSE: `tse-gateway swap` führt durch den Tausch",
)
_OPEN = Text(
    "Open ones: GET {tse}/transactions/open; they end by POST {tse}/transactions/NUMBER/finish or cancel",
    "Offene: GET {tse}/transactions/open; sie enden mit POST {tse}/transactions/NUMMER/finish oder cancel",
)
_CONFIRM = Text("Ask for a new one: POST {tse}/confirmations", "Eine neue anfordern: POST {tse}/confirmations")
_LOCK = Text(
    "Try again; who holds it: GET {tse}; take it back: POST {tse}/lock/release, or `tse-gateway locks release`",
    "Noch einmal versuchen; wer sie hält: GET {tse}; zurücknehmen: POST {tse}/lock/release oder "
    "`tse-gateway locks release`",
)
_UNBLOCK = Text(
    "The PUK sets a new PIN: POST {tse}/unblock, or `tse-gateway pin unblock`",
    "Die PUK setzt eine neue PIN: POST {tse}/unblock oder `tse-gateway pin unblock`",
)
_PINS = Text(
    "Set-up changes them all: POST {tse}/setup, or `tse-gateway setup`; one by one: POST {tse}/puk and {tse}/pin",
    "Die Einrichtung ändert alle: POST {tse}/setup oder `tse-gateway setup`; einzeln: POST {tse}/puk und {tse}/pin",
)
REMEDIES: Mapping[str, Text] = {
    "no_time_set": Text(
        "Set it: POST {tse}/time, or `tse-gateway time`. With the TimeAdmin PIN (GATEWAY_TIME_ADMIN_PIN_FILE) the "
        "gateway keeps it by itself",
        "Stellen: POST {tse}/time oder `tse-gateway time`. Mit der TimeAdmin-PIN (GATEWAY_TIME_ADMIN_PIN_FILE) hält "
        "das Gateway sie von selbst",
    ),
    "needs_self_test": _SELF_TEST,
    "needs_passed_self_test": _SELF_TEST,
    "signature_error": _SELF_TEST,
    "store_closed": _SELF_TEST,
    "not_initialized": _SET_UP,
    "needs_active_ctss": _SET_UP,
    "needs_pin_change": _PINS,
    "needs_puk_change": _PINS,
    "client_not_registered": Text(
        "Register it: POST {tse}/clients/register, or `tse-gateway clients register`",
        "Anmelden: POST {tse}/clients/register oder `tse-gateway clients register`",
    ),
    "max_registered_clients": Text(
        "Deregister one that is gone: POST {tse}/clients/deregister, or `tse-gateway clients deregister`",
        "Eine abmelden, die es nicht mehr gibt: POST {tse}/clients/deregister oder `tse-gateway clients deregister`",
    ),
    "transaction_not_started": _OPEN,
    "max_parallel_transactions": _OPEN,
    "client_has_open_transactions": _OPEN,
    "tse_has_open_transactions": _OPEN,
    "certificate_expired": _REPLACE,
    "signatures_exceeded": _REPLACE,
    "decommissioned": _REPLACE,
    "pin_blocked": _UNBLOCK,
    "last_try": _UNBLOCK,
    "puk_paused": Text(
        "Wait, then send the right PUK; for how long: GET {tse} (`puk_blocked_seconds`)",
        "Warten, dann die richtige PUK senden; wie lange: GET {tse} (`puk_blocked_seconds`)",
    ),
    "not_confirmed": _CONFIRM,
    "lock_refused": _LOCK,
    "unknown_device": Text(
        "Those that are here: GET /api/v1/tses, or `tse-gateway devices`",
        "Vorhandene: GET /api/v1/tses oder `tse-gateway devices`",
    ),
    "unauthorized": Text(
        "The token stands in session.txt of the gateway's state directory: send `Authorization: Bearer TOKEN`",
        "Das Token steht in session.txt im Zustandsverzeichnis des Gateways: `Authorization: Bearer TOKEN` senden",
    ),
    "forbidden": Text(
        "Send a token with another role, or for this TSE and client id: `tse-gateway token list` shows them",
        "Ein Token mit anderer Rolle oder für diese TSE und Kasse senden: `tse-gateway token list` zeigt sie",
    ),
    "token_unknown": Text(
        "Those that are here: GET /api/v1/tokens, or `tse-gateway token list`",
        "Vorhandene: GET /api/v1/tokens oder `tse-gateway token list`",
    ),
    "no_pool": Text(
        "Name the TSEs in GATEWAY_POOL, the primary first; or sign with one: POST /api/v1/tses/{{serial}}/sign",
        "Die TSEs in GATEWAY_POOL nennen, die erste zuerst; oder mit einer signieren: "
        "POST /api/v1/tses/{{serial}}/sign",
    ),
    "cannot_serve": Text(
        "Which could: GET /api/v1/pool, or `tse-gateway pool show`",
        "Welche könnten: GET /api/v1/pool oder `tse-gateway pool show`",
    ),
    "begun_elsewhere": Text(
        "Ask again with the same key when the TSE is back (GET {tse}); until then issue the receipt as in an outage",
        "Mit demselben Key noch einmal fragen, wenn die TSE zurück ist (GET {tse}); bis dahin den Beleg wie bei einem "
        "Ausfall ausgeben",
    ),
    "store_full": Text(
        "Delete what the archive holds: POST {tse}/delete-stored-data, or replace the TSE: `tse-gateway swap`",
        "Löschen, was archiviert ist: POST {tse}/delete-stored-data, oder die TSE tauschen: `tse-gateway swap`",
    ),
    "clock_not_trusted": Text(
        "Let the machine synchronise its clock (chrony, GATEWAY_NTP_SERVERS), or send `trust_system_clock`",
        "Die Uhr des Rechners synchronisieren (chrony, GATEWAY_NTP_SERVERS) oder `trust_system_clock` senden",
    ),
}
