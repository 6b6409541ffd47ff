"""What pydantic finds wrong with a value, as a clause in both languages; never the value."""

from collections.abc import Mapping

from pydantic_core import ErrorDetails

from gateway.i18n.text import Text, TextError

_OTHER = Text("is not as documented ({message})", "ist nicht wie dokumentiert ({message})")
_OBJECT = Text("must be an object with the documented fields", "muss ein Objekt mit den dokumentierten Feldern sein")
_NUMBER = Text("must be a number", "muss eine Zahl sein")
_TIME = Text("must be a time of day such as 03:30", "muss eine Uhrzeit wie 03:30 sein")
_YES_OR_NO = Text("must be true or false", "muss true oder false sein")
_WHOLE = Text("must be a whole number", "muss eine ganze Zahl sein")
_LONG = Text("has more than {max_length} characters", "hat mehr als {max_length} Zeichen")
_SHORT = Text("has fewer than {min_length} characters", "hat weniger als {min_length} Zeichen")
# By the type of pydantic's error; placeholders are the names in its context.
_TEXTS: Mapping[str, Text] = {
    "missing": Text("is missing", "fehlt"),
    "string_type": Text("must be a string", "muss eine Zeichenkette sein"),
    "string_too_long": _LONG,
    "string_too_short": _SHORT,
    "string_pattern_mismatch": Text("does not have the form {pattern}", "hat nicht die Form {pattern}"),
    "bool_type": _YES_OR_NO,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_parsing": _YES_OR_NO,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": Text("must be a finite number", "muss eine endliche Zahl sein"),
    "time_type": _TIME,
    "time_parsing": _TIME,
    "time_delta_parsing": _TIME,
    "path_type": Text("must be a path", "muss ein Pfad sein"),
    "greater_than": Text("must be more than {gt}", "muss größer als {gt} sein"),
    "less_than": Text("must be less than {lt}", "muss kleiner als {lt} sein"),
    "list_type": Text("must be a list", "muss eine Liste sein"),
    "tuple_type": Text("must be a list", "muss eine Liste sein"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "literal_error": Text("is none of {expected}", "ist nichts von {expected}"),
    "union_tag_invalid": Text("is none of {expected_tags}", "ist nichts von {expected_tags}"),
    "union_tag_not_found": Text("must be an object with a type", "muss ein Objekt mit einem Typ sein"),
    "greater_than_equal": Text("is less than {ge}", "ist kleiner als {ge}"),
    "less_than_equal": Text("is more than {le}", "ist größer als {le}"),
    "too_long": Text("has more than {max_length} entries", "hat mehr als {max_length} Einträge"),
    "too_short": Text("has fewer than {min_length} entries", "hat weniger als {min_length} Einträge"),
}


def message_of(item: ErrorDetails) -> Text:
    """Return what is wrong; the name of the value stands before it."""
    context = item.get("ctx", {})
    told = context.get("error")
    if isinstance(told, TextError):
        return told.text
    text = _TEXTS.get(item["type"])
    if text is None:
        return _OTHER.filled(message=item["msg"])
    if context.get("field_type") == "Value":  # a secret, which is no string to pydantic
        text = _LONG if item["type"] == "too_long" else _SHORT
    return text.filled(**{name: str(value).replace(" or ", ", ") for name, value in context.items()})
