"""Documents that anyone may have written, checked by their schema before anything follows them.

The schemas lie in `schemas/` and say exactly what this version writes. A reader is more tolerant: a
field that it does not know is passed over, and so is what a document only tells of the run that
made it (`model`, `options`), which vector files of other programs may fill in their own way. What
no schema can say is checked where the document is read.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastjsonschema import JsonSchemaValueException

__all__ = ["check_document", "read_schema"]

_OPEN = ("tool", "created", "model", "options")  # of these only the type counts for a reader


def read_schema(name: str) -> dict[str, Any]:
    """The schema of what is written: `manifest`, `plan`, `names` or `changes`.

    What it has in common with another is filled in, so that a validator needs no other file.
    """
    schema: dict[str, Any] = json.loads(_read_text(name), object_hook=_fill_in)
    return schema


def _read_text(name: str) -> str:
    file = resources.files("itae_cluster.results").joinpath("schemas", f"{name}.json")
    return file.read_text(encoding="utf-8")


def _fill_in(value: dict[str, Any]) -> Any:
    """What `{"$ref": "parts.json#/definitions/tags"}` refers to, in another file than its own."""
    name, _, key = value.get("$ref", "").partition(".json#/definitions/")
    if not key:
        return value
    return json.loads(_read_text(name))["definitions"][key]


def check_document(document: Any, name: str) -> None:
    """Check JSON that was read from a file.

    Args:
        document: what the file holds.
        name: of the schema.

    Raises:
        ValueError: if it does not keep to the schema; the message names the place, in one line.
    """
    if not isinstance(document, dict) or document.get("schema") != f"itae-cluster/{name}":
        raise ValueError(f"it is not a {name} of this tool")
    version = read_schema(name)["properties"]["schema_version"]["const"]
    if document.get("schema_version") != version:
        raise ValueError("it was made by another version of this tool")
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(name)(document)
    except JsonSchemaValueException as error:
        raise ValueError(_explain(error)) from error


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    """A function that the library makes of the schema: a plan may have a million records."""
    import fastjsonschema

    schema = _relax(read_schema(name))
    properties = schema["properties"]
    for key in properties.keys() & _OPEN:
        properties[key] = {"type": properties[key]["type"]}
    made: Callable[[Any], Any] = fastjsonschema.compile(schema)
    return made


def _relax(schema: Any) -> Any:
    """The schema without its ban on fields that it does not know."""
    if isinstance(schema, list):
        return [_relax(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _relax(value)
        for key, value in schema.items()
        if key != "additionalProperties" or value is not False
    }


def _explain(error: JsonSchemaValueException) -> str:
    """The library's words without its name for the document; for a pattern, what it stands for."""
    text = error.message
    if error.rule == "pattern" and "description" in error.definition:
        text = f"{error.name} is not as it should be: {error.definition['description']}"
    text = re.sub(r"^data(\.|(?=\[))", "", text)
    return printable(re.sub(r"^data\b", "it", text)).removesuffix(".")
