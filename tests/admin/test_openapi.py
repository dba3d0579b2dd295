"""The document of the admin API tells what the API does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from yarl import URL

from tests.managed import SEED, Desk, results


async def served(desk: Desk) -> dict[str, Any]:
    url = URL(f"http://127.0.0.1:{desk.gateway.service.admin.port}/openapi.json")
    async with desk.gateway.session.get(url) as response:
        found: dict[str, Any] = json.loads(await response.read())
        return found


def resolved(document: dict[str, Any], part: Any) -> Any:
    """A part with what it refers to."""
    if isinstance(part, list):
        return [resolved(document, item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(document, found)
    return {name: resolved(document, value) for name, value in part.items()}


async def test_every_path_and_method_is_described_and_no_other(desk: Desk) -> None:
    document = await served(desk)
    for path, described in document["paths"].items():
        below = path.removeprefix("/v1/developers").replace("{Id}", "1")
        answer = await desk.call("TRACE", below)
        told = {method for method in described if method != "parameters"}

        assert answer.status == 405
        assert {method.lower() for method in (answer.header("Allow") or "").split(", ")} - {"head"} == told
    assert "GATEWAY" not in json.dumps(document)


async def test_the_document_is_no_secret_and_is_well_formed(desk: Desk) -> None:
    document = await served(desk)
    identities = [
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]

    assert document["openapi"] == "3.1.0"
    assert len(set(identities)) == len(identities)
    for schema in resolved(document, document["components"]["schemas"]).values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.guarantee("G8")
async def test_answers_are_as_the_document_says(desk: Desk) -> None:
    document = await served(desk)
    made, (key, _) = await desk.made(), await desk.secret({"Role": "idx"})
    desk.gateway.service.trust.lose(["counts"], "Property", "why")
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/templates", SEED), ("POST", "/templates?dry_run=true", SEED), ("POST", "/templates", {}), ("GET", "/templates?_pagination=1", None),
        ("GET", f"/templates/{made}", None), ("PUT", f"/templates/{made}", {"Name": "n"}), ("PUT", f"/templates/{made}?dry_run=true", {"Name": "m"}),
        ("PUT", f"/templates/{made}/FieldOverrides", SEED["FieldOverrides"]), ("PUT", f"/templates/{made}/RestrictiveFilters", {"Property": {"Filter": "x"}}),
        ("GET", f"/templates/{made}/history", None), ("POST", f"/templates/{made}/rollback", {"Revision": 1}), ("DELETE", f"/templates/{made}", None),
        ("GET", "/keys", None), ("POST", "/keys", {"Role": "idx"}), ("GET", f"/keys/{key}", None), ("PUT", f"/keys/{key}", {"Owner": "o"}),
        ("POST", f"/keys/{key}/disable", None), ("POST", f"/keys/{key}/enable", None), ("POST", f"/keys/{key}/rotate", {"Overlap": 5}),
        ("GET", f"/keys/{key}/history", None), ("DELETE", f"/keys/{key}", None), ("GET", "/roles", None), ("GET", "/syndications", None),
        ("GET", "/trust", None), ("POST", "/trust/restore", {"Kind": "counts"}),
    ]  # fmt: skip
    tried = set()
    for method, target, body in asked:
        answer = await desk.call(method, target, body, key="trusted" if target.startswith("/trust") else "staff")
        path = "/v1/developers" + target.partition("?")[0].replace(made, "{Id}").replace(key, "{Id}")
        operation = document["paths"][path][method.lower()]
        tried.add((path, method))
        described = resolved(document, operation["responses"][str(answer.status)])

        Draft202012Validator(described["content"]["application/json"]["schema"]).validate(answer.json())
        if body is not None and answer.status < 300:
            sent = resolved(document, operation["requestBody"])["content"]["application/json"]["schema"]
            Draft202012Validator(sent).validate({"D": body})

    described_all = {
        (path, method.upper())
        for path, found in document["paths"].items()
        for method in found
        if method != "parameters"
    }
    assert tried == described_all


async def test_what_is_shown_can_be_sent(desk: Desk) -> None:
    document = await served(desk)
    identity = await desk.made()
    shown = results(await desk.call("GET", f"/templates/{identity}"))[0]

    Draft202012Validator(resolved(document, document["components"]["schemas"]["TemplateBody"])).validate(shown)
