"""A snapshot takes over what has not changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from gateway.odata.csdl import Schema, parse_metadata
from gateway.policy import compilation
from gateway.policy.documents import TemplateDocument
from gateway.sandbox.rows import metadata_document
from gateway.store import snapshot as module
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.snapshot import build_snapshot
from tests.support import CONFIG


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of what is compiled, in order."""
    names: list[str] = []
    plain = compilation.compile_policy

    def noted(template: Any, role: Any, *rest: Any, **more: Any) -> Any:
        names.append(template.id if template else role.name)
        return plain(template, role, *rest, **more)

    monkeypatch.setattr(module, "compile_policy", noted)
    yield names


def schema() -> Schema:
    return parse_metadata(metadata_document())


def with_name(configuration: Configuration, identity: str, **changes: Any) -> Configuration:
    template = configuration.templates[identity]
    document = TemplateDocument.model_validate({**template.document.model_dump(exclude_unset=True), **changes})
    templates = {**configuration.templates, identity: replace(template, document=document)}
    return replace(configuration, templates=MappingProxyType(templates))


def test_one_changed_template_is_compiled_and_no_other(compiled: list[str]) -> None:
    configuration, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, configuration, served)
    compiled.clear()

    second = build_snapshot(2, with_name(configuration, "company-idx", ListingPhotoLimit=3), served, first)

    assert compiled == ["company-idx"]
    assert second.policies["template:company-idx"].photo_limit == 3
    assert second.policies["role:idx"] is first.policies["role:idx"]
    assert second.by_key["demo-vow"] is first.by_key["demo-vow"]
    assert second.by_key["demo-idx"].photo_limit == 3


def test_nothing_changed_nothing_compiled_and_what_is_gone_is_gone(compiled: list[str]) -> None:
    configuration, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, configuration, served)
    compiled.clear()
    fewer = replace(configuration, templates=MappingProxyType({}), keys=MappingProxyType({}))

    second = build_snapshot(2, fewer, served, first)

    assert compiled == []
    assert not any(name.startswith("template:") for name in second.policies)
    assert second.by_key == {}


@pytest.mark.parametrize("what", ["schema", "rules", "upstream"])
def test_what_all_rest_on_compiles_all_anew(compiled: list[str], what: str) -> None:
    configuration, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, configuration, served)
    every, changed = len(compiled), configuration
    compiled.clear()
    if what == "schema":
        served = schema()
    elif what == "rules":
        changed = replace(configuration, rules=replace(configuration.rules, always={"Property": ("City ne 'x'",)}))
    else:
        settings = configuration.settings
        upstream = settings.upstream.model_copy(update={"profile": settings.upstream.profile.distrusting(["counts"])})
        changed = replace(configuration, settings=settings.model_copy(update={"upstream": upstream}))

    build_snapshot(2, changed, served, first)

    assert len(compiled) == every


def test_a_changed_key_is_bound_anew() -> None:
    configuration, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, configuration, served)
    keys = {
        digest: key.model_copy(update={"Template": "registered-consumers"}) if key.Id == "demo-idx" else key
        for digest, key in configuration.keys.items()
    }

    second = build_snapshot(2, replace(configuration, keys=MappingProxyType(keys)), served, first)

    assert second.by_key["demo-idx"].name == "registered-consumers"
    assert second.by_key["demo-private"] is first.by_key["demo-private"]


def test_documents_that_changed_have_never_been_whole(compiled: list[str]) -> None:
    """What the upstream has taken away is forgiven to documents that were good before, and to no later ones (P10)."""
    configuration, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, configuration, served)
    less = parse_metadata(metadata_document().replace(b'Name="TotalBaths"', b'Name="Baths"'))

    kept = build_snapshot(2, configuration, less, first)
    changed = build_snapshot(2, with_name(configuration, "company-idx", Name="other"), less, first)
    later = build_snapshot(3, configuration, less, kept)

    assert "template:company-idx" in kept.policies
    assert "template:company-idx" not in changed.policies
    assert changed.faults
    assert later.policies["template:company-idx"] is kept.policies["template:company-idx"]
