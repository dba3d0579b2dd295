"""Two evaluators of one language, written apart, agree on every condition and every row (G4)."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from gateway.odata.csdl import TypeReference
from gateway.odata.evaluate import Reading, evaluate
from gateway.odata.literals import Value, parse_timestamp
from gateway.odata.parser import parse_filter
from gateway.odata.printer import print_expression
from gateway.odata.values import UNKNOWN, Unknown, typed_value
from gateway.policy.conditions import Binder, fold_now, null_safe
from tests.proof.language import EQUALITY, Expression, Meaning, holds, read, text_of
from tests.proof.model import FIELDS
from tests.proof.sides import schema
from tests.proof.worlds import make_expression, make_row

CASES = 4_000
SETS = ("Property", "Media", "Member", "OpenHouse")


def made(rng: random.Random) -> tuple[str, Expression, dict[str, object]]:
    entity_set = rng.choice(SETS)
    return entity_set, make_expression(rng, entity_set, list(FIELDS[entity_set])), make_row(rng, entity_set, "K1")


def lookup_in(entity_set: str, row: dict[str, object], name: str) -> Value | Unknown:
    declared = FIELDS[entity_set][name]
    if declared.startswith("Collection"):
        reference = TypeReference("Edm.String", is_collection=True)
    else:
        reference = TypeReference(f"Edm.{declared}")
    return typed_value(msgspec.Raw(json.dumps(row[name]).encode()), reference) if name in row else UNKNOWN


@pytest.mark.guarantee("G4")
@pytest.mark.channel("C345", "C252", "C338")
@pytest.mark.parametrize("equality", ["exact", "fold", "fold_pad"])
def test_the_evaluators_agree(equality: str) -> None:
    rng = random.Random(equality)
    now = parse_timestamp(Meaning().now)
    assert now is not None
    seen = {True: 0, False: 0, None: 0}
    for _ in range(CASES):
        entity_set, expression, row = made(rng)
        binder = Binder(schema(), schema().type_of(entity_set).properties.get)
        text = text_of(expression)
        bound = fold_now(binder.bind(parse_filter(text)), now)

        def lookup(name: str, entity_set: str = entity_set, row: dict[str, object] = row) -> Value | Unknown:
            return lookup_in(entity_set, row, name)

        strict = Reading(equality)  # type: ignore[arg-type]  # one of its words
        rule = holds(expression, row, Meaning("strict", EQUALITY[equality]))
        assert evaluate(bound, lookup, strict) is rule, (text, row)
        # What is compiled is never unknown but where a list is null, and true just where the original is.
        assert (evaluate(null_safe(bound), lookup, strict) is True) is (rule is True), (text, row)
        client = holds(expression, row, Meaning("odata", EQUALITY[equality]))
        assert evaluate(bound, lookup, Reading(equality, odata_nulls=True)) is client, (text, row)  # type: ignore[arg-type]
        seen[rule] += 1

    assert min(seen.values()) > CASES // 20


@pytest.mark.guarantee("G3", "G4")
@pytest.mark.channel("C341", "C345")
@pytest.mark.parametrize("nulls", ["sql", "odata"])
def test_what_is_printed_selects_the_same_rows_on_every_upstream(nulls: str) -> None:
    """A compiled rule, read by another reader and under either semantics of null, is true where the rule is (4.5)."""
    rng = random.Random(nulls)
    now = parse_timestamp(Meaning().now)
    assert now is not None
    for _ in range(CASES):
        entity_set, expression, row = made(rng)
        if any(
            isinstance(row[name], type(None))
            for name in FIELDS[entity_set]
            if FIELDS[entity_set][name].startswith("Coll")
        ):
            continue  # OData has no null lists, and no server agrees with another on what they are (decision 2)
        binder = Binder(schema(), schema().type_of(entity_set).properties.get)
        printed = print_expression(fold_now(null_safe(binder.bind(parse_filter(text_of(expression)))), now))

        selected = holds(read(printed), row, Meaning(nulls)) is True

        assert selected is (holds(expression, row, Meaning("strict")) is True), (text_of(expression), printed, row)
