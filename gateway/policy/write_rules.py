"""What the keys of a role may write, compiled: against the visible model, and against what the policy itself tests
(C205, C321).

A field can be written only where it can be seen, never where it is computed, is a key, or would move a row to another
parent; what a rule or a condition tests is read-only unless the role says otherwise, for a write could else make
visible what is withheld. A role is shared by many templates: what one of them takes away closes fields, and methods
that need them, with a note; only what no template could make good is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from gateway.odata.ast import And, Expression
from gateway.odata.csdl import Property
from gateway.odata.literals import Value
from gateway.odata.walk import properties
from gateway.policy import data_dictionary
from gateway.policy.documents import RoleWrites, canonical
from gateway.policy.inputs import Inputs
from gateway.policy.lookups import closed_values
from gateway.policy.media_rules import MEDIA_COUNTERS, PHOTO_TIME
from gateway.policy.model import Origin, ParentLink, ResourcePolicy, WritePolicy

METHODS = ("POST", "PATCH", "DELETE")


def with_writes(
    inputs: Inputs, finished: Mapping[str, ResourcePolicy], withheld: Mapping[str, ResourcePolicy]
) -> dict[str, ResourcePolicy]:
    """Every resource, with what can be written of it.

    Args:
        withheld: those that exist for keys with another privilege only. The role's faults about them are found too.
    """
    _check_template(inputs, {**finished, **withheld})
    for resource in withheld.values():
        _writes(inputs, resource, {**finished, **withheld})
    return {name: replace(resource, writes=_writes(inputs, resource, finished)) for name, resource in finished.items()}


def _check_template(inputs: Inputs, finished: Mapping[str, ResourcePolicy]) -> None:
    """A template allows what its role has prepared, and nothing else: it says nothing of fields."""
    if inputs.template is None:
        return
    if inputs.template.document.Writes == {}:
        message = "must name a resource: `Property: []` forbids to write one, null keeps what the role says"
        inputs.report.add(inputs.template.source, ("Writes",), message)
    seen: set[str] = set()
    for word in inputs.template.document.Writes or {}:
        name = inputs.resource_of(word)
        entry = inputs.role_entry(name)
        place = ("Writes", word)
        if name in seen:
            inputs.report.add(inputs.template.source, place, f"`{name}` is given twice, once as an alias")
        elif name in inputs.closed:
            pass  # noted where the resource is
        elif name not in finished and not inputs.vanished(name):
            inputs.report.add(inputs.template.source, place, f"`{word}` is no resource that these keys can see")
        elif entry is None or entry.Writes is None:
            message = f"the role `{inputs.role.name}` does not say what can be written of `{word}`"
            inputs.report.add(inputs.template.source, place, message)
        seen.add(name)


def _methods(inputs: Inputs, resource: str, said: RoleWrites, entry: Origin) -> tuple[tuple[str, ...], Origin]:
    """By what the keys may write, and where that is written: the template's word replaces the role's."""
    document = inputs.template.document if inputs.template else None
    for word, methods in ((document.Writes if document else None) or {}).items():
        if inputs.resource_of(word) == resource:
            assert inputs.template is not None
            source = inputs.template.source
            return methods, Origin(source.file, (*source.prefix, "Writes", word))
    return said.Methods, entry


def _writes(inputs: Inputs, resource: ResourcePolicy, finished: Mapping[str, ResourcePolicy]) -> WritePolicy | None:
    entry = inputs.role_entry(resource.name)
    said = entry.Writes if entry is not None else None
    if said is None or resource.broken or resource.embedded_only:
        return None
    neighbour = _closed_neighbour(inputs, resource, said)
    if neighbour is not None:
        # Rows of it may name a row of this one, or be named: whether a write is within the licence is not known.
        inputs.report.notes.append(f"`{resource.name}` is read-only while the upstream's `{neighbour}` cannot be read")
        return None
    if resource.photo is not None:
        # A photo that is past the limit would come into it when another one goes (C322).
        inputs.report.notes.append(f"`{resource.name}` is read-only under a photo limit")
        return None
    source = inputs.role.source
    written = Origin(source.file, (*source.prefix, "Resources", inputs.role_word(resource.name), "Writes"))
    methods, origin = _methods(inputs, resource.name, said, written)
    return _Compilation(inputs, resource, said, finished).policy(methods, origin, written)


def _closed_neighbour(inputs: Inputs, resource: ResourcePolicy, said: RoleWrites) -> str | None:
    """Return a set that cannot be read and whose rows may be tied to those of a resource, if there
    is one.
    """
    for navigation in resource.type.navigation.values():
        for name in sorted(inputs.schema.closed_targets(resource.name, navigation)):
            return name
    named = {inputs.resource_of(word) for word in said.References.values()}
    mine = frozenset(inputs.kinds(resource.name))
    tied = {(kind, target) for (kind, _), (_, target, *_) in data_dictionary.RELATIONS.items()}
    for name, kinds in inputs.closed.items():
        followed = {
            canonical(parent)
            for word, parents in inputs.gateway.follows.items()
            if word == name or canonical(word) in kinds
            for parent in parents
        }
        pairs = {(here, there) for here in mine for there in kinds}
        is_tied = bool(tied & (pairs | {(there, here) for here, there in pairs}))
        if name in named or mine & followed or kinds & set(resource.parents) or is_tied:
            return name
    return None


def tested_by(resource: ResourcePolicy) -> Iterator[str]:
    """Every field on which the visibility of something hangs."""
    for expression in _deciding(resource):
        yield from (path.name for path in properties(expression))


def _deciding(resource: ResourcePolicy) -> Iterator[Expression]:
    """Conjuncts of the rule, and conditions: each is decided by itself."""
    for part in (*(part.expression for part in resource.parts), resource.rule, resource.unpushed):
        yield from part.terms if isinstance(part, And) else (part,)
    for _, condition in resource.conditions():
        yield condition


@dataclass(frozen=True)
class _Compilation:
    """One entry of a role, with every fault at its place."""

    inputs: Inputs
    resource: ResourcePolicy
    said: RoleWrites
    finished: Mapping[str, ResourcePolicy]

    def policy(self, allowed: tuple[str, ...], origin: Origin, entry: Origin) -> WritePolicy:
        tested = frozenset(tested_by(self.resource))
        self._check_names()
        blind = self._blind(tested)
        control = self._control(tested)
        references = {**self._known_references(), **self._references()}
        fields = self._fields(tested)
        for name in blind & fields.keys():
            fields.pop(name)
        for name in [name for name in (*fields, *control) if name in references and not references[name]]:
            # What it names does not exist for the key, whatever its value.
            self._note(name, "names records that these keys cannot see, so it cannot be written")
            fields.pop(name, None)
            control.pop(name, None)
        known = {*fields, *control}
        created_only = self._set_once & fields.keys()
        return WritePolicy(
            origin,
            entry,
            frozenset(method for method in allowed if self._is_possible(method, known)),
            MappingProxyType(fields),
            MappingProxyType(control),
            created_only,
            MappingProxyType({method: tuple(names) for method, names in self.said.Required.items()}),
            MappingProxyType({name: target for name, target in references.items() if name in known and target}),
            MappingProxyType({name: word for name, word in self.said.Bound.items() if name in known}),
            tested,
            MappingProxyType(self._closed(fields)),
            tuple(self._adoptable(known)),
            self.said.AllowLeaving and not self._unseen_followers,
            self.said.CreateOutside,
        )

    def _closed(self, fields: Mapping[str, Property]) -> dict[str, frozenset[Value]]:
        """Return the values of closed lookups. Control fields have none: what is legal there is hidden as well."""
        found = {
            name: closed_values(self.inputs, self.finished, self.resource.name, declared)
            for name, declared in fields.items()
        }
        return {name: values for name, values in found.items() if values is not None}

    def _fault(self, place: tuple[str, ...], message: str) -> None:
        path = ("Resources", self.inputs.role_word(self.resource.name), "Writes", *place)
        self.inputs.report.add(self.inputs.role.source, path, message)

    def _mistake(self, place: tuple[str, ...], name: str, message: str) -> None:
        """A fault of the role; under a template, which may have brought it about, a note: the field is closed."""
        if self.inputs.template is None:
            self._fault(place, f"`{name}` {message}")
        else:
            self._note(name, f"cannot be written: it {message}")

    def _note(self, name: str, message: str) -> None:
        self.inputs.report.notes.append(f"{self.inputs.role.name}: `{self.resource.name}.{name}` {message}")

    def _check_names(self) -> None:
        """What the entry says of itself: what it requires, binds and refers to is among what it lets write."""
        named = {*self.said.Fields, *self.said.Control}
        lists = {"Fields": self.said.Fields, "Control": self.said.Control}
        for word, names in lists.items():
            for position, name in enumerate(names):
                self._check_name((word, str(position)), name)
        for position, name in enumerate(self.said.PolicyFields):
            if name not in self.said.Fields:
                self._fault(("PolicyFields", str(position)), f"`{name}` is not among `Fields`")
        for method, required in self.said.Required.items():
            if method == "DELETE" and required:
                self._fault(("Required", method), "a deletion has no body")
            for position, name in enumerate(required):
                place = ("Required", method, str(position))
                if name not in named:
                    self._fault(place, f"`{name}` is not among `Fields` or `Control`")
                elif name in self._set_once and method == "PATCH":
                    self._fault(place, f"`{name}` is set by POST and stays, so no PATCH can have it")
        for setting, entries in (("Bound", self.said.Bound), ("References", self.said.References)):
            for name in entries:
                if name not in named:
                    self._fault((setting, name), f"`{name}` is not among `Fields` or `Control`")

    def _check_name(self, place: tuple[str, str], name: str) -> None:
        resource = self.resource
        if name in resource.key:
            self._fault(place, f"`{name}` is the key: the upstream gives it")
        elif name in MEDIA_COUNTERS or name == PHOTO_TIME:
            self._fault(place, f"`{name}` is computed, and cannot be written")
        elif name in resource.type.navigation:
            self._fault(place, f"`{name}` leads to other records: they are written by themselves")
        elif name not in resource.type.properties:
            if name in data_dictionary.FIELDS.get(resource.kind, ()) or self.inputs.vanished(resource.name, name):
                self._note(name, "is no field of this upstream, so it cannot be written")
            else:
                self._fault(place, f"`{name}` is no field of the upstream's `{resource.name}`")
        elif place[0] == "Control" and name in resource.fields:
            self._mistake(place, name, "is visible; what is only written must be hidden")

    def _blind(self, tested: frozenset[str]) -> set[str]:
        """Fields that are closed, because whether a write is accepted would tell what is hidden: no one test may name
        both (C323)."""
        found: set[str] = set()
        writable = {*self.said.PolicyFields} & tested
        for expression in _deciding(self.resource):
            names = {path.name for path in properties(expression)}
            for name in sorted(names & writable):
                hidden = [other for other in names - {name} if not self.resource.always_shows(other)]
                if hidden:
                    place = ("PolicyFields", str(self.said.PolicyFields.index(name)))
                    others = ", ".join(f"`{other}`" for other in sorted(hidden))
                    self._mistake(place, name, f"is tested together with {others}, which is not always visible")
                    found.add(name)
        return found

    def _fields(self, tested: frozenset[str]) -> dict[str, Property]:
        """What a body may name and an answer may show."""
        found: dict[str, Property] = {}
        for name in self.said.Fields:
            shown = self.resource.fields.get(name)
            declared = self.resource.type.properties.get(name)
            if declared is None or shown is None or shown.clamp is not None or name in self.resource.key:
                continue
            if name in self._adopting:
                self._note(name, "is what other records name this one by, so it is read-only")
            elif name in tested and name not in self.said.PolicyFields and name not in self._set_once:
                self._note(name, "decides what the key sees, so it is read-only; `PolicyFields` can name it")
            else:
                found[name] = declared
        return found

    @cached_property
    def _set_once(self) -> frozenset[str]:
        """The class of a record, and what it follows: a new one says it, and it stays (C326)."""
        return self.resource.link_fields | {self.inputs.class_field(self.resource.name)}

    @cached_property
    def _adopting(self) -> frozenset[str]:
        """Fields of this resource by which rows of others name it: a row that took another's value would take over its
        rows, and with them what does not exist for the key (C326)."""
        followed = {parent.link.local for _, parent in self._followers()}
        lists = (policy for policy in self.resource.navigation.values() if policy.navigation.type.is_collection)
        return frozenset(followed | {policy.link.local for policy in lists if policy.link is not None})

    def _followers(self) -> Iterator[tuple[ResourcePolicy, ParentLink]]:
        """Resources whose rows go where a row of this one goes, and by which fields."""
        for child in self.finished.values():
            yield from ((child, parent) for parent in child.parent_links if parent.resource == self.resource.name)

    @cached_property
    def _unseen_followers(self) -> list[str]:
        """Those of them that do not show the key which one they follow: a row that is taken away would tell (the
        prover found this)."""
        return [
            child.name
            for child, parent in self._followers()
            if not child.embedded_only and not all(map(child.always_shows, parent.link.target_fields))
        ]

    def _control(self, tested: frozenset[str]) -> dict[str, Property]:
        """What a body may name and no answer shows."""
        found: dict[str, Property] = {}
        for name in self.said.Control:
            declared = self.resource.type.properties.get(name)
            if declared is None or name in self.resource.fields or name in self.resource.key:
                continue
            if name in tested | self._set_once or name in self._adopting:
                self._note(name, "decides what the key sees, so it cannot be written unseen")
            else:
                found[name] = declared
        return found

    def _known_references(self) -> dict[str, str]:
        """What the Data Dictionary says to be the key of a row of another resource (C214): empty where that one does
        not exist for the key."""
        found: dict[str, str] = {}
        for (kind, _), (local, target, there, discriminator, _) in data_dictionary.RELATIONS.items():
            if kind in self.resource.kinds and not discriminator and local not in self.resource.key:
                name = self._target(target)
                if name is None and self.inputs.resource_of(target) in self.inputs.schema.entity_sets:
                    found.setdefault(local, "")
                elif name is not None and self.finished[name].key == (there,):
                    found[local] = name
        for policy in self.resource.navigation.values():
            link, there_is = policy.link, self.finished.get(policy.target)
            if link is None or policy.navigation.type.is_collection or link.discriminator:
                continue
            if there_is is not None and there_is.key == (link.target,):
                found[link.local] = policy.target
        return found

    def _references(self) -> dict[str, str]:
        """What the role says so of."""
        found = {}
        for name, word in self.said.References.items():
            target = self._target(word)
            name_there = self.inputs.resource_of(word)
            known = name_there in self.inputs.schema.entity_sets or name_there in self.inputs.closed
            if target is None and not known and word not in data_dictionary.FIELDS:
                self._fault(("References", name), f"`{word}` is no resource of the upstream")
            found[name] = target or ""
        return found

    def _target(self, word: str) -> str | None:
        """A resource whose rows can be asked for by one key."""
        target = self.finished.get(self.inputs.resource_of(word))
        return target.name if target is not None and len(target.key) == 1 and target.is_addressable else None

    def _is_possible(self, method: str, known: Iterable[str]) -> bool:
        """Whether the method's required fields can be written by this key, and a new row can name its parent."""
        missing = sorted({*self.said.Required.get(method, ())} - {*known})  # type: ignore[call-overload]  # a method
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            self.inputs.report.notes.append(
                f"`{self.resource.name}` takes no {method}: it requires {names}, which cannot be written"
            )
        followers = self._unseen_followers if method == "DELETE" else []
        if followers:
            rows = ", ".join(f"`{name}`" for name in followers)
            message = f"takes no DELETE: it would tell which rows of {rows} follow a record, which the key does not see"
            self.inputs.report.notes.append(f"`{self.resource.name}` {message}")
        orphaned = method == "POST" and bool(self.resource.parents) and not list(self._adoptable(known))
        if orphaned:
            self.inputs.report.notes.append(f"`{self.resource.name}` takes no POST: no parent can be named")
        return not missing and not orphaned and not followers

    def _adoptable(self, known: Iterable[str]) -> Iterator[ParentLink]:
        names = set(known)
        for parent in self.resource.parent_links:
            if parent.link.target_fields <= names and self.finished[parent.resource].key == (parent.link.local,):
                yield parent
