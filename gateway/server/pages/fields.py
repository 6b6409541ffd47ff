"""Fields that several forms have."""

from gateway.i18n.text import Text
from gateway.server.pages.forms import Field, Kind

_FIVE = Text("5 characters", "5 Zeichen")
ADMIN_PIN = Field("admin_pin", Text("Admin PIN", "Admin-PIN"), Kind.SECRET, _FIVE, length=5)
CLIENT_ID = Field(
    "client_id",
    Text("Client id of the till", "Kassen-ID (Client-ID)"),
    hint=Text(
        "The name that the POS sends for this till, letter by letter.",
        "Der Name, den die Kassensoftware für diese Kasse sendet, Zeichen für Zeichen.",
    ),
    length=30,
    wrong=Text(
        "A client id has 1 to 30 characters: letters without umlauts (ae for ä), digits, spaces and signs, but no "
        "slash and no backslash.",
        "Eine Kassen-ID hat 1 bis 30 Zeichen: Buchstaben ohne Umlaute (ae für ä), Ziffern, Leer- und Satzzeichen, "
        "aber keinen Schrägstrich und keinen Backslash.",
    ),
)
RISK = Field(
    "risk_lockout",
    Text(
        "Send it all the same: I know what is blocked if it is wrong",
        "Trotzdem senden: ich weiß, was gesperrt wird, wenn sie falsch ist",
    ),
    Kind.CHECK,
    after=frozenset({"last_try", "known_wrong"}),
)
TRUST_CLOCK = Field(
    "trust_system_clock",
    Text(
        "I have compared the time shown here with a right clock: set it all the same",
        "Ich habe die hier angezeigte Uhrzeit mit einer richtigen Uhr verglichen: trotzdem stellen",
    ),
    Kind.CHECK,
    after=frozenset({"clock_not_trusted"}),
)
