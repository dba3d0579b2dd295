"""``$metadata`` as it is for one key: written from the policy's projection, so what is hidden is not in it (C165).

XML and JSON come from one list of types. Nothing of the upstream's document is copied but names, types and facets of
visible things; of its annotations only the name of a lookup, never a text (C312).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from gateway.odata.ast import TRUE
from gateway.odata.csdl import LOOKUP_NAME, EnumType, Property, TypeReference
from gateway.policy.model import NavigationPolicy, Policy, ResourcePolicy

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"


@dataclass(frozen=True, slots=True)
class _Model:
    """What both formats print: resources with the names of their types, enumerations in use, the container's place."""

    policy: Policy
    type_names: dict[str, str]
    enums: dict[str, EnumType]
    namespaces: tuple[str, ...]

    @property
    def container_namespace(self) -> str:
        return self.namespaces[0]

    def resources(self, namespace: str) -> Iterator[tuple[str, ResourcePolicy]]:
        for name, resource in self.policy.resources.items():
            if self.type_names[name].rpartition(".")[0] == namespace:
                yield self.type_names[name].rpartition(".")[2], resource

    def sets(self) -> Iterator[ResourcePolicy]:
        """Resources that can be addressed; dependent ones are types only, reached by $expand."""
        return (resource for resource in self.policy.resources.values() if resource.is_addressable)

    def navigation(self, resource: ResourcePolicy) -> Iterator[tuple[str, NavigationPolicy]]:
        """Navigation that can be expanded: without a link between rows it is not offered."""
        return ((name, nav) for name, nav in resource.navigation.items() if nav.link is not None)

    def bindings(self, resource: ResourcePolicy) -> dict[str, str]:
        """Navigation to the entity sets that can be addressed."""
        return {
            name: nav.target
            for name, nav in self.navigation(resource)
            if self.policy.resources[nav.target].is_addressable
        }

    def constraint(self, resource: ResourcePolicy, nav: NavigationPolicy) -> tuple[str, str] | None:
        """The fields of a link to one record, where both are visible on every record."""
        if nav.link is None or nav.navigation.type.is_collection:
            return None
        here = resource.fields.get(nav.link.local)
        there = self.policy.resources[nav.target].fields.get(nav.link.target)
        if here is None or there is None or here.condition != TRUE or there.condition != TRUE:
            return None
        return nav.link.local, nav.link.target


def _model(policy: Policy) -> _Model:
    used = [resource.type.name for resource in policy.resources.values()]
    own = policy.schema.computed
    type_names = {}
    for name, resource in policy.resources.items():
        if name in own:
            continue
        namespace, _, local = resource.type.name.rpartition(".")
        # Two sets over one type have two policies, so they need two types here.
        type_names[name] = f"{namespace}.{local if used.count(resource.type.name) == 1 else name}"
    # Sets of the gateway's own are no types of the upstream's: they stand beside what the key sees of those. The
    # namespace of another set would tell of it.
    beside = next(iter(type_names.values()), "Service.").rpartition(".")[0]
    for name in policy.resources:
        if name in own:
            taken = f"{beside}.{name}" in type_names.values()
            type_names[name] = f"{beside}.{name}{'Rows' if taken else ''}"
    enums = {}
    for resource in policy.resources.values():
        for field in resource.fields.values():
            enum = policy.schema.enum_types.get(field.property.type.name)
            if enum is not None:
                enums[enum.name] = enum
    namespaces = dict.fromkeys(name.rpartition(".")[0] for name in (*type_names.values(), *enums))
    return _Model(policy, type_names, enums, tuple(namespaces) or ("Service",))


def _nullable(resource: ResourcePolicy, name: str, declared: Property) -> bool:
    """A field that some records hide is nullable, whatever the upstream declares (C309)."""
    return declared.nullable or resource.fields[name].condition != TRUE


# --- XML


def metadata_xml(policy: Policy) -> bytes:
    """CSDL XML 4.01 of the projection."""
    model = _model(policy)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.01">',
        "<edmx:DataServices>",
    ]
    for namespace in model.namespaces:
        lines.append(f'<Schema xmlns="{_EDM}" Namespace={quoteattr(namespace)}>')
        for local, resource in model.resources(namespace):
            lines += _entity_type_xml(model, local, resource)
        for enum in model.enums.values():
            if enum.name.rpartition(".")[0] == namespace:
                lines += _enum_type_xml(enum)
        if namespace == model.container_namespace:
            lines += _container_xml(model)
        lines.append("</Schema>")
    lines += ["</edmx:DataServices>", "</edmx:Edmx>", ""]
    return "\n".join(lines).encode("utf-8")


def _entity_type_xml(model: _Model, local: str, resource: ResourcePolicy) -> list[str]:
    lines = [f"<EntityType Name={quoteattr(local)}>", "<Key>"]
    lines += [f"<PropertyRef Name={quoteattr(part)}/>" for part in resource.key]
    lines.append("</Key>")
    for name, field in resource.fields.items():
        declared = field.property
        attributes = [f"Name={quoteattr(name)}", f"Type={quoteattr(str(declared.type))}"]
        attributes += [f'{facet}="{value}"' for facet, value in _facets(declared)]
        if not _nullable(resource, name, declared):
            attributes.append('Nullable="false"')
        lookup = declared.annotations.get(LOOKUP_NAME)
        if lookup is None:
            lines.append(f"<Property {' '.join(attributes)}/>")
        else:
            lines.append(f"<Property {' '.join(attributes)}><Annotation Term={quoteattr(LOOKUP_NAME)} "
                         f"String={quoteattr(lookup)}/></Property>")  # fmt: skip
    for name, nav in model.navigation(resource):
        kind = str(TypeReference(model.type_names[nav.target], nav.navigation.type.is_collection))
        constraint = model.constraint(resource, nav)
        head = f"<NavigationProperty Name={quoteattr(name)} Type={quoteattr(kind)}"
        if constraint is None:
            lines.append(head + "/>")
        else:
            lines.append(f"{head}><ReferentialConstraint Property={quoteattr(constraint[0])} "
                         f"ReferencedProperty={quoteattr(constraint[1])}/></NavigationProperty>")  # fmt: skip
    lines.append("</EntityType>")
    return lines


def _facets(declared: Property) -> Iterator[tuple[str, int]]:
    for name, value in (
        ("MaxLength", declared.max_length),
        ("Precision", declared.precision),
        ("Scale", declared.scale),
    ):
        if value is not None:
            yield name, value


def _enum_type_xml(enum: EnumType) -> list[str]:
    flags = ' IsFlags="true"' if enum.is_flags else ""
    lines = [f"<EnumType Name={quoteattr(enum.name.rpartition('.')[2])}{flags}>"]
    lines += [f'<Member Name={quoteattr(name)} Value="{value}"/>' for name, value in enum.members.items()]
    return [*lines, "</EnumType>"]


def _container_xml(model: _Model) -> list[str]:
    lines = ['<EntityContainer Name="Container">']
    for resource in model.sets():
        lines.append(
            f"<EntitySet Name={quoteattr(resource.name)} EntityType={quoteattr(model.type_names[resource.name])}>"
        )
        lines += [
            f"<NavigationPropertyBinding Path={quoteattr(name)} Target={quoteattr(target)}/>"
            for name, target in model.bindings(resource).items()
        ]
        lines.append("</EntitySet>")
    return [*lines, "</EntityContainer>"]


# --- JSON


def metadata_json(policy: Policy, *, quoted: bool = False) -> bytes:
    """CSDL JSON 4.01 of the projection.

    Args:
        quoted: whether values of members are strings (CSDL JSON, 3: IEEE754Compatible).
    """
    model = _model(policy)
    document: dict[str, Any] = {"$Version": "4.01", "$EntityContainer": f"{model.container_namespace}.Container"}
    for namespace in model.namespaces:
        document[namespace] = {
            local: _entity_type_json(model, resource) for local, resource in model.resources(namespace)
        }
        for enum in model.enums.values():
            if enum.name.rpartition(".")[0] == namespace:
                flags = {"$IsFlags": True} if enum.is_flags else {}
                members = {name: str(value) if quoted else value for name, value in enum.members.items()}
                document[namespace][enum.name.rpartition(".")[2]] = {"$Kind": "EnumType", **flags, **members}
    document[model.container_namespace]["Container"] = _container_json(model)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _entity_type_json(model: _Model, resource: ResourcePolicy) -> dict[str, Any]:
    members: dict[str, Any] = {"$Kind": "EntityType", "$Key": list(resource.key)}
    for name, field in resource.fields.items():
        declared = field.property
        members[name] = {
            **({"$Collection": True} if declared.type.is_collection else {}),
            **({} if declared.type.name == "Edm.String" else {"$Type": declared.type.name}),
            **({"$Nullable": True} if _nullable(resource, name, declared) else {}),
            **{f"${facet}": value for facet, value in _facets(declared)},
            **({f"@{LOOKUP_NAME}": declared.annotations[LOOKUP_NAME]} if LOOKUP_NAME in declared.annotations else {}),
        }
    for name, nav in model.navigation(resource):
        collection = nav.navigation.type.is_collection
        constraint = model.constraint(resource, nav)
        members[name] = {
            "$Kind": "NavigationProperty",
            **({"$Collection": True} if collection else {"$Nullable": True}),
            "$Type": model.type_names[nav.target],
            **({"$ReferentialConstraint": {constraint[0]: constraint[1]}} if constraint else {}),
        }
    return members


def _container_json(model: _Model) -> dict[str, Any]:
    container: dict[str, Any] = {"$Kind": "EntityContainer"}
    for resource in model.sets():
        bindings = model.bindings(resource)
        container[resource.name] = {
            "$Collection": True,
            "$Type": model.type_names[resource.name],
            **({"$NavigationPropertyBinding": bindings} if bindings else {}),
        }
    return container
