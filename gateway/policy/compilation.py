"""From documents to a Policy: every fault at once, in the author's words, before anything is served (P10).

The stages, and why they stand in this order:

1. names    resources that documents mean are looked up, since all later stages use them;
2. rules    row rules are parsed, bound and compiled (``row_rules``);
3. fields   one visibility per field and class becomes one condition per field (``visibility``);
4. links    navigation to resources that exist, with the fields that tie their rows together;
5. media    what a photo limit or a rule of Media does to counters (``media_rules``);
6. closure  checks of the whole: keys visible, class field visible (P14).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.errors import ConfigurationError
from gateway.odata.ast import FALSE, TRUE, And, In, PropertyPath, conjunction, disjunction
from gateway.odata.csdl import NavigationProperty, Property, Schema
from gateway.odata.literals import string
from gateway.odata.values import UNKNOWN
from gateway.odata.walk import properties
from gateway.policy import data_dictionary
from gateway.policy.conditions import null_safe
from gateway.policy.documents import OverrideMap, PrivilegeName, Role, Source, Syndication, Template, canonical
from gateway.policy.inputs import GatewayRules, Inputs, Report
from gateway.policy.lookups import check_closed_lookups
from gateway.policy.media_rules import with_counters, with_photo_rule
from gateway.policy.model import FieldPolicy, NavigationPolicy, ParentLink, Policy, ResourcePolicy, fingerprint
from gateway.policy.profile import Link, Profile
from gateway.policy.row_rules import row_rule
from gateway.policy.visibility import Fields, visible_fields
from gateway.policy.write_body import default_value
from gateway.policy.write_rules import with_writes

__all__ = ["GatewayRules", "compile_policy"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def compile_policy(
    template: Template | None,
    role: Role,
    syndication: Syndication | None,
    schema: Schema,
    profile: Profile,
    gateway: GatewayRules,
    *,
    earlier: Schema | None = None,
    privileges: frozenset[PrivilegeName] = frozenset(),
) -> Policy:
    """Compiles what one key is under.

    Args:
        template: None for a key with a bare role.
        earlier: a schema against which these very documents were whole. What it had and this one lacks is no mistake
            of theirs: a name that was only shown or hidden is noted, a resource whose rules cannot be decided any
            more is denied, and the rest is served (P10). Any other fault refuses the policy as ever.
        privileges: of the keys. A resource that needs another one does not exist for them; what documents say of it is
            checked all the same, so that documents are whole for every key or for none.

    Raises:
        ConfigurationError: every fault of template, role and syndication against this schema at once.
    """
    inputs = Inputs(template, role, syndication, schema, profile, gateway, earlier, Report(), privileges)
    every = _resources(inputs)
    has_listings = any("Property" in inputs.kinds(name) for name in every)
    if syndication and not has_listings and not inputs.protects_closed("Property"):
        inputs.report.add(inputs.author, ("SyndicationId",), "a syndication needs the resource `Property`")
    if inputs.report.faults and earlier is not None:
        raise ConfigurationError(inputs.report.faults)  # none of these belongs to a resource that could be denied
    fields: dict[str, Fields] = {}
    found: dict[str, ResourcePolicy] = {}
    for name in every:
        fields[name], found[name] = _draft(inputs, name)
    names = [name for name in every if not inputs.is_withheld(name)]
    drafts = {name: found[name] for name in names}
    finished = {name: _linked(inputs, draft, drafts, fields[name]) for name, draft in drafts.items()}
    withheld = {name: _linked(inputs, found[name], found, fields[name]) for name in found.keys() - drafts.keys()}
    media = [name for name in names if "Media" in inputs.kinds(name)]
    for name in media:
        known = _photo_link(inputs, name, found)
        finished[name] = with_photo_rule(finished[name], inputs.photo_limit, known, sizes=inputs.profile.photo_sizes)
    for name in names:
        if "Property" in inputs.kinds(name):
            # Media that cannot be read may be under a rule: then the counters are hidden as if it were not there.
            sources = [] if inputs.protects_closed("Media") else [finished[source] for source in media]
            finished[name] = with_counters(finished[name], sources, inputs.photo_limit, fields[name].visible)
    for name in names:  # behind the counters: what these become decides what their history tells
        if "HistoryTransactional" in inputs.kinds(name):
            finished[name] = _with_history(finished[name], finished)
    finished = with_writes(inputs, finished, withheld)
    report = inputs.report
    if report.faults and earlier is None:
        raise ConfigurationError(report.faults)
    strict = template is not None and template.document.ConditionalFields == "strict"
    held = tuple(sorted(privileges))
    return Policy(
        template.id if template else role.name,
        role.name,
        schema,
        MappingProxyType(finished),
        fingerprint(finished, inputs.photo_limit, strict=strict, privileges=held),
        inputs.photo_limit,
        (*report.notes, *(str(fault) for fault in report.faults)),
        strict,
        _closed(inputs),
        held,
    )


# --- stage 1: names


def _resources(inputs: Inputs) -> list[str]:
    """The resources that exist for the key: those of the role, and those that a template opens."""
    names: dict[str, None] = {}
    for word in inputs.role.document.Resources:
        name = inputs.resource_of(word)
        if name in names:
            inputs.report.add(inputs.role.source, ("Resources", word), f"`{name}` is given twice, once as an alias")
        elif name in inputs.schema.entity_sets:
            names[name] = None
        elif name in inputs.closed:
            inputs.report.notes.append(f"{inputs.role.name}: the upstream's `{name}` cannot be read, so it is closed")
        elif name in data_dictionary.FIELDS or inputs.vanished(name):
            inputs.report.notes.append(f"{inputs.role.name}: the upstream has no resource `{name}`")
        else:
            inputs.report.add(inputs.role.source, ("Resources", name), f"`{name}` is no resource of the upstream")
    if inputs.template:
        document = inputs.template.document
        filters, overrides = document.RestrictiveFilters, document.FieldOverrides
        _check_words(inputs, "RestrictiveFilters", filters.resources if filters else {})
        _check_words(inputs, "FieldOverrides", overrides.resources if overrides else {})
        names.update({name: None for name in _opened(inputs, overrides) if name in inputs.schema.entity_sets})
    _check_gateway(inputs)
    return list(names)


def _check_gateway(inputs: Inputs) -> None:
    """What holds for every key names resources and fields that exist; a typo here would silently protect nothing."""
    gateway = inputs.gateway
    _check_never_visible(inputs, gateway.source, ("policy", "never_visible"), gateway.never_visible)
    _check_never_visible(inputs, inputs.role.source, ("NeverVisible",), inputs.role.document.NeverVisible)
    for word in gateway.always:
        if any(inputs.protects(word, name) for name in inputs.schema.entity_sets) or inputs.protects_closed(word):
            continue
        if canonical(word) in data_dictionary.FIELDS:
            inputs.report.notes.append(f"policy.always: the upstream has no resource `{word}`")
        else:
            inputs.report.add(gateway.source, ("policy", "always", word), f"`{word}` is no resource of the upstream")
    _check_profile(inputs)
    check_closed_lookups(inputs)
    for name, parents in gateway.follows.items():
        for word in (name, *parents):
            known = word in inputs.schema.entity_sets or word in data_dictionary.FIELDS
            if not known and not inputs.protects_closed(word):
                inputs.report.add(
                    gateway.source, ("policy", "follows", name), f"`{word}` is no resource of the upstream"
                )


def _check_profile(inputs: Inputs) -> None:
    """What the profile says of resources and fields is about ones that exist."""
    place, source = ("upstream", "profile"), inputs.gateway.source
    sets, closed = inputs.schema.entity_sets, inputs.closed
    for name, field in inputs.profile.class_field.items():
        if name in closed:
            continue
        if name not in sets and name not in data_dictionary.FIELDS:
            inputs.report.add(source, (*place, "class_field", name), f"`{name}` is no resource of the upstream")
        elif name in sets and not _has(inputs.schema, name, field):
            inputs.report.add(
                source, (*place, "class_field", name), f"`{field}` is no field of the upstream's `{name}`"
            )
    for name, fields in inputs.profile.embedded.items():
        for field in fields:
            if name in sets and (name, field) not in inputs.schema.embedded and field not in closed:
                message = f"`{field}` of the upstream's `{name}` is no list of records with a key"
                inputs.report.add(source, (*place, "embedded", name), message)
    for name, text in inputs.profile.mandatory_filter.items():
        said = (*place, "mandatory_filter", name)
        if name in closed:
            continue
        if name not in sets:
            inputs.report.add(source, said, f"`{name}` is no resource of the upstream")
        else:
            inputs.condition(name, text, source, said)
    for name, defaults in inputs.profile.create_defaults.items():
        for field, value in defaults.items() if name not in closed else ():
            where = (*place, "create_defaults", name, field)
            declared = inputs.schema.type_of(name).properties.get(field) if name in sets else None
            if declared is None:
                inputs.report.add(source, where, f"`{name}.{field}` is no field of the upstream")
            elif default_value(value, declared, inputs.schema) is UNKNOWN:
                inputs.report.add(source, where, f"`{value}` is no value of `{name}.{field}`")
    for name, links in inputs.profile.links.items():
        if name in closed:
            continue
        if name not in sets:
            inputs.report.add(source, (*place, "links", name), f"`{name}` is no resource of the upstream")
            continue
        for member, link in links.items():
            leads = inputs.schema.type_of(name).navigation.get(member)
            target = inputs.schema.target_set(name, leads) if leads else None
            where = (*place, "links", name, member)
            if inputs.cannot_read(name, member):
                continue
            if target is None:
                inputs.report.add(source, where, f"`{member}` is no navigation property of the upstream's `{name}`")
            elif not _has(inputs.schema, name, link.local) or not _has(inputs.schema, target, link.target):
                inputs.report.add(
                    source, where, f"`{link.local}` and `{link.target}` are not fields of `{name}` and `{target}`"
                )


def _check_never_visible(
    inputs: Inputs, source: Source, path: tuple[str, ...], mapping: Mapping[str, tuple[str, ...]]
) -> None:
    for word, fields in mapping.items():
        known = data_dictionary.FIELDS.get(canonical(word), frozenset())
        sets = [name for name in inputs.schema.entity_sets if inputs.protects(word, name)]
        if inputs.protects_closed(word):
            continue  # the fields may be those of the set that cannot be read
        if not sets and not known:
            inputs.report.add(source, (*path, word), f"`{word}` is no resource of the upstream")
        for position, field in enumerate(fields if sets else ()):
            present = any(_has(inputs.schema, name, field) or inputs.vanished(name, field) for name in sets)
            if not present and field not in known:
                message = f"`{field}` is no field of the upstream's `{sets[0]}`"
                inputs.report.add(source, (*path, word, str(position)), message)


def _has(schema: Schema, resource: str, member: str) -> bool:
    structured = schema.type_of(resource)
    return member in structured.properties or member in structured.navigation


def _check_words(inputs: Inputs, section: str, mapping: Mapping[str, object]) -> None:
    """Each word of a template is a resource or an alias of one, and none is meant twice (P12)."""
    assert inputs.template is not None
    seen: set[str] = set()
    for word, entry in mapping.items():
        name = inputs.resource_of(word)
        if name not in inputs.schema.entity_sets:
            # `"Agent": null` says nothing, so an upstream without members need not refuse the document.
            if name in inputs.closed:
                inputs.report.notes.append(f"{inputs.template.source.file}: the upstream's `{name}` cannot be read")
            elif inputs.vanished(name):
                inputs.report.notes.append(f"{inputs.template.source.file}: the upstream has no `{name}` any more")
            elif entry is not None or name not in data_dictionary.FIELDS:
                inputs.report.add(inputs.template.source, (section, word), f"`{word}` is no resource of the upstream")
        elif name in seen:
            inputs.report.add(inputs.template.source, (section, word), f"`{name}` is given twice, once as an alias")
        seen.add(name)


def _closed(inputs: Inputs) -> frozenset[str]:
    """Return the sets that the documents open, and that cannot be read."""
    overrides = inputs.template.document.FieldOverrides if inputs.template else None
    opened = {*map(inputs.resource_of, inputs.role.document.Resources), *_opened(inputs, overrides)}
    return frozenset(opened & inputs.closed.keys())


def _opened(inputs: Inputs, overrides: OverrideMap | None) -> list[str]:
    """Resources of which a template shows something: only that opens one which the role leaves closed."""
    opened = []
    for word, groups in (overrides.resources if overrides else {}).items():
        name = inputs.resource_of(word)
        shows = any(rule.Rule == "Visible" for rules in (groups or {}).values() for rule in rules.values())
        if shows:
            opened.append(name)
    return opened


# --- stages 2 and 3: rules and fields of one resource


def _draft(inputs: Inputs, name: str) -> tuple[Fields, ResourcePolicy]:
    structured = inputs.schema.type_of(name)
    before = len(inputs.report.faults)
    parts = row_rule(inputs, name)
    found = visible_fields(inputs, name)
    fields: dict[str, FieldPolicy] = {}
    navigation: dict[str, NavigationPolicy] = {}
    for member, visible in found.visible.items():
        if not _NAME.fullmatch(member):
            inputs.report.notes.append(f"`{name}.{member}` has a name that no client could write")
            continue
        if member in structured.properties:
            declared = structured.properties[member]
            if _can_be_emitted(inputs.schema, declared):
                fields[member] = FieldPolicy(declared, visible.origin, visible.condition)
            elif visible.declared:
                inputs.report.notes.append(f"`{name}.{member}` is of a type that is not offered")
            continue
        leads = structured.navigation[member]
        target = inputs.schema.target_set(name, leads)
        if target is not None:
            link = link_of(inputs, name, leads, target)
            if link is None and (name, member) in inputs.schema.embedded:
                # Nothing but its place in the record ties such a row to it.
                link = Link(local=structured.key[0], target=inputs.schema.type_of(target).key[0])
            navigation[member] = NavigationPolicy(leads, target, visible.origin, link, visible.condition)
        elif visible.declared:
            inputs.report.notes.append(f"`{name}.{member}` leads to no entity set of the upstream")
    _check_closure(inputs, name, found, fields)
    _note_places(inputs, name, fields)
    return found, ResourcePolicy(
        name,
        structured,
        parts or (),
        FALSE if parts is None else conjunction(*(part.expression for part in parts)),
        MappingProxyType(fields),
        MappingProxyType(navigation),
        parents=inputs.parents(name),
        kind=inputs.kind(name),
        kinds=frozenset(inputs.kinds(name)),
        embedded_only=name in inputs.schema.embedded_only,
        # Whatever cannot be decided denies the resource; a rule that cannot be applied never opens it.
        broken=len(inputs.report.faults) > before,
    )


def _note_places(inputs: Inputs, name: str, fields: Mapping[str, FieldPolicy]) -> None:
    """A point on the globe tells what a hidden address or latitude does not, by its value and by searches (C34)."""
    declared = inputs.schema.type_of(name).properties
    for member, shown in fields.items():
        if str(shown.property.type) != "Edm.GeographyPoint":
            continue
        for other in ("Latitude", "Longitude", "UnparsedAddress", "StreetName"):
            if other in declared and (other not in fields or fields[other].condition not in (TRUE, shown.condition)):
                inputs.report.notes.append(f"`{name}.{member}` shows where the listing is, and `{other}` is withheld")


def _can_be_emitted(schema: Schema, declared: Property) -> bool:
    """Scalars, enumerations and collections of them, and points on the globe; for other structured values and for
    streams there are no rules (C198)."""
    name = declared.type.name
    return (
        name in schema.enum_types
        or (declared.type.is_primitive and name != "Edm.Stream" and not name.startswith(("Edm.Geo", "Edm.Untyped")))
        or str(declared.type) == "Edm.GeographyPoint"
    )


# --- stage 4: links


def link_of(inputs: Inputs, resource: str, navigation: NavigationProperty, target: str) -> Link | None:
    """The fields that tie rows together: profile, else metadata, else Data Dictionary; None where unknown."""
    here, there = inputs.schema.type_of(resource), inputs.schema.type_of(target)
    relation = data_dictionary.RELATIONS.get((inputs.kind(resource), navigation.name))
    if relation is not None and relation[1] != inputs.kind(target):
        relation = None
    found = inputs.profile.links.get(resource, {}).get(navigation.name)
    if found is None and len(navigation.constraints) == 1:
        local, referenced = navigation.constraints[0]
        found = Link(local=local, target=referenced)
    if found is None and relation is not None:
        found = Link(local=relation[0], target=relation[2])
    if found is None or found.local not in here.properties or found.target not in there.properties:
        return None
    if found.discriminator is None and relation is not None and relation[3] in there.properties:
        # Keys of listings and members may be equal: a constraint alone would show the photos of one under the other.
        found = found.model_copy(update={"discriminator": relation[3], "values": (relation[4],)})
    if found.discriminator is None and len(inputs.parents(target)) > 1:
        return None
    if found.discriminator is not None and found.discriminator not in there.properties:
        return None
    return found


def _linked(
    inputs: Inputs, draft: ResourcePolicy, drafts: Mapping[str, ResourcePolicy], found: Fields
) -> ResourcePolicy:
    """A resource among those that exist beside it."""
    return replace(_reachable(draft, drafts, found), parent_links=_parent_links(inputs, draft, drafts))


def _reachable(draft: ResourcePolicy, drafts: Mapping[str, ResourcePolicy], found: Fields) -> ResourcePolicy:
    """Navigation only to resources that exist for the key; a hidden foreign key hides what it leads to, unless the
    navigation is named (C273)."""
    kept: dict[str, NavigationPolicy] = {}
    for member, policy in draft.navigation.items():
        if policy.target not in drafts:
            continue
        if not found.visible[member].declared and policy.link and not policy.navigation.type.is_collection:
            local = draft.fields.get(policy.link.local)
            if local is None or local.condition != TRUE:
                continue
        kept[member] = policy
    return replace(draft, navigation=MappingProxyType(kept))


def _parent_links(
    inputs: Inputs, child: ResourcePolicy, drafts: Mapping[str, ResourcePolicy]
) -> tuple[ParentLink, ...]:
    """How rows of a dependent resource name their parents. A parent that does not exist for the key has no entry, nor
    has one that nothing ties to the child: rows of either are withheld."""
    found: dict[str, ParentLink] = {}
    for parent in drafts.values():
        if not parent.is_any_of(child.parents):
            continue
        for navigation in parent.type.navigation.values():
            if navigation.type.is_collection and inputs.schema.target_set(parent.name, navigation) == child.name:
                link = link_of(inputs, parent.name, navigation, child.name)
                if link is not None:
                    found.setdefault(parent.name, ParentLink(parent.name, link))
        if parent.name not in found:
            link = _known_link(parent, child) or _named_link(parent, child)
            if link is not None:
                found[parent.name] = ParentLink(parent.name, link)
    return tuple(found.values())


def _photo_link(inputs: Inputs, media: str, drafts: Mapping[str, ResourcePolicy]) -> Link | None:
    """Return the link from listings to their photos, also where no client may follow it."""
    for listing in drafts.values():
        if "Property" not in listing.kinds:
            continue
        for navigation in listing.type.navigation.values():
            if navigation.type.is_collection and inputs.schema.target_set(listing.name, navigation) == media:
                link = link_of(inputs, listing.name, navigation, media)
                if link is not None:
                    return link
    return None


def _known_link(parent: ResourcePolicy, child: ResourcePolicy) -> Link | None:
    """The Data Dictionary's relation, for upstreams that have both sets and no navigation between them."""
    for (kind, _), (local, target, there, discriminator, value) in data_dictionary.RELATIONS.items():
        if kind not in parent.kinds or target not in child.kinds:
            continue
        needed = {there, *([discriminator] if discriminator else [])}
        if local in parent.type.properties and needed <= child.type.properties.keys():
            if discriminator:
                return Link(local=local, target=there, discriminator=discriminator, values=(value,))
            if len(child.parents) == 1:
                return Link(local=local, target=there)
    return None


def _named_link(parent: ResourcePolicy, child: ResourcePolicy) -> Link | None:
    """Rows that name any record of any resource: ``ResourceName`` and ``ResourceRecordKey``."""
    named = {"ResourceName", "ResourceRecordKey"}
    if len(parent.key) != 1 or not named <= child.type.properties.keys():
        return None
    return Link(local=parent.key[0], target="ResourceRecordKey", discriminator="ResourceName", values=(parent.kind,))


def _with_history(history: ResourcePolicy, finished: Mapping[str, ResourcePolicy]) -> ResourcePolicy:
    """History without what it tells of fields that the key does not see on every record (C228).

    The list of names is long, so it is enforced here and never printed.
    """
    if not {"ResourceName", "FieldName"} <= history.type.properties.keys():
        return replace(history, broken=True)
    links = []
    alternatives = []
    for parent in history.parent_links:
        # A counter under a photo limit is not shown as it is stored, and its history would be.
        seen = [
            name
            for name, field in finished[parent.resource].fields.items()
            if field.condition == TRUE and field.clamp is None
        ]
        told = In(PropertyPath("FieldName"), tuple(string(name) for name in seen))
        links.append(replace(parent, condition=null_safe(told)))
        named = In(PropertyPath("ResourceName"), tuple(string(value) for value in parent.link.values))
        alternatives.append(And((named, told)))
    return replace(history, parent_links=tuple(links), unpushed=null_safe(disjunction(*alternatives)))


# --- stage 6: closure


def _check_closure(inputs: Inputs, name: str, found: Fields, fields: Mapping[str, FieldPolicy]) -> None:
    place = ("FieldOverrides", name)
    for part in inputs.schema.type_of(name).key:
        if part not in fields or fields[part].condition != TRUE:
            message = f"the key `{part}` of `{name}` must be visible on every record"
            inputs.report.add(inputs.author, place, message)
    class_field = inputs.class_field(name)
    if found.by_class and (class_field not in fields or fields[class_field].condition != TRUE):
        message = f"`{class_field}` must be visible in every class while rules differ by class"
        inputs.report.add(inputs.author, place, message)
    for member, visible in found.visible.items():
        for path in properties(visible.condition):
            other = fields.get(path.name)
            if other is not None and other.condition != TRUE:
                message = f"the condition of `{member}` tests `{path.name}`, which is conditional itself"
                inputs.report.add(inputs.author, (*place, member), message)
