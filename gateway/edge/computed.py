"""Carries out a Read of ``Field`` or ``Lookup``: no upstream, the same proof, the same options, the same form."""

from __future__ import annotations

import msgspec

from gateway.edge.enforcement import Result, first_page
from gateway.errors import not_found
from gateway.odata.json_format import Record
from gateway.policy.computed import computed_rows
from gateway.policy.model import Policy
from gateway.policy.plan import Read
from gateway.redact.records import Form, emit
from gateway.redact.rows import Tally, prove, select


def read_computed(plan: Read, policy: Policy, shown: str, tally: Tally, form: Form) -> Result:
    """The records of a plan whose rows the gateway writes itself.

    Args:
        shown: the moment since when the policy shows these rows.

    Raises:
        Refusal: 404 where an entity does not exist.
    """
    found = []
    for row in computed_rows(policy, plan.resource):
        modified = max(shown, row.modified)
        members = {**row.members, "ModificationTimestamp": modified}
        record = Record({name: msgspec.Raw(msgspec.json.encode(value)) for name, value in members.items()})
        proven = prove(record, plan.record, tally)
        if proven is not None:
            found.append(proven)
    if plan.kind == "entity":
        for proven in found:
            if proven.key == tuple(value for _, value in plan.entity_key):
                return Result((emit(proven, tally, form),))
        raise not_found()
    assert plan.gather is not None
    rows, total = select(found, plan.gather)
    if plan.kind == "count":
        return Result((), total)
    on_page, following = first_page(rows, plan)
    records = tuple(emit(proven, tally, form) for proven in on_page)
    return Result(records, total if plan.gather.count else None, following)
