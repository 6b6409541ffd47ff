"""What the doctor finds: the layer of each check, its status, and a remedy for each that is not in order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gateway.i18n.locales import Locale
from gateway.i18n.remedies import KnownProblem
from gateway.i18n.text import Language, Text, literal
from gateway.limits import AtLeast, AtMost


class CheckStatus(StrEnum):
    """The status of a layer; `unknown` when a layer below it fails, or when it is on another machine."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Layer(StrEnum):
    """The layers in the order in which one rests on the other."""

    USB = "usb"
    BLOCK = "block device"
    CONTENT = "content"
    INFO = "info"
    SELF_TEST = "self test"
    TIME = "time"
    PINS = "pins"
    CLIENTS = "clients"
    CERTIFICATE = "certificate"
    STORE = "store"
    POOL = "pool"
    GATEWAY = "gateway"
    TLS = "tls"
    TOKEN = "token"  # noqa: S105 (the name of a layer)
    DISK = "disk"
    CLOCK = "clock"


LAYERS = {
    Layer.USB: Text("USB", "USB"),
    Layer.BLOCK: Text("drive", "Laufwerk"),
    Layer.CONTENT: Text("content", "Inhalt"),
    Layer.INFO: Text("state", "Zustand"),
    Layer.SELF_TEST: Text("self test", "Selbsttest"),
    Layer.TIME: Text("time", "Zeit"),
    Layer.PINS: Text("PINs", "PINs"),
    Layer.CLIENTS: Text("clients", "Kassen"),
    Layer.CERTIFICATE: Text("certificate", "Zertifikat"),
    Layer.STORE: Text("store", "Speicher"),
    Layer.POOL: Text("pool", "Pool"),
    Layer.GATEWAY: Text("gateway", "Gateway"),
    Layer.TLS: Text("TLS", "TLS"),
    Layer.TOKEN: Text("token", "Token"),
    Layer.DISK: Text("disk", "Platte"),
    Layer.CLOCK: Text("clock", "Uhr"),
}
NOT_STARTED = Text("the gateway has not run yet", "das Gateway lief noch nicht")
SUMMARIES = {  # by the exit status
    0: Text("everything that could be examined is in order", "alles, was sich untersuchen ließ, ist in Ordnung"),
    1: Text("warnings: please look at them", "Warnungen: bitte ansehen"),
    2: Text(
        "something does not work or must be done now: begin with the first one",
        "etwas funktioniert nicht oder ist jetzt zu tun: beim Ersten beginnen",
    ),
}
_EXIT_STATUS = {CheckStatus.OK: 0, CheckStatus.UNKNOWN: 0, CheckStatus.WARN: 1, CheckStatus.FAIL: 2}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The status of one layer, of one TSE if `serial` is set; `values` fill the placeholders of both texts."""

    layer: Layer
    status: CheckStatus
    text: Text
    remedy: Text | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    serial: str = ""

    def text_in(self, language: Language) -> str:
        """Return what was found."""
        return self.text.in_language(language, **self.values)

    def remedy_in(self, language: Language) -> str:
        """Return what to do; empty if nothing is to be done."""
        return self.remedy.in_language(language, **self.values) if self.remedy else ""

    def as_data(self, language: Language) -> dict[str, str]:
        """Return it as JSON data; layer and verdict are stable, the texts are not."""
        return {
            "layer": self.layer.value,
            "tse": self.serial,
            "verdict": self.status.value,
            "text": self.text_in(language),
            "remedy": self.remedy_in(language),
        }


def exit_status(results: Iterable[CheckResult]) -> int:
    """Return 0 if all is in order or unknown, 1 for warnings, 2 if a layer fails."""
    return max((_EXIT_STATUS[result.status] for result in results), default=0)


def ok(layer: Layer, text: Text, serial: str = "", **values: object) -> CheckResult:
    """Return that the layer is in order."""
    return CheckResult(layer, CheckStatus.OK, text, None, values, serial)


def warn(layer: Layer, text: Text, remedy: Text, serial: str = "", **values: object) -> CheckResult:
    """Return that the layer works, but needs attention."""
    return CheckResult(layer, CheckStatus.WARN, text, remedy, values, serial)


def fail(layer: Layer, text: Text, remedy: Text, serial: str = "", **values: object) -> CheckResult:
    """Return that the layer does not work, or that something must be done now."""
    return CheckResult(layer, CheckStatus.FAIL, text, remedy, values, serial)


def failed(layer: Layer, problem: KnownProblem, serial: str = "", **values: object) -> CheckResult:
    """Return that the layer does not work because of a known problem."""
    return CheckResult(layer, CheckStatus.FAIL, problem.text, problem.remedy, values, serial)


def unknown(layer: Layer, text: Text, serial: str = "", **values: object) -> CheckResult:
    """Return that the status of the layer cannot be told."""
    return CheckResult(layer, CheckStatus.UNKNOWN, text, None, values, serial)


def day(date: date) -> Text:
    """Return a date as readers of each language write it."""
    return literal(Locale("en").day(date), Locale("de").day(date))


def decimal(number: str) -> Text:
    """Return a number with a decimal point as readers of each language write it."""
    return literal(number, number.replace(".", ","))


def graded(value: float, limit: AtLeast | AtMost) -> CheckStatus:
    """Return the status that a limit gives to a value."""
    if limit.is_critical(value):
        return CheckStatus.FAIL
    return CheckStatus.WARN if limit.warns(value) else CheckStatus.OK


def measured(
    layer: Layer, status: CheckStatus, text: Text, remedy: Text, serial: str = "", **values: object
) -> CheckResult:
    """Return a measured value with the status that it has; the remedy is left out if it is in order."""
    return CheckResult(layer, status, text, None if status is CheckStatus.OK else remedy, values, serial)
