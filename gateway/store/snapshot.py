"""One immutable value that a request sees from end to end: configuration, schema, and a policy for every key (C255)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway.errors import ConfigurationError, Fault
from gateway.odata.csdl import Schema
from gateway.policy.binding import bind_policy
from gateway.policy.compilation import compile_policy
from gateway.policy.computed import computed_rows, with_computed
from gateway.policy.documents import Template
from gateway.policy.embedded import with_embedded
from gateway.policy.model import Policy
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.shown import ShownSince


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is to decide with.

    ``policies`` are under ``template:<id>`` and ``role:<name>``; ``by_key`` are the same under
    the bindings of each key; ``whole`` has the schema under which each compiled without a fault. Documents that do
    not compile against this schema give no policy, and 503 to their keys.
    """

    revision: int
    configuration: Configuration
    schema: Schema | None
    policies: Mapping[str, Policy]
    by_key: Mapping[str, Policy]
    whole: Mapping[str, Schema]
    faults: tuple[Fault, ...] = ()
    #: (policy's name, resource) to row to the moment since when the policy shows it (C363).
    shown: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What all policies have to tell their authors, each once."""
        return tuple(sorted({note for policy in self.policies.values() for note in policy.notes}))

    def shown_since(self, key: ApiKey, resource: str) -> Mapping[str, str]:
        """Since when the key's policy shows the rows of Field or Lookup."""
        return self.shown.get((policy_name(key), resource), {})

    def policy_of(self, key: ApiKey) -> Policy | None:
        """The policy of a key under its bindings."""
        return self.by_key.get(key.Id)


def policy_name(key: ApiKey) -> str:
    return f"template:{key.Template}" if key.Template is not None else f"role:{key.Role}"


def build_snapshot(
    revision: int,
    configuration: Configuration,
    schema: Schema | None,
    previous: Snapshot | None = None,
    *,
    since: ShownSince | None = None,
    moment: str = "1970-01-01T00:00:00.000Z",
) -> Snapshot:
    """Compiles everything against a schema; without one nothing can be served yet.

    Faults do not raise here: ``check`` and a start refuse on them, a running gateway serves what is whole.

    Args:
        previous: of the same configuration. Documents that were whole under an earlier schema are not refused for what
            the upstream has taken away since (P10).
        since: what is known of when rows of Field and Lookup were first shown.
        moment: now, for rows that are shown for the first time.
    """
    if schema is None:
        nothing: Mapping[str, Any] = MappingProxyType({})
        return Snapshot(revision, configuration, None, nothing, nothing, nothing)
    schema = with_embedded(with_computed(schema), configuration.settings.upstream.profile.embedded)
    whole = dict(previous.whole) if previous and previous.configuration is configuration else {}
    policies: dict[str, Policy] = {}
    faults: set[Fault] = set()
    wanted: list[tuple[str, Template | None, str, str | None]] = [
        (f"template:{template.id}", template, template.document.Role, template.document.SyndicationId)
        for template in configuration.templates.values()
    ]
    wanted += [(f"role:{name}", None, name, None) for name in configuration.roles]
    for name, template, role, syndication in wanted:
        try:
            policies[name] = compile_policy(
                template,
                configuration.roles[role],
                configuration.syndications[syndication] if syndication is not None else None,
                schema,
                configuration.settings.upstream.profile,
                configuration.rules,
                earlier=whole.get(name),
            )
            whole.setdefault(name, schema)
        except ConfigurationError as error:
            faults.update(configuration.place(fault) for fault in error.faults)
    by_key = {
        key.Id: bind_policy(policies[policy_name(key)], key.Bindings.values)
        for key in configuration.keys.values()
        if policy_name(key) in policies
    }
    return Snapshot(
        revision,
        configuration,
        schema,
        MappingProxyType(policies),
        MappingProxyType(by_key),
        MappingProxyType(whole),
        tuple(sorted(faults)),
        _shown(policies, since or ShownSince(), moment),
    )


def _shown(
    policies: Mapping[str, Policy], since: ShownSince, moment: str
) -> Mapping[tuple[str, str], Mapping[str, str]]:
    found = {}
    for name, policy in policies.items():
        for resource in policy.schema.computed & policy.resources.keys():
            rows = [row.key for row in computed_rows(policy, resource)]
            found[name, resource] = since.note(f"{name}/{resource}", rows, moment)
    since.save()
    return MappingProxyType(found)
