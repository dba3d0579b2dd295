"""The OpenAPI 3.1 document of the admin API, made from the table of routes and from the models that read the bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import __version__
from gateway.admin import keys, templates
from gateway.admin.calls import DEFAULT_LIMIT, MOST_LIMIT, MOST_PAGE
from gateway.admin.envelope import SparkCode
from gateway.admin.routes import BASE, Operation, Route
from gateway.policy.documents import FilterMap, OverrideMap, TemplateDocument
from gateway.store.api_keys import KeyGrant

_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "_expand": {"description": "comma list of expansions; all are there by default", "schema": _TEXT},
    "_select": {"description": "comma list of attributes; all by default", "schema": _TEXT},
    "_limit": {"description": "records of a page",
               "schema": {"type": "integer", "minimum": 0, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT}},
    "_page": {"description": "number of the page", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_PAGE, "default": 1}},
    "_pagination": {"description": "1: tell the numbers too; count: tell nothing else",
                    "schema": {"type": "string", "enum": ["0", "1", "count"], "default": "0"}},
    "dry_run": {"description": "answer what would change, and change nothing",
                "schema": {"type": "string", "enum": ["true", "false", "1", "0"], "default": "false"}},
}  # fmt: skip


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document, as JSON has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway administration",
            "version": __version__,
            "description": "Templates in the shape of Spark's developer services, and API keys beside them.",
        },
        "security": [{"key": []}],
        "paths": {BASE + route.path: _path(route) for route in routes},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {"Failure": {
                "description": "what was wrong; docs/administration.md lists the codes",
                "content": _json({"$ref": "#/components/schemas/Failure"}),
            }},
        },
    }  # fmt: skip


def _path(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        method.lower(): _operation(route, method, found) for method, found in route.operations.items()
    }
    if "{Id}" in route.path:
        described["parameters"] = [
            {"name": "Id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ]
    return described


def _operation(route: Route, method: str, operation: Operation) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", **_PARAMETERS[name]} for name in operation.parameters]
    if operation.conditional:
        parameters.append({
            "name": "If-Match", "in": "header", "description": "the revision that is meant, as `ETag` told it",
            "schema": {"type": "string"},
        })  # fmt: skip
    responses: dict[str, Any] = {str(operation.status): _success(operation.result, operation.status)}
    if operation.dry:
        responses["200"] = _success("Effect" if operation.status != 200 else operation.result, 200)
    for status in sorted({code.status for code in SparkCode if code.status != 500}):
        responses[str(status)] = {"$ref": "#/components/responses/Failure"}
    words = [part for part in route.path.replace("{Id}", "one").split("/") if part]
    described: dict[str, Any] = {
        "operationId": "-".join((method.lower(), *words)),
        "summary": operation.summary,
        "description": f"For keys with {' or '.join(f'`{name}`' for name in operation.permissions)}.",
        "parameters": parameters,
        "responses": responses,
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.optional,
            "content": _json(_enveloped({"$ref": f"#/components/schemas/{operation.body}Body"})),
        }
    return described


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _enveloped(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["D"], "additionalProperties": False, "properties": {"D": schema}}


def _success(result: str, status: int) -> dict[str, Any]:
    inside: dict[str, Any] = {"Success": {"const": True}}
    if result != "Nothing":
        inside["Results"] = {"type": "array", "items": {"$ref": f"#/components/schemas/{result}"}}
        inside["Pagination"] = {"$ref": "#/components/schemas/Pagination"}
    else:
        inside["Results"] = {"type": "array", "items": {"$ref": "#/components/schemas/Effect"}}
    schema = {"type": "object", "required": ["Success"], "additionalProperties": False, "properties": inside}
    return {"description": "created" if status == 201 else "done", "content": _json(_enveloped(schema))}


def _schemas() -> dict[str, Any]:
    template, grant = _model(TemplateDocument, templates.WRITABLE), _model(KeyGrant, keys.WRITABLE)
    own = {name: template["properties"][name] for name in templates.WRITABLE}
    shown_grant = dict(grant["properties"])
    return {
        "NewTemplateBody": {**template, "required": ["Name", "Description", "Role"]},
        "TemplateBody": {**template, "required": [], "properties": {**own, **dict.fromkeys(templates.SERVER_MADE, _MAYBE)}},
        "FieldOverridesBody": _plain(OverrideMap.model_json_schema()),
        "RestrictiveFiltersBody": _plain(FilterMap.model_json_schema()),
        "RollbackBody": _object({"Revision": {"type": "integer"}}, "Revision"),
        "NewKeyBody": {**grant, "properties": {**grant["properties"], "AssociationId": _MAYBE}},
        "KeyBody": {**grant, "properties": {**grant["properties"], **dict.fromkeys(keys.SERVER_MADE, _MAYBE)}},
        "RotationBody": _object({"Overlap": {"type": "integer", "minimum": 0, "maximum": keys.MOST_OVERLAP, "default": keys.OVERLAP}}),
        "Template": _object({**own, **dict.fromkeys(templates.SERVER_MADE, _MAYBE)}),
        "Created": _object({"ResourceUri": _TEXT}, "ResourceUri"),
        "Key": _object({**shown_grant, **dict.fromkeys(keys.SERVER_MADE, _MAYBE)}),
        "Secret": _object({"Id": _TEXT, "ResourceUri": _TEXT, "Secret": _TEXT, "OldSecretUntil": _MAYBE}, "Id", "Secret"),
        "Entry": _object({
            "Id": {"type": "integer"}, "Action": _TEXT, "RecordType": _TEXT, "Revision": {"type": "integer"},
            "ModificationTimestamp": _TEXT, "ChangedBy": _object({"Key": _TEXT}),
            "ChangedFields": {"type": "array", "items": _TEXT}, "ChangedValues": {"type": "object"},
        }),
        "Effect": _object({
            "DryRun": {"const": True}, "Resources": {"type": "object"}, "ListingPhotoLimit": {"type": ["object", "null"]},
            "Notes": {"type": "array", "items": _TEXT}, "Keys": {"type": "array", "items": _TEXT},
            "KeyCount": {"type": "integer"},
        }, "DryRun"),
        "Role": _object({
            "Id": _TEXT, "ResourceUri": _TEXT, "Name": _TEXT, "DataRole": {"const": True}, "Description": _TEXT,
            "Resources": {"type": "array", "items": _TEXT},
        }),
        "Syndication": _object({
            "Id": _TEXT, "ResourceUri": _TEXT, "MlsId": _TEXT, "Name": _TEXT, "StandardName": _MAYBE, "Mode": _TEXT,
            "Field": _TEXT, "Value": {"type": ["string", "boolean", "integer"]},
        }),
        "RestoringBody": _object({"Kind": _TEXT, "Resource": _TEXT}),
        "Loss": _object(dict.fromkeys(("Kind", "Resource", "Reason", "Profile", "LostTimestamp"), _TEXT)),
        "Pagination": _object({name: {"type": "integer"} for name in ("TotalRows", "PageSize", "TotalPages", "CurrentPage")}),
        "Failure": _enveloped(_object({
            "Success": {"const": False}, "Code": {"type": "integer"}, "Message": _TEXT,
            "Details": {"type": "array", "items": {"type": "object"}},
            "SparkQLErrors": {"type": "array", "items": {"type": "object"}},
        }, "Success", "Code", "Message")),
    }  # fmt: skip


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def _model(model: type[TemplateDocument] | type[KeyGrant], names: Sequence[str]) -> dict[str, Any]:
    schema = _plain(model.model_json_schema())
    properties = {name: schema["properties"][name] for name in names}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's without definitions beside it: each stands where it is meant."""
    definitions = schema.get("$defs", {})

    def written(part: Any) -> Any:
        if isinstance(part, list):
            return [written(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return written(definitions[part["$ref"].rpartition("/")[2]])
        return {name: written(value) for name, value in part.items() if name not in ("$defs", "title", "description")}

    found: dict[str, Any] = written(schema)
    return found
