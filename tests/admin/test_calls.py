"""Who calls the admin API, and which revision is meant."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.admin.calls import Call, Caller, caller_of
from gateway.admin.envelope import SparkError
from gateway.store.api_keys import ApiKey
from gateway.store.records import Owner

STAFF: dict[str, Any] = {"Id": "k", "Digest": "a" * 64, "Role": "private", "Permissions": ("manage_keys",)}
CALLER = Caller("k", Owner("m"), frozenset({"manage_keys"}))


def refused(call: Any) -> int:
    with pytest.raises(SparkError) as error:
        call()
    return error.value.code.number


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"Enabled": False}, 1010),
        ({"Role": "idx"}, 1500),
        ({"Role": None, "Template": "t"}, 1500),
        ({"Template": "t"}, 1500),
        ({"Permissions": ()}, 1500),
    ],
)
def test_a_caller_is_a_key_of_the_private_role_alone_with_a_permission(change: dict[str, Any], number: int) -> None:
    assert refused(lambda: caller_of(ApiKey(**{**STAFF, **change}), "m")) == number


@pytest.mark.parametrize(
    ("change", "mls", "association"), [({}, "m", None), ({"MlsId": "n", "AssociationId": "A"}, "n", "A")]
)
def test_a_caller_belongs_to_what_its_key_says(change: dict[str, Any], mls: str, association: str | None) -> None:
    found = caller_of(ApiKey(**{**STAFF, **change}), "m")

    assert (found.name, found.owner, found.permissions) == ("k", Owner(mls, association), frozenset({"manage_keys"}))


def test_one_of_the_permissions_is_enough_and_none_is_not() -> None:
    CALLER.require("manage_templates", "manage_keys")
    assert refused(lambda: CALLER.require("manage_templates")) == 1500
    assert refused(CALLER.require) == 1500


@pytest.mark.parametrize(
    ("viewer", "other", "may"),
    [
        (Owner("m"), Owner("m"), True),
        (Owner("m"), Owner("m", "A"), True),
        (Owner("m", "A"), Owner("m", "A"), True),
        (Owner("m", "A"), Owner("m", "B"), False),
        (Owner("m", "A"), Owner("m"), False),
        (Owner("m"), Owner("n"), False),
        (Owner("m", "A"), Owner("n", "A"), False),
    ],
)
def test_who_may_see_what(viewer: Owner, other: Owner, may: bool) -> None:
    assert viewer.may_see(other) is may


@pytest.mark.parametrize(
    ("if_match", "required", "number"),
    [
        (None, False, None),
        (None, True, 1036),
        ('"3"', True, None),
        ('"2"', False, 1037),
        ('"2", "3"', False, None),
        ("*", False, None),
        ("3", False, 1037),
        ('W/"3"', False, 1037),
    ],
)
def test_a_change_is_of_the_revision_that_is_meant(if_match: str | None, required: bool, number: int | None) -> None:
    call = Call(CALLER, if_match=if_match)
    if number is None:
        call.check_revision(3, required=required)
    else:
        with pytest.raises(SparkError) as error:
            call.check_revision(3, required=required)
        assert error.value.code.status in (412, 428)
        assert (error.value.code.status == 428) is (number == 1036)


def test_what_the_server_makes_is_sent_back_as_it_was() -> None:
    shown = {"Id": "1", "Name": "n"}
    Call(CALLER, body={"Id": "1", "Name": "other"}).check_repeated(shown, ("Id",))
    with pytest.raises(SparkError):
        Call(CALLER, body={"Id": "2"}).check_repeated(shown, ("Id",))


@pytest.mark.parametrize(
    ("parameters", "ids", "total"),
    [
        ({}, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], None),
        ({"_limit": "2", "_page": "2"}, ["2", "3"], None),
        ({"_limit": "2", "_page": "7"}, [], None),
        ({"_limit": "0"}, [], None),
        ({"_limit": "1000", "_pagination": "1"}, [str(number) for number in range(12)], 12),
        ({"_pagination": "count"}, [], 12),
    ],
)
def test_a_page_has_what_was_asked_for(parameters: dict[str, str], ids: list[str], total: int | None) -> None:
    found, page = Call(CALLER, parameters=parameters).paged([str(number) for number in range(12)])

    assert list(found) == ids
    assert (None if page is None else page.total) == total


@pytest.mark.parametrize(
    "parameters",
    [{"_limit": "1001"}, {"_limit": "-1"}, {"_limit": "x"}, {"_limit": "\u0661"}, {"_page": "0"}, {"_page": "100001"},
     {"_limit": "0000000001"}, {"_pagination": "2"}],
)  # fmt: skip
def test_a_page_is_bounded(parameters: dict[str, str]) -> None:
    with pytest.raises(SparkError):
        Call(CALLER, parameters=parameters).paged(["a"])
