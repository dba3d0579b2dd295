"""The licences under which decisions are recorded: documents and settings, as files would have them, in the corpus.

They were drawn by the prover once. They stand in ``tests/corpus/licences.json`` themselves, so that what is recorded
follows from the gateway alone, whatever the prover draws today.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.odata.csdl import LookupValue, Schema, parse_metadata
from gateway.policy import data_dictionary
from gateway.policy.compilation import GatewayRules
from gateway.policy.computed import with_computed
from gateway.policy.documents import Role, RoleDocument, Source, Template, TemplateDocument, validate
from gateway.settings import Settings
from gateway.store.api_keys import ApiKey, digest
from gateway.store.configuration import Configuration, Secrets
from gateway.store.snapshot import Snapshot, build_snapshot

FILE = Path(__file__).resolve().parent.parent / "corpus" / "licences.json"
PEPPER = "a pepper for what is recorded"


@dataclass(frozen=True)
class Licence:
    """One template on one role in front of one upstream. ``model`` names the metadata of the upstream."""

    model: str
    role: dict[str, Any]
    template: dict[str, Any]
    settings: dict[str, Any]
    #: Fields of a set that no document reveals.
    never: dict[str, list[str]]
    requests: list[dict[str, Any]]


@lru_cache(maxsize=1)
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=1)
def licences() -> dict[str, Licence]:
    """Return every licence by its name, in the order of the file."""
    return {name: Licence(**told) for name, told in kept()["licences"].items()}


@lru_cache(maxsize=32)
def schema(model: str) -> Schema:
    """Return the schema that the gateway reads from one of the texts of metadata, with the rows of Lookup."""
    rows = tuple(LookupValue(key, name, value, None, None, "") for key, name, value in kept()["lookups"])
    return with_computed(parse_metadata(kept()["models"][model].encode()), rows)


def compiled(licence: Licence) -> Snapshot:
    """Compile the documents of a licence as those of a directory are compiled."""
    settings = Settings.model_validate(licence.settings)
    rules = GatewayRules(
        Source("gateway.yaml"),
        settings.policy.always,
        {entity_set: tuple(fields) for entity_set, fields in licence.never.items()},
        data_dictionary.FOLLOWS,
        settings.policy.closed_lookups,
    )
    source, at = Source("roles/idx.yaml"), Source("templates/t.json", ("D",))
    key = ApiKey(Id="k", Digest=digest("k", PEPPER), Template="t")
    configuration = Configuration(
        Path(),
        settings,
        Secrets(PEPPER, ("ab" * 64,), None),
        MappingProxyType({"idx": Role(validate(RoleDocument, licence.role, source), source)}),
        MappingProxyType({"t": Template("t", validate(TemplateDocument, licence.template, at), at)}),
        MappingProxyType({}),
        MappingProxyType({key.Digest: key}),
        rules,
        MappingProxyType({}),
    )
    return build_snapshot(1, configuration, schema(licence.model))
