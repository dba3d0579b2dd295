"""What the upstream can do and may be trusted with. What a profile does not declare is untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.odata.ast import Comparison, Expression, In, Lambda, StringTest
from gateway.odata.walk import atoms


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
    string_equality: Literal["exact", "fold", "fold_pad", "untrusted"] = "untrusted"
    #: Reads string patterns literally: no wildcards, no escapes.
    patterns: Literal["literal", "untrusted"] = "untrusted"
    #: Evaluates any/all over primitive collections as OData has it.
    collections: Literal["exact", "untrusted"] = "untrusted"
    #: ``@odata.count`` is the number of rows that match, not an estimate.
    counts: Literal["exact", "untrusted"] = "untrusted"
    #: The most records that one request brings; None where the upstream tells by a next link.
    page_max: Annotated[int, Field(ge=1)] | None = None
    #: Resource to the field that holds the class of a record.
    class_field: Mapping[str, str] = Field(default_factory=lambda: {"Property": "PropertyType"})
    #: Class of the Data Dictionary to the values that stand for it here, where they differ.
    class_values: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Resource to navigation to link, where the upstream's metadata and the Data Dictionary do not tell.
    links: Mapping[str, Mapping[str, Link]] = Field(default_factory=dict)
    #: Changed by hand to confirm that a violation has been dealt with: any other text lifts the latch.
    confirmed: str = ""

    def trusts(self, expression: Expression) -> bool:
        """Whether every atom is of a kind that the upstream is declared to read as we do (CHANNELS D6)."""
        return all(self._trusts_atom(atom) for atom in atoms(expression))

    def _trusts_atom(self, atom: object) -> bool:
        match atom:
            case StringTest():
                return self.patterns == "literal" and self.string_equality == "exact"
            case Lambda(_, _, _, predicate):
                return self.collections == "exact" and self.trusts(predicate)
            case Comparison(_, _, right) if isinstance(right.value, str):
                return self.string_equality == "exact"
            case In(_, items) if any(isinstance(item.value, str) for item in items):
                return self.string_equality == "exact"
            case _:
                return True

    def normal(self, text: str) -> str:
        """One text for all that the upstream's equality may not tell apart."""
        match self.string_equality:
            case "exact":
                return text
            case "fold":
                return text.casefold()
            case _:
                return text.casefold().rstrip(" ")
