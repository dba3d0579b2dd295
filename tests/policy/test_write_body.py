"""Bodies of writes: every fault at once, one text for what is hidden and what was never there, nothing passed on as it came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.errors import Refusal, invalid_body
from gateway.odata.csdl import parse_metadata
from gateway.odata.evaluate import Reading
from gateway.odata.json_format import decode_record
from gateway.odata.literals import Timestamp, Value
from gateway.odata.parser import Limits
from gateway.odata.request import parse_request
from gateway.odata.values import UNKNOWN, Unknown
from gateway.policy.decision import decide
from gateway.policy.model import Policy, ResourcePolicy
from gateway.policy.plan import Write
from gateway.policy.settings import AnswerSettings
from gateway.policy.write_body import (
    Body,
    Reference,
    check_change,
    check_creation,
    lost,
    merged,
    read_body,
    settle,
)
from gateway.sandbox.rows import metadata_document
from tests.support import TRUSTING, policy, role, template

OUTSIDE = "the record would not be one that this key can see"
VISIBLE = [
    "City",
    "ListPrice",
    "PropertyType",
    "StandardStatus",
    "ListAgentKey",
    "PhotosCount",
    "StreetName",
    "BedroomsTotal",
    "CloseDate",
    "Appliances",
]
WRITES = {
    "Methods": ["POST", "PATCH"], "Fields": ["City", "ListPrice", "PropertyType", "StandardStatus", "ListAgentKey", "StreetName", "BedroomsTotal", "CloseDate", "Appliances"],
    "Control": ["ChangedByMemberKey"], "Required": {"POST": ["City", "PropertyType"], "PATCH": ["ChangedByMemberKey"]},
    "References": {"ListAgentKey": "Member", "ChangedByMemberKey": "Member"}, "Bound": {"ChangedByMemberKey": "MemberKey"}, "PolicyFields": ["StandardStatus"],
}  # fmt: skip
CONDITIONAL = {
    "FieldOverrides": {
        "Property": {
            "All": {"StreetName": {"Rule": "Visible", "When": "InternetAddressDisplayYN eq true"}},
            "Land": {"ListPrice": {"Rule": "Hidden"}},
        }
    }
}


def compiled(**writes: Any) -> Policy:
    resources = {
        "Property": {
            "Filter": "StandardStatus in ('Active','Incomplete')",
            "Fields": {"All": {"Visible": VISIBLE}},
            "Writes": {**WRITES, **writes},
        },
        "Member": {"Default": "Visible"},
    }
    return policy(role(resources), template(**CONDITIONAL))


POLICY = compiled()


def read(body: Any, method: str = "PATCH", bindings: Mapping[str, str] | None = None) -> Body:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    found, details = read_body(decode_record(text), method, POLICY.resources["Property"], POLICY.schema, bindings or {})
    if details:
        raise invalid_body(details)
    return found


def told(body: Any, method: str = "PATCH", bindings: Mapping[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(Refusal) as refused:
        read(body, method, bindings)
    assert refused.value.code.status == 400
    return {detail.target: detail.message for detail in refused.value.details}


def test_what_can_be_written_is_written_anew() -> None:
    found = read(
        b'{"ListPrice": 1.50e2, "City" : "S\\u00e3o \\/ Paulo", "CloseDate":"2026-01-02", "Appliances":["a" , "b"], "ChangedByMemberKey":"M1"}'
    )

    assert (
        found.text
        == '{"ListPrice":1.50e2,"City":"São / Paulo","CloseDate":"2026-01-02","Appliances":["a","b"],"ChangedByMemberKey":"M1"}'.encode()
    )
    assert [(reference.field, reference.resources, reference.value) for reference in found.references] == [
        ("ChangedByMemberKey", ("Member",), "M1")
    ]


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C205", "C213", "C214", "C218", "C208", "C329")
def test_hidden_read_only_and_unknown_are_one() -> None:
    names = [
        "OwnerName", "NeverWas", "PhotosCount", "ListingKey", "city", "CITY", "Media", "ListAgent@odata.bind",
        "__proto__", "", "ModificationTimestamp", "Media@delta", "PropertyType",
    ]  # fmt: skip

    assert told({"ChangedByMemberKey": "M1", **dict.fromkeys(names, "x")}) == dict.fromkeys(
        names, "cannot be written here"
    )


ANNOTATIONS = (
    "@odata.type", "@odata.context", "@odata.id", "@odata.etag", "@odata.editLink", "@type", "@context", "@id", "@etag", "@my.note", "@my.note#some",
    "{}@odata.type", "{}@type", "{}@Core.Permissions", "{}@odata.count", "{}@my.note@odata.type", "@odata.deltaLink", "@bind.note",
)  # fmt: skip
INSTRUCTIONS = (
    "{}@odata.bind", "{}@bind", "{}@odata.delta", "{}@delta", "{}@Odata.Bind", "{}@BIND", "{}@bind#x", "{}@bind@odata.type", "@removed", "@odata.removed", "@odata.bind",
    "{}@", "@", "@@", "{}@odata.", "{}@a b", "{}@.type", "{}@type\n",
)  # fmt: skip


@pytest.mark.guarantee("G2")
@pytest.mark.channel("C218", "C205")
@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("name", ["City", "OwnerName", "NeverWas", "Media", "PhotosCount"])
def test_annotations_are_passed_over_whatever_they_are_about(method: str, name: str) -> None:
    said = {text.format(name): {"any": ["thing"]} for text in ANNOTATIONS}
    body = (
        {"ChangedByMemberKey": "M1", "City": "x", "PropertyType": "Land"}
        if method == "POST"
        else {"ChangedByMemberKey": "M1"}
    )

    assert read({**said, **body}, method).text == json.dumps(body).replace(" ", "").encode()


@pytest.mark.channel("C213", "C214")
@pytest.mark.parametrize("name", ["City", "OwnerName", "NeverWas", "Media", "ListAgent"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_control_information_that_asks_for_a_write_is_refused(method: str, name: str) -> None:
    names = [text.format(name) for text in INSTRUCTIONS]
    found = told(
        {"ChangedByMemberKey": "M1", "City": "x", "PropertyType": "Land", **{key: [] for key in names}}, method
    )

    assert {key: message for key, message in found.items() if key != "PropertyType"} == dict.fromkeys(
        names, "cannot be written here"
    )


def test_an_annotation_twice_is_a_fault_like_every_name_twice() -> None:
    assert told(b'{"ChangedByMemberKey":"M1","@odata.type":1,"@odata.type":2}') == {"@odata.type": "is given twice"}


def test_annotations_alone_are_nothing_to_be_written() -> None:
    nothing = {"": "there is nothing to be written", "ChangedByMemberKey": "is required"}

    assert told({"@odata.type": "#x", "NeverWas@odata.type": "y"}) == told({}) == nothing


@pytest.mark.channel("C217")
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("City", b"7", "is no value of this field"), ("City", b"true", "is no value of this field"), ("City", b"{}", "is no value of this field"), ("City", b"[]", "is no value of this field"),
        ("ListPrice", b'"7"', "is no value of this field"), ("ListPrice", b"true", "is no value of this field"), ("ListPrice", b"1e99999", "is no value of this field"),
        ("ListPrice", b"1.234", "has more than 2 decimal places"), ("ListPrice", b"1e30", "is out of range"), ("BedroomsTotal", b"1.5", "is out of range"), ("BedroomsTotal", b"9e19", "is out of range"), ("BedroomsTotal", b"99999999999999999999", "is out of range"),
        ("CloseDate", b'"2026-13-01"', "is no value of this field"), ("CloseDate", b"20260101", "is no value of this field"), ("Appliances", b'"a"', "is no value of this field"), ("Appliances", b"[1]", "is no value of this field"),
        ("Appliances", b'["a", null]', "must not be null"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_name(name: str, text: bytes, message: str) -> None:
    assert told(b'{"ChangedByMemberKey":"M1","%s":%s}' % (name.encode(), text)) == {name: message}


def test_a_long_text_is_too_long() -> None:
    most = POLICY.resources["Property"].type.properties["City"].max_length
    assert most is not None

    assert read({"ChangedByMemberKey": "M1", "City": "x" * most}).values["City"] == "x" * most
    assert told({"ChangedByMemberKey": "M1", "City": "x" * (most + 1)}) == {"City": f"is longer than {most} characters"}


def test_a_name_twice_is_no_name() -> None:
    assert told(b'{"ChangedByMemberKey":"M1","City":"a","City":"b"}') == {"City": "is given twice"}
    assert told(b'{"ChangedByMemberKey":"M1","City":"a","C\\u0069ty":"b"}') == {"City": "is given twice"}


@pytest.mark.channel("C328")
def test_required_fields_are_told_together_with_all_else() -> None:
    assert told({"StreetName": 1, "OwnerName": 2}, "POST") == {
        "StreetName": "is no value of this field", "OwnerName": "cannot be written here", "City": "is required", "PropertyType": "is required",
    }  # fmt: skip
    assert told({"City": "x"}) == {"ChangedByMemberKey": "is required"}
    assert told({"City": "x", "ChangedByMemberKey": None}) == {"ChangedByMemberKey": "is required"}


@pytest.mark.channel("C365")
def test_a_bound_key_writes_in_its_own_name() -> None:
    assert read({"ChangedByMemberKey": "M1"}, bindings={"MemberKey": "M1"}).values == {"ChangedByMemberKey": "M1"}
    assert told({"ChangedByMemberKey": "M2"}, bindings={"MemberKey": "M1"}) == {
        "ChangedByMemberKey": "is not the one of this key"
    }


def image(**values: Value) -> Any:
    return lambda name: values.get(name, UNKNOWN)


def change(before: dict[str, Any], written: dict[str, Any], found: Policy = POLICY) -> dict[str, str] | None:
    resource: ResourcePolicy = found.resources["Property"]
    row = image(**before)
    body = Body(written, {}, ())
    try:
        check_change(resource, body, row, merged(written, row))
    except Refusal as refused:
        return {detail.target: detail.message for detail in refused.details}
    return None


ACTIVE: dict[str, Any] = {"StandardStatus": "Active", "PropertyType": "Residential", "InternetAddressDisplayYN": True}


@pytest.mark.channel("C207", "C321")
def test_a_row_does_not_leave_what_the_key_may_see() -> None:
    assert change(ACTIVE, {"City": "x", "StandardStatus": "Incomplete"}) is None
    assert change(ACTIVE, {"City": "x", "StandardStatus": "Closed"}) == {"StandardStatus": "cannot be changed to this"}
    assert change(ACTIVE, {"StandardStatus": "Closed"}, compiled(AllowLeaving=True)) is None


@pytest.mark.channel("C324")
def test_a_field_that_is_withheld_on_the_row_is_closed_as_if_it_were_not_there() -> None:
    withheld: list[dict[str, Value | Unknown]] = [
        {"InternetAddressDisplayYN": False},
        {"InternetAddressDisplayYN": None},
        {"InternetAddressDisplayYN": UNKNOWN},
    ]
    for more in withheld:
        assert change({**ACTIVE, **more}, {"StreetName": "x", "City": "y"}) == {"StreetName": "cannot be written here"}
    assert change({**ACTIVE, "PropertyType": "Land"}, {"ListPrice": 7}) == {"ListPrice": "cannot be written here"}
    assert change(ACTIVE, {"StreetName": "x", "ListPrice": 7}) is None


@pytest.mark.channel("C321")
def test_no_write_makes_visible_what_was_withheld() -> None:
    """Not even of a field that the role lists as one that may be written."""
    fields = [*WRITES["Fields"], "InternetAddressDisplayYN"]
    resources = {
        "Property": {
            "Fields": {"All": {"Visible": [*VISIBLE, "InternetAddressDisplayYN"]}},
            "Writes": {**WRITES, "Fields": fields, "PolicyFields": ["StandardStatus", "InternetAddressDisplayYN"]},
        },
        "Member": {"Default": "Visible"},
    }
    listed = policy(role(resources), template(**CONDITIONAL))

    assert change({**ACTIVE, "InternetAddressDisplayYN": False}, {"InternetAddressDisplayYN": True}, listed) == {
        "InternetAddressDisplayYN": "cannot be changed to this"
    }
    assert change(ACTIVE, {"InternetAddressDisplayYN": False}, listed) is None
    assert (
        change({**ACTIVE, "InternetAddressDisplayYN": False}, {"InternetAddressDisplayYN": False, "City": "x"}, listed)
        is None
    )


@pytest.mark.channel("C207")
def test_what_is_created_exists_for_the_key() -> None:
    def created(written: dict[str, Any], found: Policy = POLICY, **defaults: Any) -> dict[str, str] | None:
        try:
            check_creation(found.resources["Property"], Body(written, {}, ()), merged(written, image(**defaults)))
        except Refusal as refused:
            return {detail.target: detail.message for detail in refused.details}
        return None

    draft = {"City": "x", "PropertyType": "Residential"}
    assert created(draft, StandardStatus="Incomplete") is None
    assert created(draft) == {"": "the record would not be one that this key can see"}
    assert created({**draft, "StandardStatus": "Closed"}) == {"StandardStatus": "cannot be set to this"}
    assert created({**draft, "StandardStatus": "Closed"}, compiled(CreateOutside=True)) is None
    assert created({"City": "x", "PropertyType": "Land", "ListPrice": 1}, StandardStatus="Incomplete") == {
        "ListPrice": "cannot be written here"
    }


@pytest.mark.channel("C207", "C208")
def test_a_rule_about_the_key_is_not_held_against_a_body() -> None:
    """A take-down of one listing, as `policy.always` has it: nobody knows the key of a new one."""
    resources = {
        "Property": {
            "Filter": "StandardStatus eq 'Active'", "Always": ["ListingKey ne 'L13'", "ListingKey ne 'L14' or City eq 'A'"],
            "Fields": {"All": {"Visible": VISIBLE}}, "Writes": WRITES,
        },
        "Member": {"Default": "Visible"},
    }  # fmt: skip
    found = policy(role(resources)).resources["Property"]
    draft: dict[str, Any] = {"PropertyType": "Land", "StandardStatus": "Active"}

    check_creation(found, Body({**draft, "City": "A"}, {}, ()), merged({**draft, "City": "A"}, image()))
    for body in (draft, {**draft, "City": "B"}, {"PropertyType": "Land", "City": "A", "StandardStatus": "Closed"}):
        with pytest.raises(Refusal) as refused:
            check_creation(found, Body(body, {}, ()), merged(body, image()))
        assert len(refused.value.details) == 1


@pytest.mark.channel("C207", "C365")
@pytest.mark.parametrize(
    "rule", ["ListAgentKey eq 'M2' and ListingKey ne 'L13'", "ListingKey eq 'L1' or ListAgentKey eq 'M2'"]
)
def test_what_stands_beside_a_rule_about_the_key_is_held(rule: str) -> None:
    """An attacker found this: the whole filter went with the part about the key, and listings could be made for
    others."""
    resources = {"Property": {"Filter": rule, "Fields": {"All": {"Visible": VISIBLE}}, "Writes": {**WRITES, "PolicyFields": ["ListAgentKey"]}}, "Member": {"Default": "Visible"}}  # fmt: skip
    found = policy(role(resources)).resources["Property"]

    check_creation(found, Body({"ListAgentKey": "M2"}, {}, ()), merged({"ListAgentKey": "M2"}, image()))
    with pytest.raises(Refusal):
        check_creation(found, Body({"ListAgentKey": "M1"}, {}, ()), merged({"ListAgentKey": "M1"}, image()))


@pytest.mark.channel("C207", "C321")
@pytest.mark.parametrize(
    ("reading", "told"), [(Reading(), {"": OUTSIDE}), (Reading("fold"), None), (Reading("fold_pad"), None)]
)
def test_images_are_read_as_the_row_was(reading: Reading, told: dict[str, str] | None) -> None:
    """The prover found this: under a profile that folds, a row that existed for the key could not be changed, and a
    condition that held could be taken for one that did not."""
    row = image(StandardStatus="ACTIVE", PropertyType="Residential")
    found = None
    try:
        check_change(
            POLICY.resources["Property"], Body({"City": "x"}, {}, ()), row, merged({"City": "x"}, row), reading
        )
    except Refusal as refused:
        found = {detail.target: detail.message for detail in refused.details}

    assert found == told


#: What a read of the record has: nothing else is compared with.
SEEN = {
    "PhotosCount": b"2", "ListingKey": b'"L1"', "PropertyType": b'"Land"', "City": b'"A"', "ListPrice": b"1.50", "StandardStatus": b'"foobar"', "ListAgentKey": b'"M9"',
    "CloseDate": b'"2026-01-01"', "Appliances": b'["a","b"]', "BedroomsTotal": b"7", "SoldPrice": b"1.555",
}  # fmt: skip


def settled(
    body: Any, shown: Mapping[str, bytes] = SEEN, lost_names: tuple[str, ...] = (), **row: Any
) -> tuple[bytes, dict[str, str]]:
    """What is sent of a change, and what is wrong with it."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    resource = SETTLING.resources["Property"]
    read_one, details = read_body(decode_record(text), "PATCH", resource, SETTLING.schema, {})
    faults = [*details, *(lost(Reference(name, ("Member",), "M9")) for name in lost_names)]
    found, left = settle(resource, read_one, faults, shown.get, image(**{**ACTIVE, **row}))
    return found.text, {detail.target: detail.message for detail in left}


SETTLING = policy(
    role({
        "Property": {
            "Fields": {"All": {"Visible": ["ListingKey", "SoldPrice", *VISIBLE]}},
            "Writes": {**WRITES, "Fields": [*WRITES["Fields"], "SoldPrice"], "Required": {}},
        },
        "Member": {"Default": "Visible"}, "Media": {"Default": "Visible"},
    }),
    template(**CONDITIONAL),
)  # fmt: skip


@pytest.mark.channel("C205", "C224")
@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("PhotosCount", [b"2", b"2.0", b"20e-1"], [b"3", b"9", b"null", b'"x"', b"{}"]), ("ListingKey", [b'"L1"', b'"L\\u0031"'], [b'"L2"', b'"l1"', b"1"]), ("PropertyType", [b'"Land"'], [b'"Farm"', b"null"]),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_passed_over_where_it_is_what_the_key_sees(
    name: str, same: list[bytes], other: list[bytes]
) -> None:
    bodies = [[b'{"City":"x","%s":%s}' % (name.encode(), text) for text in texts] for texts in (same, other)]

    assert [settled(body) for body in bodies[0]] == [(b'{"City":"x"}', {})] * len(same)
    assert [settled(body)[1] for body in bodies[1]] == [{name: "cannot be written here"}] * len(other)


@pytest.mark.channel("C205", "C324")
def test_what_an_answer_has_not_is_equal_to_nothing() -> None:
    """Whatever the record holds: a field that is not visible on it is like one that never was."""
    for value in (2, None, "x"):
        assert settled({"City": "x", "PhotosCount": value}, {})[1] == {"PhotosCount": "cannot be written here"}
        assert settled({"City": "x", "OwnerName": value}, {"OwnerName": b"2"})[1] == {
            "OwnerName": "cannot be written here"
        }
        assert settled({"City": "x", "Media": value}, {"Media": b"[]"})[1] == {"Media": "cannot be written here"}


@pytest.mark.channel("C214", "C310")
def test_a_value_that_is_there_already_is_no_fault_and_is_not_written() -> None:
    """A record may hold what no write may give it: a status outside the lookup, a member who does not exist for the
    key, a number out of range. A client that sends it back changes nothing."""
    faulty = {"StandardStatus": "foobar", "ListAgentKey": "M9", "SoldPrice": 1.555}

    assert settled({"City": "x", **faulty}, lost_names=("ListAgentKey",)) == (b'{"City":"x"}', {})
    assert settled({"City": "x", "StandardStatus": "foobar"}, {}, StandardStatus="foobar")[1] == {
        "StandardStatus": "is not one of the values of this field"
    }


def test_what_can_be_written_is_written_whether_it_changes_or_not() -> None:
    assert settled({"City": "A", "ListPrice": 1.5}) == (b'{"City":"A","ListPrice":1.5}', {})


def test_a_required_field_stays_required_where_the_record_has_null() -> None:
    found, details = read_body(
        decode_record(b'{"City":null,"ChangedByMemberKey":null}'), "PATCH", POLICY.resources["Property"], POLICY.schema, {}
    )  # fmt: skip
    _, left = settle(POLICY.resources["Property"], found, details, {"City": b"null"}.get, image(**ACTIVE))

    assert {detail.target: detail.message for detail in left} == {"ChangedByMemberKey": "is required"}


def test_a_body_of_which_everything_is_passed_over_is_nothing_to_be_written() -> None:
    nothing = {"": "there is nothing to be written"}

    assert settled({"ListingKey": "L1", "@odata.etag": "x"})[1] == nothing
    assert settled({"@odata.etag": "x"})[1] == nothing
    assert settled({"StandardStatus": "foobar"})[1] == nothing
    assert settled({"ListingKey": "L2"})[1] == {"ListingKey": "cannot be written here"}


@pytest.mark.channel("C203", "C324")
def test_null_in_place_of_a_field_that_is_not_visible_says_nothing() -> None:
    """As answers have it under `redaction: null`. Where they leave the field out, null is a fault like every value."""
    withheld = {"StreetName": b"null"}
    hidden: dict[str, Any] = {"InternetAddressDisplayYN": False, "PropertyType": "Land"}

    assert settled({"City": "x", "StreetName": None}, withheld, **hidden) == (b'{"City":"x"}', {})
    assert settled({"City": "x", "StreetName": None}, withheld) == (b'{"City":"x","StreetName":null}', {})
    assert settled({"City": "x", "StreetName": "y"}, withheld, **hidden)[0] == b'{"City":"x","StreetName":"y"}'
    assert settled({"City": "x", "StreetName": None}, {}, **hidden)[0] == b'{"City":"x","StreetName":null}'


def test_faults_that_are_left_keep_their_order() -> None:
    body = {"OwnerName": 1, "ListingKey": "L1", "City": 7, "PhotosCount": 3, "@x": 1, "NeverWas": 1}

    assert list(settled(body)[1]) == ["OwnerName", "City", "PhotosCount", "NeverWas"]


def test_a_rule_that_depends_on_time_is_held_at_the_instant_of_the_request() -> None:
    """The prover found this too: `now()` of a rule was never the clock's, so no record could be changed under it."""
    resources = {
        "Property": {
            "Filter": "CloseDate ge now() sub duration'P30D'", "Fields": {"All": {"Visible": VISIBLE, "When": [{"Condition": "CloseDate lt now()", "Fields": ["BuyerOfficeKey"]}]}},
            "Writes": {**WRITES, "PolicyFields": ["CloseDate", "StandardStatus"]},
        },
        "Member": {"Default": "Visible"},
    }  # fmt: skip
    found = policy(role(resources))
    request = parse_request("PATCH", "/r/Property('x')", root="/r", limits=Limits())
    now = Timestamp(datetime(2026, 1, 15, tzinfo=UTC))
    plan = decide(found, request, TRUSTING.model_copy(update={"conditional_writes": "any"}), AnswerSettings(), now)
    assert isinstance(plan, Write)

    def told(before: date, after: date) -> dict[str, str] | None:
        row = image(CloseDate=before, PropertyType="Land")
        try:
            check_change(
                plan.terms, Body({"CloseDate": after}, {}, ()), row, merged({"CloseDate": after}, row), plan.reading
            )
        except Refusal as refused:
            return {detail.target: detail.message for detail in refused.details}
        return None

    assert told(date(2026, 1, 1), date(2026, 1, 2)) is None
    assert told(date(2026, 1, 1), date(2025, 1, 1)) == {"CloseDate": "cannot be changed to this"}
    # What was to close some day would show its buyer.
    assert told(date(2026, 3, 1), date(2026, 1, 1)) == {"CloseDate": "cannot be changed to this"}


def enumerated(*, is_flags: bool = False) -> Policy:
    """StandardStatus as an enumeration of which two members have texts to show."""
    kind = (
        f'<EnumType Name="S" IsFlags="{"true" if is_flags else "false"}"><Member Name="Active" Value="1"><Annotation Term="X" String="On the market"/></Member>'
        '<Member Name="Sold" Value="2"/><Member Name="Closed" Value="4"><Annotation Term="X" String="Closed, ok"/></Member></EnumType>'
    )
    text = (
        metadata_document().decode().replace('<EntityType Name="Property">', f'{kind}<EntityType Name="Property">', 1)
    )
    start = text.index('<Property Name="StandardStatus"')
    text = text[:start] + text[start:].replace('Type="Edm.String"', 'Type="Sandbox.S"', 1)
    resources = {
        "Property": {
            "Fields": {"All": {"Visible": VISIBLE}},
            "Writes": {"Methods": ["PATCH"], "Fields": ["StandardStatus", "City"]},
        }
    }
    return policy(role(resources), schema=parse_metadata(text.encode()))


@pytest.mark.channel("C217")
@pytest.mark.parametrize(
    ("is_flags", "said", "written"),
    [
        (False, "Active", "Active"), (False, "On the market", "Active"), (False, "active", None), (False, "Active,Sold", None), (False, "Nowhere", None), (False, "", None), (False, "1", None),
        (False, "Sandbox.S'Active'", None), (True, "Sold, Active", "Active,Sold"), (True, "On the market,Closed", "Active,Closed"), (True, "Active,Nowhere", None), (True, ",", None),
        (False, "Closed, ok", "Closed"), (True, "Closed, ok", "Closed"), (True, "Closed, ok, On the market", "Active,Closed"), (False, "Closed, ok,Sold", None),
    ],
)  # fmt: skip
def test_members_of_enumerations_are_written_in_one_spelling(is_flags: bool, said: str, written: str | None) -> None:
    """What is decided on is what is stored: two spellings of one value would let a condition look away."""
    found = enumerated(is_flags=is_flags)
    body, details = read_body(
        decode_record(json.dumps({"StandardStatus": said}).encode()),
        "PATCH",
        found.resources["Property"],
        found.schema,
        {},
    )

    if written is None:
        assert [(detail.target, detail.message) for detail in details] == [
            ("StandardStatus", "is no value of this field")
        ]
    else:
        assert (details, body.values, body.text) == (
            [],
            {"StandardStatus": written},
            json.dumps({"StandardStatus": written}).replace(" ", "").encode(),
        )
