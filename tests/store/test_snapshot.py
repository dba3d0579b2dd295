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
from gateway.store.api_keys import ApiKey, digest
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.snapshot import build_snapshot, with_keys, with_moments
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


# --- privileges of keys


def privileged(configuration: Configuration, **grants: dict[str, Any]) -> Configuration:
    """The configuration with keys of these grants beside its own."""
    made = {
        name * 8: ApiKey.model_validate({"Id": name, "Digest": digest(name, "p" * 16), **grant})
        for name, grant in grants.items()
    }
    return replace(configuration, keys=MappingProxyType({**configuration.keys, **made}))


MAY = ["DelegatedAccess"]


def test_a_policy_is_compiled_once_for_each_template_or_role_and_privileges(compiled: list[str]) -> None:
    configuration = load_configuration(CONFIG, {})
    configuration = privileged(
        configuration,
        a={"Template": "company-idx", "Privileges": MAY},
        b={"Template": "company-idx", "Privileges": [*MAY, *MAY]},
        c={"Role": "idx", "Privileges": MAY},
        d={"Role": "idx", "Privileges": []},
        e={"Role": "idx"},
    )

    found = build_snapshot(1, configuration, schema())

    assert compiled.count("company-idx") == compiled.count("idx") == 2
    assert compiled.count("private") == compiled.count("listing-desk") == 1
    assert found.by_key["a"] is found.by_key["b"]
    assert found.by_key["d"] is found.by_key["e"]
    assert len({found.by_key[name].fingerprint for name in ("a", "c", "d", "demo-idx")}) == 4


def test_a_variant_is_taken_over_and_ends_with_its_last_key(compiled: list[str]) -> None:
    plain, served = load_configuration(CONFIG, {}), schema()
    first = build_snapshot(1, privileged(plain, a={"Role": "idx", "Privileges": MAY}), served)
    compiled.clear()

    second = build_snapshot(2, privileged(plain, b={"Role": "idx", "Privileges": MAY}), served, first)
    third = build_snapshot(3, plain, served, second)

    assert compiled == []
    assert second.by_key["b"] is first.by_key["a"]
    assert set(first.policies) - set(third.policies) == {"DelegatedAccess+role:idx"}


@pytest.mark.guarantee("G5")
def test_a_key_that_has_just_been_given_a_privilege_keeps_what_it_sees_until_more_is_compiled() -> None:
    """And one that has lost it loses it at once, whatever is compiled meanwhile."""
    plain, served = load_configuration(CONFIG, {}), schema()
    before = build_snapshot(1, privileged(plain, a={"Role": "idx"}, b={"Role": "vow", "Privileges": MAY}), served)
    after = privileged(plain, a={"Role": "idx", "Privileges": MAY}, b={"Role": "vow"})

    at_once = with_moments(with_keys(before, after.keys), before, "2027-01-01T00:00:00.000Z")
    later = build_snapshot(2, after, served, at_once)

    assert [key for key in ("a", "b") if "DelegatedAccess" in at_once.by_key[key].resources] == []
    assert [key for key in ("a", "b") if "DelegatedAccess" in later.by_key[key].resources] == ["a"]
    holder = at_once.configuration.keys["a" * 8]
    assert at_once.shown_since(holder, "Field") == "2027-01-01T00:00:00.000Z"


@pytest.mark.channel("C9")
@pytest.mark.parametrize(
    "identity", ["DelegatedAccess+template:company-idx", "+role:idx", "DelegatedAccess", "role:idx"]
)
def test_no_id_of_a_template_makes_its_policy_that_of_a_privileged_key(identity: str) -> None:
    configuration = load_configuration(CONFIG, {})
    template = replace(configuration.templates["company-idx"], id=identity)
    templates = MappingProxyType({**configuration.templates, identity: template})
    configuration = privileged(
        replace(configuration, templates=templates),
        a={"Template": identity},
        b={"Template": "company-idx", "Privileges": MAY},
        c={"Template": identity, "Privileges": MAY},
    )

    found = build_snapshot(1, configuration, schema()).by_key

    assert [name for name in ("a", "b", "c") if "DelegatedAccess" in found[name].resources] == ["b", "c"]
    assert [found[name].name for name in ("a", "b", "c")] == [identity, "company-idx", identity]


def test_what_the_upstream_has_taken_away_is_forgiven_to_a_policy_with_privileges_too() -> None:
    """The privilege may be given after that: the documents are the same, and were whole (P10)."""
    plain = load_configuration(CONFIG, {})
    less = parse_metadata(metadata_document().replace(b'Name="TotalBaths"', b'Name="Baths"'))
    first = build_snapshot(1, plain, schema())
    second = build_snapshot(2, plain, less, first)

    third = build_snapshot(3, privileged(plain, a={"Template": "company-idx", "Privileges": MAY}), less, second)

    assert third.faults == ()
    assert "DelegatedAccess" in third.by_key["a"].resources
