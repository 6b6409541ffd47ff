"""The words that the form for the tax office (ELSTER, § 146a (4) AO) has for what a TSE tells, in the form's order."""

from gateway.i18n.text import Text

SERIAL = Text("Serial number of the TSE", "Seriennummer der TSE")
IN_SERVICE = Text("TSE in service since", "Inbetriebnahme der TSE")
CERTIFICATION = Text("BSI certification id", "Zertifizierungs-ID (BSI)")
CHECK_DIGITS = Text("Check digits of a typed serial number", "Prüfziffern der abgetippten Seriennummer")
UNKNOWN = Text("not known", "nicht bekannt")
ID_PREFIX = "BSI-K-TR-"  # is not typed into the form
