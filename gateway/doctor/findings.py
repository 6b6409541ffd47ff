"""What an examination tells: a verdict for each layer, and a way out for each that is not well."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.i18n.text import Language, Text


class Verdict(StrEnum):
    """How a layer is; `unknown` when something below it keeps us from telling, or it is elsewhere."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Layer(StrEnum):
    """What is looked at, in the order in which one rests on the other."""

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
    GATEWAY = "gateway"
    TLS = "tls"
    TOKEN = "token"  # noqa: S105 (the name of a layer)
    DISK = "disk"
    CLOCK = "clock"


LAYERS = {
    Layer.USB: Text("USB", "USB"),
    Layer.BLOCK: Text("block device", "Blockgerät"),
    Layer.CONTENT: Text("content", "Inhalt"),
    Layer.INFO: Text("info", "Zustand"),
    Layer.SELF_TEST: Text("self test", "Selbsttest"),
    Layer.TIME: Text("time", "Zeit"),
    Layer.PINS: Text("PINs", "PINs"),
    Layer.CLIENTS: Text("clients", "Kassen"),
    Layer.CERTIFICATE: Text("certificate", "Zertifikat"),
    Layer.STORE: Text("store", "Speicher"),
    Layer.GATEWAY: Text("gateway", "Gateway"),
    Layer.TLS: Text("TLS", "TLS"),
    Layer.TOKEN: Text("token", "Token"),
    Layer.DISK: Text("disk", "Platte"),
    Layer.CLOCK: Text("clock", "Uhr"),
}
NOT_STARTED = Text("the gateway has not run yet", "das Gateway lief noch nicht")
_STATUS = {Verdict.OK: 0, Verdict.UNKNOWN: 0, Verdict.WARN: 1, Verdict.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One layer, of one TSE if `serial` is set."""

    layer: Layer
    verdict: Verdict
    text: Text
    remedy: Text | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    serial: str = ""

    def told(self, language: Language) -> str:
        """What was found."""
        return self.text.in_language(language, **self.values)

    def advice(self, language: Language) -> str:
        """What to do; empty if nothing is to be done."""
        return self.remedy.in_language(language, **self.values) if self.remedy else ""


def exit_status(findings: Iterable[Finding]) -> int:
    """0 well (or not known), 1 warnings, 2 something fails."""
    return max((_STATUS[finding.verdict] for finding in findings), default=0)


def ok(layer: Layer, text: Text, serial: str = "", **values: object) -> Finding:
    """This layer is well."""
    return Finding(layer, Verdict.OK, text, None, values, serial)


def warn(layer: Layer, text: Text, remedy: Text, serial: str = "", **values: object) -> Finding:
    """It works, but not for long or not well."""
    return Finding(layer, Verdict.WARN, text, remedy, values, serial)


def fail(layer: Layer, text: Text, remedy: Text, serial: str = "", **values: object) -> Finding:
    """It does not work."""
    return Finding(layer, Verdict.FAIL, text, remedy, values, serial)


def unknown(layer: Layer, text: Text, serial: str = "", **values: object) -> Finding:
    """It cannot be told."""
    return Finding(layer, Verdict.UNKNOWN, text, None, values, serial)
