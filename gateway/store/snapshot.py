"""One immutable value that a request sees from end to end: configuration, schema, and a policy for every key (C255)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gateway.errors import ConfigurationError, Fault
from gateway.odata.csdl import Schema
from gateway.policy.binding import bind_policy
from gateway.policy.compilation import compile_policy
from gateway.policy.computed import computed_rows, with_computed
from gateway.policy.documents import PrivilegeName, Role, Syndication, Template
from gateway.policy.embedded import with_embedded
from gateway.policy.model import Policy
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration
from gateway.store.shown import Moments, Shown, digest_of


@dataclass(frozen=True, slots=True)
class Sources:
    """The documents of one policy, and the privileges of its keys."""

    template: Template | None
    role: Role
    syndication: Syndication | None
    privileges: frozenset[PrivilegeName] = frozenset()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is to decide with.

    ``policies`` are under ``template:<id>`` and ``role:<name>``, with privileges before it for keys that have some;
    ``by_key`` are the same under the bindings of each key; ``whole`` has the schema under which each compiled without a
    fault. Documents that do not compile against this schema give no policy, and 503 to their keys.
    """

    revision: int
    configuration: Configuration
    schema: Schema | None
    policies: Mapping[str, Policy]
    by_key: Mapping[str, Policy]
    whole: Mapping[str, Schema]
    faults: tuple[Fault, ...] = ()
    #: ``<policy's name>/<resource>`` to since when the policy shows the rows of it that it shows (C363).
    shown: Moments = field(default_factory=dict)
    #: What each policy was compiled from: one whose documents have not changed is taken over as it is.
    sources: Mapping[str, Sources] = field(default_factory=dict)
    #: The schema as the upstream had it, before what the gateway adds.
    upstream_schema: Schema | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What all policies have to tell their authors, each once."""
        return tuple(sorted({note for policy in self.policies.values() for note in policy.notes}))

    @property
    def closed(self) -> tuple[str, ...]:
        """Return what cannot be read of the upstream and is closed, each with the reason."""
        if self.schema is None:
            return ()
        found = [f"`{name}`: {closed.reason}" for name, closed in self.schema.closed.items()]
        for resource, names in self.configuration.settings.upstream.profile.embedded.items():
            structured = self.schema.type_of(resource) if resource in self.schema.entity_sets else None
            for name in names if structured is not None else ():
                declared = structured.properties.get(name) if structured is not None else None
                if declared is not None and declared.type.name in self.schema.unreadable:
                    found.append(f"`{name}` of `{resource}`: {self.schema.unreadable[declared.type.name]}")
        return tuple(sorted(found))

    def shown_since(self, key: ApiKey, resource: str) -> str:
        """Since when the key's policy shows the rows of Field or Lookup that it shows."""
        return self.shown[_place(_served_name(key, self.sources), resource)].moment

    def policy_of(self, key: ApiKey) -> Policy | None:
        """The policy of a key under its bindings."""
        return self.by_key.get(key.Id)


def documents_name(key: ApiKey) -> str:
    """The name of the policy of a key without privileges."""
    return f"template:{key.Template}" if key.Template is not None else f"role:{key.Role}"


def policy_name(key: ApiKey) -> str:
    """The name of the policy of a key."""
    return _with_privileges(documents_name(key), key.Privileges)


def template_policy(identity: str, privileges: Iterable[PrivilegeName]) -> str:
    """The name of the policy of a template's keys that have these privileges."""
    return _with_privileges(f"template:{identity}", privileges)


def _with_privileges(name: str, privileges: Iterable[PrivilegeName]) -> str:
    # They stand first: the id of a template may hold any character, and no policy is to be taken for another.
    return "+".join((*sorted(set(privileges)), name))


def _served_name(key: ApiKey, sources: Mapping[str, Sources]) -> str:
    """The name of the policy that a key is served with. A key that has just been given a privilege keeps the policy
    without it until the one with it is compiled."""
    name = policy_name(key)
    return name if name in sources else documents_name(key)


def build_snapshot(
    revision: int,
    configuration: Configuration,
    schema: Schema | None,
    previous: Snapshot | None = None,
) -> Snapshot:
    """Compiles everything against a schema; without one nothing can be served yet.

    Faults do not raise here: ``check`` and a start refuse on them, a running gateway serves what is whole.

    Args:
        previous: what is served now. A policy whose documents, rules and schema are the same is taken over from it; one
            whose documents were whole under an earlier schema is not refused for what the upstream has taken away since
            (P10).
    """
    if schema is None:
        nothing: Mapping[str, Any] = MappingProxyType({})
        return Snapshot(revision, configuration, None, nothing, nothing, nothing, configuration.faults)
    profile = configuration.settings.upstream.profile
    before = _Before(previous, configuration, schema)
    served = before.schema or with_embedded(with_computed(schema), profile.embedded)
    policies: dict[str, Policy] = {}
    whole: dict[str, Schema] = {}
    faults: set[Fault] = set(configuration.faults)
    sources = _sources(configuration)
    for name, source in sources.items():
        # The documents are those of the policy without privileges, which stands before: so is what they once fitted.
        earlier = before.whole(name, source) or whole.get(name.split("+", len(source.privileges))[-1])
        try:
            policies[name] = before.policy(name, source) or compile_policy(
                source.template, source.role, source.syndication, served, profile, configuration.rules,
                earlier=earlier, privileges=source.privileges,
            )  # fmt: skip
            whole[name] = earlier or served
        except ConfigurationError as error:
            faults.update(configuration.place(fault) for fault in error.faults)
            if earlier is not None:
                whole[name] = earlier
    return Snapshot(
        revision,
        configuration,
        served,
        MappingProxyType(policies),
        _by_key(configuration.keys, policies, sources, previous),
        MappingProxyType(whole),
        tuple(sorted(faults)),
        sources=MappingProxyType(sources),
        upstream_schema=schema,
    )


def _sources(configuration: Configuration) -> dict[str, Sources]:
    """The documents of every policy, by its name; with privileges, where some key has them. A template that names what
    is not there has none: the configuration says so."""
    roles, syndications = configuration.roles, configuration.syndications
    found: dict[str, Sources] = {}
    for template in configuration.templates.values():
        role, named = template.document.Role, template.document.SyndicationId
        if role in roles and (named is None or named in syndications):
            syndication = None if named is None else syndications[named]
            found[f"template:{template.id}"] = Sources(template, roles[role], syndication)
    for name, base in configuration.roles.items():
        found[f"role:{name}"] = Sources(None, base, None)
    for key in configuration.keys.values():
        plain = found.get(documents_name(key))
        if key.Privileges and plain is not None:
            found[policy_name(key)] = replace(plain, privileges=frozenset(key.Privileges))
    return found


class _Before:
    """What of the snapshot before can be taken over: nothing where rules for all, or what the upstream is, differ."""

    def __init__(self, previous: Snapshot | None, configuration: Configuration, schema: Schema) -> None:
        if previous is not None:
            then = previous.configuration
            same = then.rules == configuration.rules
            previous = previous if same and then.settings.upstream == configuration.settings.upstream else None
        self._previous = previous
        #: As the upstream has it and we serve it, if that is as before.
        self.schema = previous.schema if previous is not None and previous.upstream_schema is schema else None

    def _has(self, name: str, source: Sources) -> bool:
        return self._previous is not None and self._previous.sources.get(name) == source

    def policy(self, name: str, source: Sources) -> Policy | None:
        """The policy of these very documents under this very schema."""
        if self._previous is None or self.schema is None or not self._has(name, source):
            return None
        return self._previous.policies.get(name)

    def whole(self, name: str, source: Sources) -> Schema | None:
        """The schema under which these documents were first good."""
        return self._previous.whole.get(name) if self._previous is not None and self._has(name, source) else None


def _by_key(
    keys: Mapping[str, ApiKey],
    policies: Mapping[str, Policy],
    sources: Mapping[str, Sources],
    previous: Snapshot | None,
) -> Mapping[str, Policy]:
    """The policy of each key, where it has one: under its own bindings, and taken over where neither has changed."""
    found: dict[str, Policy] = {}
    for digest, key in keys.items():
        name = _served_name(key, sources)
        if name not in policies or key.Id in found:
            continue
        same = (
            previous is not None
            and previous.policies.get(name) is policies[name]
            and previous.configuration.keys.get(digest) == key
        )
        known = previous.by_key.get(key.Id) if same and previous is not None else None
        found[key.Id] = known or bind_policy(policies[name], key.Bindings.values)
    return MappingProxyType(found)


def with_keys(snapshot: Snapshot, keys: Mapping[str, ApiKey]) -> Snapshot:
    """The snapshot with other keys over the same policies. A key whose policy it has not is answered 503."""
    configuration = replace(snapshot.configuration, keys=keys)
    by_key = _by_key(keys, snapshot.policies, snapshot.sources, snapshot)
    return replace(snapshot, configuration=configuration, by_key=by_key)


def with_moments(snapshot: Snapshot, before: Snapshot, moment: str) -> Snapshot:
    """A snapshot that is to be served, with since when its policies show what they show of Field and Lookup.

    Args:
        before: what is served now, and knows since when that is so.
        moment: now, for what ``before`` does not show.
    """
    found = dict(before.shown) if snapshot.schema is None else {}
    for name, policy in snapshot.policies.items():
        same = before.policies.get(name) is policy
        for resource in policy.schema.computed & policy.resources.keys():
            place = _place(name, resource)
            known = before.shown.get(place)
            if not same or known is None:
                digest = digest_of(row.key for row in computed_rows(policy, resource))
                known = known if known is not None and known.digest == digest else Shown(digest, moment)
            found[place] = known
    return replace(snapshot, shown=MappingProxyType(found))


def _place(name: str, resource: str) -> str:
    return f"{name}/{resource}"
