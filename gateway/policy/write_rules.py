"""What a role lets its keys write, compiled: against the visible model, and against what the policy itself tests
(C205, C321).

A field can be written only where it can be seen, never where it is computed, is a key, or would move a row to another
parent; what a rule or a condition tests is read-only unless the role says otherwise, for a write could else make
visible what is withheld.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.odata.ast import Expression
from gateway.odata.csdl import Property
from gateway.odata.walk import properties
from gateway.policy.documents import RoleWrites, Source
from gateway.policy.inputs import Inputs
from gateway.policy.media_rules import MEDIA_COUNTERS, PHOTO_TIME
from gateway.policy.model import ResourcePolicy, WritePolicy


def with_writes(inputs: Inputs, finished: Mapping[str, ResourcePolicy]) -> dict[str, ResourcePolicy]:
    """Every resource, with what can be written of it."""
    return {name: replace(resource, writes=_writes(inputs, resource, finished)) for name, resource in finished.items()}


def _writes(inputs: Inputs, resource: ResourcePolicy, finished: Mapping[str, ResourcePolicy]) -> WritePolicy | None:
    entry = inputs.role_entry(resource.name)
    said = entry.Writes if entry is not None else None
    if said is None or resource.broken or resource.embedded_only:
        return None
    if resource.photo is not None:
        # A photo that is past the limit would come into it when another one goes (C322).
        inputs.report.notes.append(f"`{resource.name}` is read-only under a photo limit")
        return None
    report = _Report(inputs, resource, said)
    tested = frozenset(_tested(resource))
    parents = frozenset(_parent_keys(resource))
    class_field = inputs.class_field(resource.name)
    fields = report.fields(tested, parents, class_field)
    control = report.control()
    known = {*fields, *control}
    report.check_methods(known)
    references = report.references(known, finished)
    created_only = {class_field, *parents} & fields.keys()
    return WritePolicy(
        frozenset(said.Methods),
        MappingProxyType(fields),
        MappingProxyType(control),
        frozenset(created_only),
        MappingProxyType({method: tuple(names) for method, names in said.Required.items()}),
        MappingProxyType(references),
        MappingProxyType(dict(said.Bound)),
        tested,
        said.AllowLeaving,
        said.CreateOutside,
    )


def _tested(resource: ResourcePolicy) -> Iterator[str]:
    """Every field on which the visibility of something hangs."""
    expressions: list[Expression] = [resource.rule, resource.unpushed]
    expressions += [condition for _, condition in resource.conditions()]
    for expression in expressions:
        yield from (path.name for path in properties(expression))


def _parent_keys(resource: ResourcePolicy) -> Iterator[str]:
    """The fields by which a row names what it follows (C326)."""
    for parent in resource.parent_links:
        yield parent.link.target
        if parent.link.discriminator is not None:
            yield parent.link.discriminator


class _Report:
    """Checks one entry of a role, and tells every fault with its place."""

    def __init__(self, inputs: Inputs, resource: ResourcePolicy, said: RoleWrites) -> None:
        self._inputs = inputs
        self._resource = resource
        self._said = said
        self._source: Source = inputs.role.source
        self._path = ("Resources", resource.name, "Writes")

    def _fault(self, place: tuple[str, ...], message: str) -> None:
        self._inputs.report.add(self._source, (*self._path, *place), message)

    def fields(self, tested: frozenset[str], parents: frozenset[str], class_field: str) -> dict[str, Property]:
        """What a body may name and an answer may show."""
        found: dict[str, Property] = {}
        for position, name in enumerate(self._said.Fields):
            place = ("Fields", str(position))
            shown = self._resource.fields.get(name)
            declared = self._resource.type.properties.get(name)
            if declared is None:
                self._fault(place, f"`{name}` is no field of the upstream's `{self._resource.name}`")
            elif name in self._resource.key:
                self._fault(place, f"`{name}` is the key: the upstream gives it")
            elif shown is not None and (shown.clamp is not None or name in MEDIA_COUNTERS or name == PHOTO_TIME):
                self._fault(place, f"`{name}` is computed, and cannot be written")
            elif name in tested and name not in self._said.PolicyFields and name not in {class_field, *parents}:
                where = f"`{self._resource.name}.{name}`"
                message = f"{where} decides what the key sees, so it is read-only; `PolicyFields` can name it"
                self._inputs.report.notes.append(message)
            elif shown is not None:
                found[name] = declared
        for position, name in enumerate(self._said.PolicyFields):
            if name not in self._said.Fields:
                self._fault(("PolicyFields", str(position)), f"`{name}` is not among `Fields`")
        return found

    def control(self) -> dict[str, Property]:
        """What a body may name and no answer shows."""
        found: dict[str, Property] = {}
        for position, name in enumerate(self._said.Control):
            declared = self._resource.type.properties.get(name)
            place = ("Control", str(position))
            if declared is None:
                self._fault(place, f"`{name}` is no field of the upstream's `{self._resource.name}`")
            elif name in self._resource.fields:
                self._fault(place, f"`{name}` is visible; what is only written must be hidden")
            else:
                found[name] = declared
        return found

    def check_methods(self, known: Iterable[str]) -> None:
        names = set(known)
        for method, required in self._said.Required.items():
            if method not in self._said.Methods:
                self._fault(("Required", method), "is not among `Methods`")
            for position, name in enumerate(required):
                if name not in names:
                    message = f"`{name}` cannot be written, so it cannot be required"
                    self._fault(("Required", method, str(position)), message)
        for name in self._said.Bound:
            if name not in names:
                self._fault(("Bound", name), f"`{name}` cannot be written")

    def references(self, known: Iterable[str], finished: Mapping[str, ResourcePolicy]) -> dict[str, str]:
        """Fields that must name a row; the row must be one that the key can see, so its resource is one too."""
        names = set(known)
        found: dict[str, str] = {}
        for name, word in self._said.References.items():
            target = finished.get(self._inputs.resource_of(word))
            if name not in names:
                self._fault(("References", name), f"`{name}` cannot be written")
            elif target is None or len(target.key) != 1 or not target.is_addressable:
                self._fault(("References", name), f"`{word}` is no resource that these keys can ask for")
            else:
                found[name] = target.name
        return found
