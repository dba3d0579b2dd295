"""What a client sends to be written, against what its key may write: pure, and before anything is asked.

Every fault of a body is told at once, in its own order; a name that is hidden, read-only or was never there gets one
and the same text, so a body is no way to find out which names exist (C205).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import msgspec

from gateway.errors import Detail, invalid_body
from gateway.odata.ast import And, Expression
from gateway.odata.csdl import EnumType, Property, Schema, TypeReference
from gateway.odata.evaluate import STRICT, Lookup, Reading, holds
from gateway.odata.json_format import BodyError, Record, decode_list, decode_string, encode_string
from gateway.odata.literals import Value
from gateway.odata.values import INTEGERS, NUMBERS, UNKNOWN, Unknown, as_members, typed_value
from gateway.odata.walk import properties
from gateway.policy.conditions import enum_members
from gateway.policy.model import ResourcePolicy, WritePolicy

#: A number as JSON writes it.
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
#: Members of one body: more than any resource has fields.
MOST_MEMBERS = 2_000

_CLOSED = "cannot be written here"
_ORPHAN = "must name a record that can be seen here"
_MISFIT = "is no value of this field"
_OUTSIDE = "is not one of the values of this field"
_REQUIRED = "is required"
_NOTHING = "there is nothing to be written"
_LOST = "is the key of no record that can be seen here"

#: The name of an annotation or of control information behind its ``@`` (OData JSON Format, 4.5 and 20).
_TERM = re.compile(r"[\w\-]+(?:\.[\w\-]+)*(?:#\w+)?")
#: Control information that asks for a write: passing it over would drop a part of what the client wants.
_INSTRUCTIONS = frozenset({"bind", "delta", "removed"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that must be the key of a row of one of ``resources`` which exists for the key."""

    field: str
    resources: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class Body:
    """What is to be written: ``values`` to decide with, ``members`` as they are sent on, written anew by us."""

    values: Mapping[str, Value]
    members: Mapping[str, bytes]
    references: tuple[Reference, ...]
    #: The names of the body that are not annotations, and of a change the members that the key sees on some record.
    names: frozenset[str] = frozenset()
    said: Mapping[str, msgspec.Raw] = field(default_factory=dict)

    @property
    def text(self) -> bytes:
        """The body of the request to the upstream. Nothing of the client's own spelling is in it."""
        return b"{" + b",".join(encode_string(name) + b":" + raw for name, raw in self.members.items()) + b"}"


def read_body(
    record: Record,
    method: str,
    resource: ResourcePolicy,
    schema: Schema,
    bindings: Mapping[str, str],
    *,
    is_compatible: bool = False,
) -> tuple[Body, list[Detail]]:
    """The body of a POST or PATCH, and one detail for each of its faults: with any of them nothing of it may be sent.

    Annotations are passed over, whatever they are about. Faults of a change hold until ``settle`` has seen the record.

    Args:
        bindings: of the key: what its own member and office are.
        is_compatible: whether Edm.Int64 and Edm.Decimal come as strings (OData JSON Format, 3.2).
    """
    return _Reader(record, method, resource, schema, bindings, is_compatible=is_compatible).body()


class _Reader:
    def __init__(
        self,
        record: Record,
        method: str,
        resource: ResourcePolicy,
        schema: Schema,
        bindings: Mapping[str, str],
        *,
        is_compatible: bool,
    ) -> None:
        assert resource.writes is not None
        self._record = record
        self._method = method
        self._resource = resource
        self._writes: WritePolicy = resource.writes
        self._schema = schema
        self._bindings = bindings
        self._is_compatible = is_compatible
        self._details: list[Detail] = []

    def body(self) -> tuple[Body, list[Detail]]:
        if len(self._record.members) > MOST_MEMBERS:
            # Each would be a detail of an answer that is many times as long as the request.
            return Body({}, {}, ()), [Detail("", f"there are more than {MOST_MEMBERS} members")]
        values: dict[str, Value] = {}
        members: dict[str, bytes] = {}
        names = frozenset(name for name in self._record.members if not is_ignored(name))
        for name, raw in self._record.members.items():
            declared = self._declared(name)
            if name in self._record.repeated:
                self._details.append(Detail(name, "is given twice"))
            elif declared is None:
                self._details += [Detail(name, _CLOSED)] if name in names else []
            else:
                member = _as_number(raw, declared.type) if self._is_compatible else raw
                value, written = self._read(name, member, declared)
                if isinstance(value, Unknown):
                    self._details.append(Detail(name, written.decode("ascii")))
                else:
                    values[name], members[name] = value, written
        self._details += self._missing()
        self._details += self._foreign(values)
        if not names and not self._record.repeated:
            self._details.append(Detail("", _NOTHING))
        parents = self._parents(values) if self._method == "POST" and self._resource.parents else {}
        known = {name: target for name, target in self._writes.references.items() if values.get(name) is not None}
        references = [
            # The parent of a new row may be in either of two sets that have rows of one resource.
            parents[name]
            if name in parents and target in parents[name].resources
            else Reference(name, (target,), values[name])
            for name, target in known.items()
        ]
        references += parents.values()
        said = {} if self._method == "POST" else {
            name: raw
            for name, raw in self._record.members.items()
            if name in self._resource.fields and name not in self._record.repeated
        }  # fmt: skip
        return Body(values, members, tuple(dict.fromkeys(references)), names, said), self._details

    def _read(self, name: str, raw: msgspec.Raw, declared: Property) -> tuple[Value | Unknown, bytes]:
        """Read a member that can be written; which values are legal is told of fields that the key sees (C310)."""
        enum = self._schema.enum_types.get(declared.type.name)
        value, written = _value(raw, declared, enum)
        if name in self._writes.control:
            return (value, written) if enum is None or value is not UNKNOWN else _value(raw, declared, None)
        closed = self._writes.closed.get(name)
        if closed is not None and not isinstance(value, Unknown) and not set(_parts(value, enum)) <= closed:
            return UNKNOWN, _OUTSIDE.encode()
        return value, written

    def _parents(self, values: Mapping[str, Value]) -> dict[str, Reference]:
        """The rows that a new one follows, by the field that names them: it names one at least (P6).

        Where two sets have rows of one resource, one of the two has the row that is named, as for a read.
        """
        links = {parent.resource: parent.link for parent in self._writes.parents}
        found: dict[str, Reference] = {}
        for resource, link in links.items():
            value = values.get(link.target)
            if value is None or (link.discriminator is not None and values.get(link.discriminator) not in link.values):
                continue
            others = found[link.target].resources if link.target in found else ()
            found[link.target] = Reference(link.target, (*others, resource), value)
        if not found:
            said = [name for link in links.values() for name in (link.discriminator, link.target) if name in values]
            names = list(dict.fromkeys(said or [link.target for link in links.values()]))
            self._details += [Detail(name, _ORPHAN) for name in names if name is not None]
        return found

    def _declared(self, name: str) -> Property | None:
        """The declaration of what can be written now; what is set once is closed to every later write."""
        if self._method != "POST" and name in self._writes.created_only:
            return None
        return self._writes.fields.get(name) or self._writes.control.get(name)

    def _missing(self) -> Iterator[Detail]:
        for name in self._writes.required.get(self._method, ()):
            raw = self._record.members.get(name)
            if raw is None or bytes(raw) == b"null":
                yield Detail(name, _REQUIRED)

    def _foreign(self, values: Mapping[str, Value]) -> Iterator[Detail]:
        """Fields that stand for whoever writes: of a bound key they are its own (C365)."""
        for name, binding in self._writes.bound.items():
            own = self._bindings.get(binding)
            if name in values and own is not None and str(values[name]) != own:
                yield Detail(name, "is not the one of this key")


def is_ignored(name: str) -> bool:
    """Whether a member of a body is an annotation or control information, which a service passes over if it has no use
    for it (OData JSON Format, 4.5): ``@odata.type``, ``City@my.note``. What it is about is not looked up."""
    _, at, term = name.rpartition("@")
    words = (part.partition("#")[0].casefold().removeprefix("odata.") for part in name.split("@")[1:])
    return bool(at) and _TERM.fullmatch(term) is not None and not any(word in _INSTRUCTIONS for word in words)


def _parts(value: Value, enum: EnumType | None) -> Iterable[Value]:
    """The single values of a collection, and of an enumeration with several members at once."""
    for item in value if isinstance(value, tuple) else (value,):
        if enum is not None and enum.is_flags and isinstance(item, str):
            yield from item.split(",")
        elif item is not None:
            yield item


def _as_number(raw: msgspec.Raw, declared: TypeReference) -> msgspec.Raw:
    """The value with each string that holds a number as that number, where its type is one that comes so."""
    if declared.name not in ("Edm.Int64", "Edm.Decimal"):
        return raw
    if declared.is_collection:
        try:
            items = decode_list(raw)
        except BodyError:
            return raw  # found to be of another shape later
        element = TypeReference(declared.name)
        return msgspec.Raw(b"[" + b",".join(bytes(_as_number(item, element)) for item in items) + b"]")
    text = decode_string(raw)
    return msgspec.Raw(text.encode("utf-8")) if text is not None and _JSON_NUMBER.fullmatch(text) else raw


def _value(raw: msgspec.Raw, declared: Property, enum: EnumType | None) -> tuple[Value | Unknown, bytes]:
    """A member as its declared type and as it is written on; where it does not fit, why."""
    if bytes(raw) == b"null":
        return (None, b"null") if declared.nullable else (UNKNOWN, b"must not be null")
    value = typed_value(raw, declared.type)
    if isinstance(value, Unknown) or value is None:
        return UNKNOWN, _MISFIT.encode()
    if declared.type.is_collection:
        assert isinstance(value, tuple)
        element = replace(declared, type=TypeReference(declared.type.name), nullable=False)
        written = [_value(item, element, enum) for item in decode_list(raw)]
        values = []
        for found, text in written:
            if isinstance(found, Unknown):
                return UNKNOWN, text
            values.append(found)
        return tuple(values), b"[" + b",".join(text for _, text in written) + b"]"  # type: ignore[arg-type]  # scalars
    return _scalar(raw, value, declared, enum)


def _scalar(raw: msgspec.Raw, value: Value, declared: Property, enum: EnumType | None) -> tuple[Value | Unknown, bytes]:
    if isinstance(value, bool):
        return value, bytes(raw)
    if isinstance(value, Decimal):
        return _number(raw, value, declared)
    text = decode_string(raw)
    if text is None or isinstance(value, tuple):
        return UNKNOWN, _MISFIT.encode()  # points on the globe among them: nobody has asked to write one
    if declared.max_length is not None and len(text) > declared.max_length:
        return UNKNOWN, f"is longer than {declared.max_length} characters".encode()
    if enum is not None:
        return _members(text, enum)
    return value, encode_string(text)


def _members(text: str, enum: EnumType) -> tuple[Value | Unknown, bytes]:
    """Members of an enumeration, by their names or by the texts that an upstream may show for them: decided on and
    written in one spelling, so that what is stored is what was decided on."""
    known = enum_members(enum, text)
    if known is None:
        return UNKNOWN, _MISFIT.encode()
    found = ",".join(member for member in enum.members if member in known)
    return found, encode_string(found)


def _number(raw: msgspec.Raw, value: Decimal, declared: Property) -> tuple[Value | Unknown, bytes]:
    """A number as its digits. A text is none here, whatever an upstream may send."""
    text = bytes(raw)
    if text.startswith(b'"') or declared.type.name not in NUMBERS:
        return UNKNOWN, _MISFIT.encode()
    limits = INTEGERS.get(declared.type.name)
    if limits is not None and (value != value.to_integral_value() or not limits[0] <= value <= limits[1]):
        return UNKNOWN, b"is out of range"
    exponent = value.normalize().as_tuple().exponent
    if declared.scale is not None and isinstance(exponent, int) and exponent < -declared.scale:
        return UNKNOWN, f"has more than {declared.scale} decimal places".encode()
    if declared.precision is not None and abs(value) >= Decimal(10) ** (declared.precision - (declared.scale or 0)):
        return UNKNOWN, b"is out of range"
    return value, text


def default_value(said: object, declared: Property, schema: Schema) -> Value | Unknown:
    """Return what the profile says that a new record has, as its field's type: members of an
    enumeration by their names.
    """
    value = None if said is None else typed_value(msgspec.Raw(msgspec.json.encode(said)), declared.type)
    enum = schema.enum_types.get(declared.type.name)
    return value if enum is None else as_members(value, enum.texts)


# --- what the row was and what it will be


def lost(reference: Reference) -> Detail:
    """Return the fault of a reference that leads to no row which exists for the key."""
    return Detail(reference.field, _LOST)


def settle(
    resource: ResourcePolicy,
    body: Body,
    faults: Iterable[Detail],
    seen: Callable[[str], bytes | None],
    before: Lookup,
    reading: Reading = STRICT,
) -> tuple[Body, list[Detail]]:
    """Return a change without the members that change nothing, and the faults that are left of it.

    A member that is faulty, and equal to what the key sees of the record, is not written and no fault: clients send
    back what they have read. What they could not have read decides nothing.

    Args:
        faults: of the body, and of its references.
        seen: the value of a field in an answer to a read of the record by this very key; None where it is absent.
        before: the row as it was read, withheld fields included.
    """
    writes = resource.writes
    assert writes is not None
    found = list(faults)
    same = {
        target
        for target in {fault.target for fault in found if fault.message != _REQUIRED}
        if target in body.said and _is_same(body.said[target], seen(target), resource.fields[target].property)
    }
    # Where answers have null in place of a field that is not visible, null says nothing about it.
    same |= {
        name
        for name, value in body.values.items()
        if value is None and name in writes.fields and seen(name) == b"null"
        if not holds(resource.fields[name].condition, before, reading)
    }
    left = [fault for fault in found if fault.target not in same or fault.message == _REQUIRED]
    values = {name: value for name, value in body.values.items() if name not in same}
    if body.names and not values and not any(fault.target in body.names for fault in left):
        left.append(Detail("", _NOTHING))
    members = {name: written for name, written in body.members.items() if name in values}
    return replace(body, values=values, members=members), left


def _is_same(said: msgspec.Raw, seen: bytes | None, declared: Property) -> bool:
    """Whether a client sends what it has read, in whichever spelling of the value."""
    if seen is None or bytes(said) == seen:
        return seen is not None
    value = typed_value(said, declared.type)
    return not isinstance(value, Unknown) and value == typed_value(msgspec.Raw(seen), declared.type)


def check_change(
    resource: ResourcePolicy, body: Body, before: Lookup, after: Lookup, reading: Reading = STRICT
) -> None:
    """Whether a write is within the licence, on the row as it is and as it would be.

    Args:
        resource: at the instant of the request: nothing of it depends on time any more.
        before: the row as it was read, withheld fields included.
        after: the same with what the body says.
        reading: how conditions are read: as they were when the row was found to exist for the key.

    Raises:
        Refusal: 400. A field that is not visible on either image is closed like one that is not there (C324); a write
            that would make a withheld value visible is refused for the fields by which it would (C321).
    """
    writes = resource.writes
    assert writes is not None
    _check_visible(resource, body, (before, after), reading)
    opened = {
        name: condition
        for name, condition in resource.conditions()
        if holds(condition, after, reading) and not holds(condition, before, reading)
    }
    left = [rule for rule in (resource.rule, resource.unpushed) if not holds(rule, after, reading)]
    if writes.allow_leaving:
        left = []
    if opened or left:
        because = _origin_of(resource, left) if left else _shown_by(resource, opened)
        raise invalid_body(_blamed(body, [*opened.values(), *left], "cannot be changed to this"), because)


def _check_visible(resource: ResourcePolicy, body: Body, images: tuple[Lookup, ...], reading: Reading) -> None:
    """Refuses fields that are not visible on every image, with the text of a name that never was."""
    writes = resource.writes
    assert writes is not None
    closed = [
        Detail(name, _CLOSED)
        for name in body.values
        if name in writes.fields and not all(holds(resource.fields[name].condition, image, reading) for image in images)
    ]
    if closed:
        raise invalid_body(closed, str(writes.entry))


def _origin_of(resource: ResourcePolicy, failed: Iterable[Expression]) -> str:
    """Where the rules are written that a row would break."""
    names = {path.name for expression in failed for path in properties(expression)}
    parts = [part for part in resource.parts if names & {path.name for path in properties(part.expression)}]
    return "; ".join(dict.fromkeys(str(part.origin) for part in parts)) or "rows that follow others"


def _shown_by(resource: ResourcePolicy, opened: Iterable[str]) -> str:
    """Where it is written what would become visible."""
    origins = [resource.fields[name].origin for name in opened if name in resource.fields]
    origins += [resource.navigation[name].origin for name in opened if name in resource.navigation]
    return "; ".join(dict.fromkeys(str(origin) for origin in origins))


def _blamed(body: Body, expressions: Iterable[Expression], message: str) -> list[Detail]:
    """The fields of a body that decide something which must not be so; the record itself where it names none."""
    deciding = {path.name for expression in expressions for path in properties(expression)}
    return [Detail(name, message) for name in body.values if name in deciding] or [
        Detail("", "the record would not be one that this key can see")
    ]


def check_creation(resource: ResourcePolicy, body: Body, after: Lookup, reading: Reading = STRICT) -> None:
    """Whether a new row is one that exists for the key, with every field that the body names visible on it.

    Raises:
        Refusal: 400.
    """
    writes = resource.writes
    assert writes is not None
    _check_visible(resource, body, (after,), reading)
    left = [rule for rule in _of_new(resource) if not holds(rule, after, reading)]
    if left and not writes.create_outside:
        raise invalid_body(_blamed(body, left, "cannot be set to this"), _origin_of(resource, left))


def _of_new(resource: ResourcePolicy) -> Iterator[Expression]:
    """What a new row is held to: every conjunct but those about its key and nothing else, which nobody has chosen and
    nobody knows yet. If one of those is broken in the end, the row is not shown."""
    for rule in (resource.rule, resource.unpushed):
        for conjunct in rule.terms if isinstance(rule, And) else (rule,):
            names = {path.name for path in properties(conjunct)}
            if not names or not names <= set(resource.key):
                yield conjunct


def merged(values: Mapping[str, Value], before: Lookup) -> Lookup:
    """A row as it would be after a write."""
    return lambda name: values[name] if name in values else before(name)
