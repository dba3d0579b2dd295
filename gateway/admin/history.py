"""History as it is told: who did what to a record and when, and what each attribute was before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.admin.calls import PAGING, Call
from gateway.admin.envelope import Success
from gateway.store.records import Entry


def told_history(call: Call, record_type: str, entries: Sequence[Entry]) -> Success:
    """A page of the changes of one record, the newest first."""
    call.check_parameters(PAGING)
    by_number = {str(entry.number): entry for entry in reversed(entries)}
    numbers, page = call.paged(list(by_number))
    return Success([_shown(by_number[number], record_type) for number in numbers], page=page)


def _shown(entry: Entry, record_type: str) -> dict[str, Any]:
    before, after = entry.before or {}, entry.after or {}
    names = dict.fromkeys((*before, *after))
    changed = [name for name in names if before.get(name) != after.get(name)]
    return {
        "Id": entry.number,
        "Action": entry.action,
        "RecordType": record_type,
        "Revision": entry.revision,
        "ModificationTimestamp": entry.moment,
        "ChangedBy": {"Key": entry.changed_by},
        "ChangedFields": changed,
        "ChangedValues": {name: {"Before": before.get(name), "After": after.get(name)} for name in changed},
    }
