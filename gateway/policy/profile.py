"""What the upstream can do and may be trusted with. What a profile does not declare is untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from typing import Literal as OneOf

from pydantic import BaseModel, ConfigDict, Field

from gateway.odata.ast import (
    DATE_PARTS,
    Comparison,
    Expression,
    In,
    Lambda,
    Operand,
    Operator,
    PropertyPath,
    StringTest,
)
from gateway.odata.evaluate import Equality, Reading
from gateway.odata.literals import Literal
from gateway.odata.walk import Atom, atoms, operand_of


class Link(BaseModel):
    """How rows of two resources belong together: the values of two fields are equal, and a third field of the
    target may have to hold one of some values (``ResourceName`` of Media)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    local: str
    target: str
    discriminator: str | None = None
    values: tuple[str, ...] = ()


class Profile(BaseModel):
    """``upstream.profile`` of gateway.yaml; docs/configuration.md explains each setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Compares strings exactly, folds case, or folds case and ignores trailing blanks.
    string_equality: OneOf["exact", "fold", "fold_pad", "untrusted"] = "untrusted"
    #: Reads string patterns literally: no wildcards, no escapes.
    patterns: OneOf["literal", "untrusted"] = "untrusted"
    #: Evaluates any/all over primitive collections as OData has it.
    collections: OneOf["exact", "untrusted"] = "untrusted"
    #: Takes year, month, day, hour, minute, second, date and time of an instant in UTC.
    date_parts: OneOf["utc", "untrusted"] = "untrusted"
    #: tolower, toupper, trim (of blanks), length and concat are those of Unicode code points.
    string_functions: OneOf["exact", "untrusted"] = "untrusted"
    #: Strings are ordered by code point.
    string_order: OneOf["code_point", "untrusted"] = "untrusted"
    #: ``Nav@odata.count`` of an expanded list is the number of its rows, so that a cut list is told from a whole one.
    nested_counts: OneOf["exact", "untrusted"] = "untrusted"
    #: ``@odata.count`` is the number of rows that match, not an estimate.
    counts: OneOf["exact", "untrusted"] = "untrusted"
    #: How literals of enumerations are written: ``Ns.Type'Member'`` or ``'Member'``.
    enum_literal: OneOf["qualified", "string"] = "qualified"
    #: The most records that one request brings; None where the upstream tells by a next link.
    page_max: Annotated[int, Field(ge=1)] | None = None
    #: The longest query string that the upstream takes.
    url_max: Annotated[int, Field(ge=1024)] = 65_536
    #: Resource to the field that holds the class of a record, beside Property: PropertyType.
    class_field: Mapping[str, str] = Field(default_factory=dict)
    #: Class of the Data Dictionary to the values that stand for it here, where they differ.
    class_values: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Resource to navigation to link, where the upstream's metadata and the Data Dictionary do not tell.
    links: Mapping[str, Mapping[str, Link]] = Field(default_factory=dict)
    #: Changed by hand to confirm that a violation has been dealt with: any other text lifts the latch.
    confirmed: str = ""

    @property
    def reading(self) -> Reading:
        """How rules, guards and conditions are evaluated here; equality that is not declared is exact (C58)."""
        return Reading("exact" if self.string_equality == "untrusted" else self.string_equality)

    def trusts(self, expression: Expression) -> bool:
        """Whether every atom is of a kind that the upstream is declared to read as we do (CHANNELS D6)."""
        return all(self._trusts_atom(atom) for atom in atoms(expression))

    def _trusts_atom(self, atom: Atom) -> bool:
        operand = operand_of(atom)
        if operand is not None and not self._trusts_operand(operand):
            return False
        match atom:
            case StringTest():
                return self.patterns == "literal" and self.string_equality == "exact"
            case Lambda(_, _, _, predicate):
                return self.collections == "exact" and self.trusts(predicate)
            case Comparison(operator, _, right) if isinstance(right.value, str):
                ordered = operator not in (Operator.EQ, Operator.NE)
                return self.string_equality == "exact" and (not ordered or self.string_order == "code_point")
            case In(_, items) if any(isinstance(item.value, str) for item in items):
                return self.string_equality == "exact"
            case _:
                return True

    def _trusts_operand(self, operand: Operand) -> bool:
        """Parts of dates depend on the zone in which a server takes them, functions of strings on its tables."""
        if isinstance(operand, PropertyPath):
            return True
        if operand.function in DATE_PARTS and self.date_parts != "utc":
            return False
        if operand.function not in DATE_PARTS and self.string_functions != "exact":
            return False
        return all(isinstance(item, Literal) or self._trusts_operand(item) for item in operand.arguments)

    def normal(self, text: str) -> str:
        """One text for all that the upstream's equality may not tell apart: where nothing is declared, much."""
        equality: Equality = "fold_pad" if self.string_equality == "untrusted" else self.string_equality
        return Reading(equality).normal(text)
