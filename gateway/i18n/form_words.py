"""The words that the form for the tax office (ELSTER, § 146a (4) AO) has for what a TSE tells, in the form's order."""

from collections.abc import Iterable, Mapping

from gateway.i18n.text import Text, joined, literal

SERIAL = Text("Serial number of the TSE", "Seriennummer der TSE")
IN_SERVICE = Text("TSE in service since", "Inbetriebnahme der TSE")
CERTIFICATION = Text("BSI certification id", "Zertifizierungs-ID (BSI)")
CHECK_DIGITS = Text("Check digits of a typed serial number", "Prüfziffern der abgetippten Seriennummer")
UNKNOWN = Text("not known", "nicht bekannt")
ID_PREFIX = "BSI-K-TR-"  # is not typed into the form

# What a TSE may be unable to tell, by its name in the API.
TOLD_BY_TSE: Mapping[str, Text] = {"tse_in_service": IN_SERVICE, "certification_id": CERTIFICATION}


def in_words(missing: Iterable[str]) -> Text:
    """Return names of the API in the words of the form."""
    return joined([TOLD_BY_TSE.get(name, literal(name, name)) for name in missing], ", ")
