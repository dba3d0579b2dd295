"""Bodies and tags of answers: each is of one policy and of one request."""

from __future__ import annotations

import pytest

from gateway.edge.answers import Answers
from gateway.odata.media_types import JSON, XML, Format
from gateway.policy.plan import Local
from gateway.sandbox.rows import sandbox_schema
from tests.support import policy, role

METADATA = Local("metadata")
SCHEMA = sandbox_schema()
WIDE = policy(role({"Property": {"Fields": {"All": {"Visible": ["City", "ListPrice"]}}}}), schema=SCHEMA)
NARROW = policy(role({"Property": {"Fields": {"All": {"Visible": ["City"]}}}}), schema=SCHEMA)


@pytest.mark.channel("C165", "C313")
@pytest.mark.parametrize("written", [JSON, XML])
def test_metadata_is_kept_for_one_policy_only(written: Format) -> None:
    """The policy of a key changes with its template and its privileges, and the schema stays the same object."""
    answers = Answers("http://gateway.example/Reso/OData", "pepper")

    wide = answers.local(METADATA, WIDE, "k", written, "1")
    narrow = answers.local(METADATA, NARROW, "k", written, "2")
    again = answers.local(METADATA, WIDE, "k", written, "3")

    assert b"ListPrice" in wide.body
    assert b"ListPrice" not in narrow.body
    assert again.body == wide.body
    assert wide.headers["ETag"] != narrow.headers["ETag"]
