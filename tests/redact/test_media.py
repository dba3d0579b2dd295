"""Which rows of media are photos, and in which order the limit counts them."""

from __future__ import annotations

import json

import pytest

from gateway.odata.values import UNKNOWN, Unknown
from gateway.redact.media import is_photo
from tests.support import REPOSITORY

OTHERS = {"Document", "Branded Virtual Tour", "Unbranded Virtual Tour", "Video"}
MEMBERS = {"BrandedVirtualTour", "UnbrandedVirtualTour"}


@pytest.mark.channel("C331")
def test_every_category_but_documents_tours_and_videos_is_a_photo() -> None:
    """A category that is no photo is shown without limit."""
    text = (REPOSITORY / "gateway" / "sandbox" / "lookups.json").read_text(encoding="utf-8")
    known = set(json.loads(text)["MediaCategory"])

    assert known > OTHERS
    assert {name for name in known if not is_photo(name)} == OTHERS
    assert not any(is_photo(name) for name in MEMBERS)


@pytest.mark.channel("C331")
@pytest.mark.parametrize("category", [None, UNKNOWN, "", "document", "VIDEO", "Video ", "FloorPlan", "AgentPhoto"])
def test_a_category_that_nobody_knows_is_a_photo(category: str | Unknown | None) -> None:
    assert is_photo(category)
