"""The last touches to the schema: an example for each body and each answer, and each error told once.

An example is composed of what its schema says: values that ``memory.api.examples`` and its like give by the name of the
schema, then those that a field of that name has everywhere. A page, a list, and a new operation with a known schema so
have one without another line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from memory.api.examples import BY_FIELD, ERRORS

Json = dict[str, Any]
Examples = Mapping[str, Mapping[str, Any]]

_JSON = "application/json"
_ERROR = {"$ref": "#/components/schemas/Error"}


def complete(document: Json, examples: Examples) -> Json:
    """Return the document with an example wherever its operations take or answer JSON, and with shared errors.

    ``examples`` has, by the name of a schema, the values of its fields. An operation that brings its own example keeps
    it; one with a schema for which nothing is known stays without.
    """
    components = document["components"]
    components["examples"], components["responses"] = {}, {}
    for operation in _operations(document):
        for answer in [operation.get("requestBody", {}), operation["responses"].get("200", {})]:
            media = answer.get("content", {}).get(_JSON)
            if media is not None and "examples" not in media:
                with suppress(LookupError):
                    media["examples"] = _shared(media["schema"], components, examples)
        if "requestBody" in operation:
            _require(operation["requestBody"], components["schemas"])
        _share_errors(operation["responses"], components)
    return document


def example_of(schema: Json, schemas: Mapping[str, Json], examples: Examples) -> Any:
    """Return an example that a JSON schema takes; ``schemas`` are those it may refer to, by name.

    Raises ``LookupError`` with the field for which nobody has told a value.
    """
    if "$ref" in schema:
        name = _name(schema)
        return _compose(schemas[name], schemas, examples, name)
    return _compose(schema, schemas, examples, "")


def _compose(schema: Json, schemas: Mapping[str, Json], examples: Examples, name: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    for either in ("allOf", "oneOf"):
        if either in schema:
            return example_of(schema[either][0], schemas, examples)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas, examples)]
    if schema.get("type") != "object":
        raise LookupError(name)
    told = examples.get(name, {})
    return {
        field: _field(f"{name}.{field}", declared, schemas, examples) if told.get(field, ...) is ... else told[field]
        for field, declared in schema.get("properties", {}).items()
        if field in told or field in schema.get("required", ())
    }


def _field(path: str, schema: Json, schemas: Mapping[str, Json], examples: Examples) -> Any:
    field = path.rpartition(".")[2]
    if field in BY_FIELD and not _refers(schema):
        return BY_FIELD[field]
    if "null" in schema.get("type", ()):
        return None
    if "additionalProperties" in schema:
        return {}
    try:
        return example_of(schema, schemas, examples)
    except LookupError as error:
        raise LookupError(error.args[0] or path) from None


def _refers(schema: Json) -> bool:
    """Say whether a field, or what it lists, is told of in a schema of its own."""
    forms = [schema, schema.get("items", {}), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return any("$ref" in form for form in forms)


def _name(schema: Json) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _shared(schema: Json, components: Json, examples: Examples) -> Json:
    """Keep an example of each form that the schema allows among the components; return references to them, by name."""
    references = {}
    for form in _resolve(schema, components["schemas"]).get("oneOf", [schema]):
        name = _title(form)
        components["examples"][name] = {"value": example_of(form, components["schemas"], examples)}
        references[name] = {"$ref": f"#/components/examples/{name}"}
    return references


def _title(schema: Json) -> str:
    if "items" in schema:
        return f"{_name(schema['items'])}List"
    return _name(schema) if "$ref" in schema else "Empty"


def _resolve(schema: Json, schemas: Mapping[str, Json]) -> Json:
    return schemas[_name(schema)] if "$ref" in schema else schema


def _require(body: Json, schemas: Mapping[str, Json]) -> None:
    """Say that a body is needed that is no object: drf-spectacular knows of objects alone whether they are."""
    for media in body["content"].values():
        if _resolve(media["schema"], schemas).get("type") != "object":
            body["required"] = True


def _share_errors(responses: Json, components: Json) -> None:
    """Put a reference in the place of each error; what an operation tells otherwise keeps its words."""
    for status, answer in responses.items():
        media = answer.get("content", {}).get(_JSON, {})
        if media.get("schema") != _ERROR or int(status) not in ERRORS:
            continue
        name, value = ERRORS[int(status)]
        components["examples"][name] = {"value": value}
        media["examples"] = {name: {"$ref": f"#/components/examples/{name}"}}
        if components["responses"].setdefault(name, answer) == answer:
            responses[status] = {"$ref": f"#/components/responses/{name}"}


def _operations(document: Json) -> Iterator[Json]:
    for methods in document["paths"].values():
        yield from methods.values()
