"""Spark's template service as its users meet it: the walk of its page, what is refused, and what is enforced after it."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from tests.managed import SEED, STAFF, Desk, code, details, managed, results
from tests.support import key_file

FILTERS = {"RESODictionaryVersion": 1.0, "Property": {"Filter": "StandardStatus eq 'Active'"}}
OVERRIDES = {
    "RESODictionaryVersion": 1.0,
    "Agent": {"All": {"MemberKey": {"Rule": "Visible"}}},
    "Property": {"Residential": {"TotalBaths": {"Rule": "Visible"}, "ListPrice": {"Rule": "Hidden"}}},
}


async def test_what_was_made_is_read_as_it_was_written(desk: Desk) -> None:
    made = await desk.call("POST", "/templates", SEED, key="assoc_a")
    uri = results(made)[0]["ResourceUri"]
    identity = uri.removeprefix("/v1/developers/templates/")
    one = await desk.call("GET", f"/templates/{identity}", key="assoc_a")
    all_of_them = await desk.call("GET", "/templates", key="assoc_a")

    assert (made.status, made.json()) == (201, {"D": {"Success": True, "Results": [{"ResourceUri": uri}]}})
    assert len(identity) == 26
    assert identity.isdigit()
    moment = "2027-01-15T08:00:00+00:00"
    assert one.json() == all_of_them.json() == {"D": {"Success": True, "Results": [{
        "Id": identity, "ResourceUri": uri, "OwnerId": "A", "AssociationId": "A", "MlsId": "mls", **SEED,
        "CreatedTimestamp": moment, "ModificationTimestamp": moment,
    }]}}  # fmt: skip
    assert made.header("Location") == uri
    assert one.header("ETag") == '"1"'
    assert one.header("Cache-Control") == "no-store"


async def test_a_put_changes_what_it_names_and_nothing_else(desk: Desk) -> None:
    identity = await desk.made()
    desk.gateway.now[0] += 60

    done = await desk.call("PUT", f"/templates/{identity}", {"Name": "Company VOW Template", "Role": "vow"})
    found = results(await desk.call("GET", f"/templates/{identity}"))[0]

    assert (done.status, done.json(), done.header("ETag")) == (200, {"D": {"Success": True}}, '"2"')
    assert {name: found[name] for name in SEED} == {**SEED, "Name": "Company VOW Template", "Role": "vow"}
    assert found["CreatedTimestamp"] == "2027-01-15T08:00:00+00:00"
    assert found["ModificationTimestamp"] == "2027-01-15T08:01:00+00:00"


async def test_a_whole_record_that_was_read_can_be_put_back(desk: Desk) -> None:
    identity = await desk.made()
    found = results(await desk.call("GET", f"/templates/{identity}"))[0]

    done = await desk.call("PUT", f"/templates/{identity}", {**found, "ListingPhotoLimit": 3})
    other = await desk.call("PUT", f"/templates/{identity}", {**found, "MlsId": "another"})

    assert done.status == 200
    assert code(other) == (400, 1053)
    assert list(details(other)) == ["MlsId"]


async def test_a_sub_resource_is_replaced_whole(desk: Desk) -> None:
    identity = await desk.made()

    filters = await desk.call("PUT", f"/templates/{identity}/RestrictiveFilters", FILTERS)
    overrides = await desk.call("PUT", f"/templates/{identity}/FieldOverrides", OVERRIDES)
    found = results(await desk.call("GET", f"/templates/{identity}"))[0]
    cleared = await desk.call("PUT", f"/templates/{identity}/FieldOverrides", {})
    empty = results(await desk.call("GET", f"/templates/{identity}"))[0]

    assert [filters.json(), overrides.json(), cleared.json()] == [{"D": {"Success": True}}] * 3
    assert (found["RestrictiveFilters"], found["FieldOverrides"]) == (FILTERS, OVERRIDES)
    assert empty["FieldOverrides"] == {}


async def test_a_template_goes_when_no_key_uses_it(desk: Desk) -> None:
    identity = await desk.made()
    key, _ = await desk.secret({"Template": identity})

    refused = await desk.call("DELETE", f"/templates/{identity}")
    await desk.call("DELETE", f"/keys/{key}")
    done = await desk.call("DELETE", f"/templates/{identity}")
    again = await desk.call("DELETE", f"/templates/{identity}")

    assert code(refused) == (409, 1055)
    assert details(refused) == {"Id": f"the key `{key}` uses this template"}
    assert (done.status, done.json()) == (200, {"D": {"Success": True}})
    assert code(again) == (404, 404)


async def test_a_template_that_a_key_of_a_file_uses_stays(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        identity = await desk.made()
    files = {
        "keys.yaml": key_file(
            **STAFF, vendor=f'Template: "{identity}"', other=f'Template: "{identity}"\n    AssociationId: B'
        )
    }
    async with managed(directory, database_url, files) as desk:
        served = await desk.gateway.get("Property/$count", "vendor")
        refused = await desk.call("DELETE", f"/templates/{identity}")

    assert served.status == 200
    assert code(refused) == (409, 1055)
    assert len(refused.json()["D"]["Details"]) == 2


VERBS: list[tuple[str, str, str]] = [
    *((method, "/templates", "GET, HEAD, POST") for method in ("PUT", "DELETE", "PATCH", "OPTIONS")),
    *((method, "/templates/1", "GET, HEAD, PUT, DELETE") for method in ("POST", "PATCH")),
    *((method, f"/templates/1/{part}", "PUT") for method in ("GET", "POST", "DELETE", "HEAD") for part in ("FieldOverrides", "RestrictiveFilters")),
    ("POST", "/templates/1/history", "GET, HEAD"), ("GET", "/templates/1/rollback", "POST"), ("POST", "/roles", "GET, HEAD"),
    ("PUT", "/keys", "GET, HEAD, POST"), ("GET", "/keys/1/rotate", "POST"), ("POST", "/syndications", "GET, HEAD"),
]  # fmt: skip


async def test_the_verb_matrix(desk: Desk) -> None:
    for method, path, allowed in VERBS:
        answer = await desk.call(method, path)

        assert (answer.status, answer.header("Allow")) == (405, allowed), (method, path)
        assert method == "HEAD" or answer.json()["D"]["Code"] == 405


async def test_a_head_is_a_get_without_its_body(desk: Desk) -> None:
    get, head = await desk.call("GET", "/templates"), await desk.call("HEAD", "/templates")

    assert (head.status, head.body, head.headers) == (200, b"", get.headers)


@pytest.mark.channel("C145")
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_a_method_in_a_header_is_no_method(desk: Desk, header: str) -> None:
    identity = await desk.made()

    assert code(await desk.call("POST", f"/templates/{identity}", headers={header: "DELETE"})) == (405, 405)
    assert code(await desk.call("GET", "/templates", headers={header: "GET"})) == (405, 405)
    assert (await desk.call("GET", f"/templates/{identity}")).status == 200


async def test_what_is_no_path_is_not_found(desk: Desk) -> None:
    for path in (
        "",
        "/",
        "/template",
        "/templates/",
        "/templates/1/2",
        "/templates/1/fieldoverrides",
        "/keys/1/Rotate",
        "/%ff",
        "/openapi.json",
    ):
        assert code(await desk.call("GET", path)) == (404, 404), path


async def test_one_404_for_what_never_was_what_is_gone_and_what_is_somebody_elses(desk: Desk) -> None:
    theirs, gone = await desk.made(key="assoc_b"), await desk.made(key="assoc_a")
    await desk.call("DELETE", f"/templates/{gone}", key="assoc_a")
    of_the_mls = await desk.made()

    answers = [
        await desk.call(method, f"/templates/{identity}{part}", body, key="assoc_a")
        for identity in (theirs, gone, of_the_mls, "20160328145528265879000000", "company-idx", "%2e%2e", "a%00b")
        for method, part, body in (("GET", "", None), ("PUT", "", {"Name": "mine"}), ("DELETE", "", None),
                                   ("PUT", "/FieldOverrides", {}), ("PUT", "/RestrictiveFilters", {}))
    ]  # fmt: skip

    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert (await desk.call("GET", f"/templates/{theirs}/history", key="assoc_a")).status == 404
    assert results(await desk.call("GET", f"/templates/{theirs}", key="staff"))[0]["AssociationId"] == "B"


async def test_an_association_sees_its_own_and_the_mls_sees_all(desk: Desk) -> None:
    made = {name: await desk.made(key=name) for name in ("staff", "assoc_a", "assoc_b")}

    seen = {name: [item["Id"] for item in results(await desk.call("GET", "/templates", key=name))] for name in made}

    files = ["company-idx", "listing-desk", "registered-consumers"]
    assert seen == {"staff": [*made.values(), *files], "assoc_a": [made["assoc_a"]], "assoc_b": [made["assoc_b"]]}


@pytest.mark.parametrize(
    ("key", "status", "number"),
    [(None, 401, 1000), ("nobody", 401, 1000), ("gone", 401, 1010), ("reader", 403, 1500), ("idx", 403, 1500), ("only_keys", 403, 1500)],
)  # fmt: skip
async def test_who_may_not(desk: Desk, key: str | None, status: int, number: int) -> None:
    """Nothing that they ask for tells them more than that."""
    identity = await desk.made()

    answers = [
        await desk.call(method, f"/templates{path}", SEED, key=key)
        for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{identity}"), ("PUT", f"/{identity}"), ("DELETE", f"/{identity}"))
    ]  # fmt: skip

    assert {code(answer) for answer in answers} == {(status, number)}
    assert len({answer.body for answer in answers}) == 1
    assert (answers[0].header("WWW-Authenticate") is not None) is (number == 1000)
    assert (await desk.call("GET", f"/templates/{identity}")).status == 200
    if key != "only_keys":
        assert (await desk.call("PATCH", "/no/such/path", key=key)).body == answers[0].body


async def test_staff_that_manage_templates_manage_no_keys(desk: Desk) -> None:
    assert code(await desk.call("GET", "/keys", key="only_templates")) == (403, 1500)
    assert (await desk.call("GET", "/templates", key="only_templates")).status == 200
    assert (await desk.call("GET", "/roles", key="only_templates")).status == 200


FAULTS: list[tuple[dict[str, Any], int, list[str]]] = [
    ({"Name": ...}, 1050, ["Name"]),
    ({"Name": ..., "Description": ..., "Role": ...}, 1050, ["Description", "Name", "Role"]),
    ({"Name": ""}, 1053, ["Name"]),
    ({"Name": None}, 1053, ["Name"]),
    ({"Name": "x" * 256}, 1053, ["Name"]),
    ({"Name": 7}, 1053, ["Name"]),
    ({"Role": "IDX"}, 1053, ["Role"]),
    ({"Role": "agent", "SyndicationId": "1"}, 1053, ["Role", "SyndicationId"]),
    ({"ListingPhotoLimit": -1}, 1053, ["ListingPhotoLimit"]),
    ({"ListingPhotoLimit": "3"}, 1053, ["ListingPhotoLimit"]),
    ({"ListingPhotoLimit": True}, 1053, ["ListingPhotoLimit"]),
    ({"ListingPhotoLimit": 1.5}, 1053, ["ListingPhotoLimit"]),
    ({"Nope": 1, "name": "x"}, 1053, ["Nope", "name"]),
    ({"Id": "1"}, 1053, ["Id"]),
    ({"OwnerId": "A"}, 1053, ["OwnerId"]),
    ({"RestrictiveFilters": []}, 1053, ["RestrictiveFilters"]),
    ({"RestrictiveFilters": {"Nope": {"Filter": None}}}, 1053, ["RestrictiveFilters.Nope"]),
    ({"RestrictiveFilters": {"Property": {"filter": "x"}}}, 1053, ["RestrictiveFilters.Property.Filter", "RestrictiveFilters.Property.filter"]),
    ({"RestrictiveFilters": {"Agent": {"Filter": None}, "Member": {"Filter": None}}}, 1053, ["RestrictiveFilters.Member"]),
    ({"RestrictiveFilters": {"Property": {"Filter": "Nope eq 1"}}}, 1040, ["RestrictiveFilters.Property.Filter"]),
    ({"RestrictiveFilters": {"Property": {"Filter": "1 div (ListPrice sub 1) gt 0"}}}, 1040, ["RestrictiveFilters.Property.Filter"]),
    ({"RestrictiveFilters": {"Property": {"Filter": ""}, "Member": {"Filter": "MemberKey eq"}}}, 1040, ["RestrictiveFilters.Member.Filter", "RestrictiveFilters.Property.Filter"]),
    ({"RestrictiveFilters": {"Property": {"Filter": "City eq '" + "x" * 20_000 + "'"}}}, 1041, ["RestrictiveFilters.Property.Filter"]),
    ({"FieldOverrides": {"Property": {"Nope": {"City": {"Rule": "Hidden"}}}}}, 1053, ["FieldOverrides.Property.Nope"]),
    ({"FieldOverrides": {"Property": {"All": {"Nope": {"Rule": "Hidden"}}}}}, 1053, ["FieldOverrides.Property.All.Nope"]),
    ({"FieldOverrides": {"Property": {"All": {"City": {"Rule": "hidden"}}}}}, 1053, ["FieldOverrides.Property.All.City.Rule"]),
    ({"FieldOverrides": {"Property": {"All": {"City": "Hidden"}}}}, 1053, ["FieldOverrides.Property.All.City"]),
    ({"FieldOverrides": {"Member": {"All": {"MemberPassword": {"Rule": "Visible"}}}}}, 1053, ["FieldOverrides.Member.All.MemberPassword"]),
    ({"FieldOverrides": {"Property": {"All": {"ListingKey": {"Rule": "Hidden"}}}}}, 1053, ["FieldOverrides.Property"]),
    ({"FieldOverrides": {"Property": {"All": {"A": {"Rule": "Hidden"}, "B": {"Rule": "Visible"}}}}, "RestrictiveFilters": {"Property": {"Filter": "C eq 1"}}}, 1053,
     ["FieldOverrides.Property.All.A", "FieldOverrides.Property.All.B", "RestrictiveFilters.Property.Filter"]),
]  # fmt: skip


async def test_every_fault_of_a_template_is_told_at_once_and_nothing_is_saved(desk: Desk) -> None:
    kept = await desk.made()
    for changes, number, places in FAULTS:
        body = {name: value for name, value in {**SEED, **changes}.items() if value is not ...}
        made = await desk.call("POST", "/templates", body)
        put = await desk.call(
            "PUT", f"/templates/{kept}", {name: value for name, value in changes.items() if value is not ...}
        )

        assert code(made) == (400, number), (changes, made.body)
        assert sorted(details(made)) == places, (changes, made.body)
        if number != 1050:
            assert code(put) == (400, number), (changes, put.body)
        assert ("SparkQLErrors" in made.json()["D"]) is (number in (1040, 1041))

    assert len(results(await desk.call("GET", "/templates"))) == 4
    assert (await desk.call("GET", f"/templates/{kept}")).header("ETag") == '"1"'


async def test_faults_of_a_sub_resource_are_placed_in_the_body_that_was_sent(desk: Desk) -> None:
    identity = await desk.made()

    filters = await desk.call("PUT", f"/templates/{identity}/RestrictiveFilters", {"Property": {"Filter": "Nope eq 1"}})
    overrides = await desk.call(
        "PUT", f"/templates/{identity}/FieldOverrides", {"Property": {"All": {"Nope": {"Rule": "x"}}}}
    )

    assert (code(filters), list(details(filters))) == ((400, 1040), ["Property.Filter"])
    assert (code(overrides), list(details(overrides))) == ((400, 1053), ["Property.All.Nope.Rule"])


@pytest.mark.guarantee("G7", "G8")
async def test_what_is_saved_is_enforced_when_it_is_answered(desk: Desk) -> None:
    """The request that leaks before the save, and after it does not."""
    identity = await desk.made({**SEED, "SyndicationId": None, "FieldOverrides": None})
    _, secret = await desk.secret({"Template": identity})
    question = "Property?$select=ListPrice,StandardStatus,PropertyType&$filter=PropertyType eq 'Residential'"

    before = await desk.gateway.get(question, secret)
    await desk.call("PUT", f"/templates/{identity}/FieldOverrides", OVERRIDES)
    after = await desk.gateway.get(question, secret)
    await desk.call(
        "PUT", f"/templates/{identity}/RestrictiveFilters", {"Property": {"Filter": "StandardStatus eq 'Pending'"}}
    )
    narrowed = await desk.gateway.get(question, secret)

    assert any("ListPrice" in row for row in before.rows)
    assert after.rows
    assert not any("ListPrice" in row for row in after.rows)
    assert {row["StandardStatus"] for row in before.rows} == {"Active"}
    assert {row["StandardStatus"] for row in narrowed.rows} <= {"Pending"}


async def test_a_link_of_a_template_that_has_changed_is_gone(desk: Desk) -> None:
    identity = await desk.made({**SEED, "SyndicationId": None})
    _, secret = await desk.secret({"Template": identity})
    page = await desk.gateway.request(
        "GET", "/Reso/OData/Property?$select=ListingKey", secret, {"Prefer": "odata.maxpagesize=2"}
    )

    renamed = await desk.call("PUT", f"/templates/{identity}", {"Name": "another"})
    same = await desk.gateway.follow(page, secret)
    await desk.call("PUT", f"/templates/{identity}", {"ListingPhotoLimit": 1})
    changed = await desk.gateway.follow(page, secret)

    assert renamed.status == 200
    assert same.status == 200
    assert changed.status == 410


async def test_of_two_writers_one_is_told(desk: Desk) -> None:
    identity = await desk.made()
    tag = (await desk.call("GET", f"/templates/{identity}")).header("ETag")
    assert tag is not None

    first = await desk.call("PUT", f"/templates/{identity}", {"Name": "one"}, headers={"If-Match": tag})
    second = await desk.call("PUT", f"/templates/{identity}", {"Name": "two"}, headers={"If-Match": tag})
    gone = await desk.call("DELETE", f"/templates/{identity}", headers={"If-Match": tag})
    weak = await desk.call("PUT", f"/templates/{identity}", {"Name": "two"}, headers={"If-Match": 'W/"2"'})
    any_of = await desk.call("PUT", f"/templates/{identity}", {"Name": "three"}, headers={"If-Match": '"9", "2"'})

    assert [answer.status for answer in (first, second, gone, weak, any_of)] == [200, 412, 412, 412, 200]
    assert code(second) == (412, 1055)
    assert results(await desk.call("GET", f"/templates/{identity}"))[0]["Name"] == "three"


async def test_writers_at_the_same_time_lose_nothing_silently(desk: Desk) -> None:
    identity = await desk.made()

    answers = await asyncio.gather(
        *(desk.call("PUT", f"/templates/{identity}", {"Name": f"writer {number}"}) for number in range(6))
    )

    won = [answer for answer in answers if answer.status == 200]
    assert {code(answer) for answer in answers if answer.status != 200} <= {(409, 1055)}
    entries = results(await desk.call("GET", f"/templates/{identity}/history?_limit=100"))
    assert len(won) == len(entries) - 1 >= 1
    assert {answer.header("ETag") for answer in won} == {f'"{entry["Revision"]}"' for entry in entries[:-1]}


async def test_a_condition_can_be_demanded(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url, ADMIN__REQUIRE_IF_MATCH="true") as desk:
        identity = await desk.made()
        put = await desk.call("PUT", f"/templates/{identity}", {"Name": "x"})
        delete = await desk.call("DELETE", f"/templates/{identity}")
        done = await desk.call("PUT", f"/templates/{identity}", {"Name": "x"}, headers={"If-Match": "*"})

    assert [code(put), code(delete)] == [(428, 1055)] * 2
    assert done.status == 200


async def test_history_tells_who_changed_what(desk: Desk) -> None:
    identity = await desk.made(key="assoc_a")
    await desk.call("PUT", f"/templates/{identity}", {"Name": "new", "ListingPhotoLimit": 4})
    await desk.call("DELETE", f"/templates/{identity}", key="assoc_a")

    found = results(await desk.call("GET", f"/templates/{identity}/history"))
    paged = await desk.call("GET", f"/templates/{identity}/history?_limit=1&_page=2&_pagination=1")

    assert [(entry["Action"], entry["ChangedBy"], entry["Revision"]) for entry in found] == [
        ("delete", {"Key": "assoc-a"}, 2), ("update", {"Key": "staff"}, 2), ("create", {"Key": "assoc-a"}, 1),
    ]  # fmt: skip
    assert found[1]["ChangedFields"] == ["Name", "ListingPhotoLimit"]
    assert found[1]["ChangedValues"] == {
        "Name": {"Before": SEED["Name"], "After": "new"}, "ListingPhotoLimit": {"Before": None, "After": 4},
    }  # fmt: skip
    assert found[0]["ChangedValues"]["Role"] == {"Before": "idx", "After": None}
    assert results(paged) == [found[1]]
    assert paged.json()["D"]["Pagination"] == {"TotalRows": 3, "PageSize": 1, "TotalPages": 3, "CurrentPage": 2}
    assert results(await desk.call("GET", "/templates/company-idx/history")) == []


async def test_a_rollback_brings_back_what_was(desk: Desk) -> None:
    identity = await desk.made()
    await desk.call("PUT", f"/templates/{identity}", {"Name": "second"})
    await desk.call("PUT", f"/templates/{identity}", {"Name": "third"})

    back = await desk.call("POST", f"/templates/{identity}/rollback", {"Revision": 2})
    after = results(await desk.call("GET", f"/templates/{identity}"))[0]["Name"]
    await desk.call("DELETE", f"/templates/{identity}")
    restored = await desk.call("POST", f"/templates/{identity}/rollback", {"Revision": 1})
    found = results(await desk.call("GET", f"/templates/{identity}"))[0]
    bad = [
        await desk.call("POST", f"/templates/{identity}/rollback", body)
        for body in (
            {"Revision": 9},
            {"Revision": 0},
            {"Revision": "1"},
            {"Revision": True},
            {},
            {"Revision": 1, "x": 1},
        )
    ]

    assert (back.status, back.header("ETag"), after) == (200, '"4"', "second")
    assert (restored.status, restored.header("ETag")) == (200, '"5"')
    assert found["Name"] == SEED["Name"]
    assert {code(answer) for answer in bad} == {(400, 1053)}
    assert code(await desk.call("POST", "/templates/nothing/rollback", {"Revision": 1})) == (404, 404)


async def test_what_is_no_longer_whole_is_not_brought_back(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        identity = await desk.made()
        await desk.call("PUT", f"/templates/{identity}", {"SyndicationId": None})
    async with managed(directory, database_url, {"syndications.yaml": "Syndications: []\n"} | {"templates/company-idx.json": {"D": {"Name": "t", "Description": "t", "Role": "idx"}}}) as desk:  # fmt: skip
        refused = await desk.call("POST", f"/templates/{identity}/rollback", {"Revision": 1})

    assert (code(refused), list(details(refused))) == ((400, 1053), ["SyndicationId"])


async def test_a_dry_run_tells_what_would_change_and_changes_nothing(desk: Desk) -> None:
    identity = await desk.made({**SEED, "FieldOverrides": None})
    key, _ = await desk.secret({"Template": identity})
    change = {
        "ListingPhotoLimit": 2,
        "FieldOverrides": {"Property": {"Residential": {"ListPrice": {"Rule": "Hidden"}}, "All": {"OwnerName": {"Rule": "Visible", "When": "City eq 'Springfield'"}}}},
        "RestrictiveFilters": {"Property": {"Filter": "StandardStatus eq 'Pending'"}},
    }  # fmt: skip

    answer = await desk.call("PUT", f"/templates/{identity}?dry_run=true", change)
    told = results(answer)[0]
    found = await desk.call("GET", f"/templates/{identity}")

    prices = {
        group: fields["ListPrice"]
        for group, fields in told["Resources"]["Property"]["Fields"].items()
        if "ListPrice" in fields
    }
    assert prices == {
        "Residential": {"Before": "Visible", "After": "Hidden"},
        "Other": {"Before": "Visible", "After": "Hidden"},
    }
    assert {group: fields["OwnerName"] for group, fields in told["Resources"]["Property"]["Fields"].items()}["Land"] == {
        "Before": "Hidden", "After": "Visible when (City ne null) and (City eq 'Springfield')",
    }  # fmt: skip
    rule = told["Resources"]["Property"]["RowRule"]
    assert "'Active'" in rule["Before"]
    assert "'Pending'" in rule["After"]
    assert told["ListingPhotoLimit"] == {"Before": None, "After": "2"}
    assert (told["Keys"], told["KeyCount"], told["DryRun"]) == ([key], 1, True)
    assert found.header("ETag") == '"1"'
    assert len(results(await desk.call("GET", f"/templates/{identity}/history"))) == 1


async def test_every_change_can_be_tried(desk: Desk) -> None:
    identity = await desk.made()
    tried = [
        await desk.call("POST", "/templates?dry_run=true", SEED),
        await desk.call("PUT", f"/templates/{identity}/FieldOverrides?dry_run=1", {}),
        await desk.call("PUT", f"/templates/{identity}/RestrictiveFilters?dry_run=TRUE", {}),
        await desk.call("DELETE", f"/templates/{identity}?dry_run=true"),
        await desk.call("POST", f"/templates/{identity}/rollback?dry_run=true", {"Revision": 1}),
    ]
    bad = await desk.call("POST", "/templates?dry_run=true", {**SEED, "Role": "nope"})
    unclear = await desk.call("DELETE", f"/templates/{identity}?dry_run=maybe")

    assert [answer.status for answer in tried] == [200] * 5
    assert all(results(answer)[0]["DryRun"] for answer in tried)
    assert code(bad) == code(unclear) == (400, 1053)
    assert [item["Id"] for item in results(await desk.call("GET", "/templates"))] == [
        identity,
        "company-idx",
        "listing-desk",
        "registered-consumers",
    ]
    assert results(tried[4])[0]["Resources"] == {}
    assert results(tried[3])[0]["Resources"]["Property"]["RowRule"]["After"] is None


async def test_lists_are_selected_and_paged(desk: Desk) -> None:
    made = [await desk.made({**SEED, "Name": str(number)}) for number in range(12)]
    every = [*made, "company-idx", "listing-desk", "registered-consumers"]

    async def ids(query: str) -> list[str]:
        return [item["Id"] for item in results(await desk.call("GET", f"/templates?{query}"))]

    assert await ids("") == every[:10]
    assert await ids("_page=2") == every[10:]
    assert await ids("_limit=3&_page=5") == every[12:]
    assert await ids("_limit=1000") == every
    assert await ids("_limit=0") == []
    assert await ids("_page=100000") == []
    counted = (await desk.call("GET", "/templates?_pagination=count&_limit=5")).json()
    assert counted == {
        "D": {
            "Success": True,
            "Results": [],
            "Pagination": {"TotalRows": 15, "PageSize": 5, "TotalPages": 3, "CurrentPage": 1},
        }
    }
    first = (await desk.call("GET", "/templates?_select=Name,Id&_expand=FieldOverrides&_limit=1")).json()["D"][
        "Results"
    ]
    assert first == [{"Id": made[0], "Name": "0", "FieldOverrides": SEED["FieldOverrides"]}]
    assert list(results(await desk.call("GET", f"/templates/{made[0]}?_select=Role"))[0]) == ["Role"]
    whole = results(await desk.call("GET", f"/templates/{made[0]}?_expand=FieldOverrides,RestrictiveFilters"))[0]
    assert whole == results(await desk.call("GET", f"/templates/{made[0]}"))[0]


PARAMETERS: list[tuple[str, int]] = [("_filter=Name Eq 'x'", 1040), ("_orderby=Name", 1053), ("_skip=1", 1053), ("limit=1", 1053), ("_limit=-1", 1053), ("_limit=1001", 1053),
     ("_limit=x", 1053), ("_limit=%D9%A3", 1053), ("_page=0", 1053), ("_pagination=2", 1053), ("_select=Nope", 1053), ("_expand=Name", 1053),
     ("_limit=1&_limit=2", 1053), ("_expand=%ff", 1053), ("x=" + "y" * 9000, 1053), ("dry_run=true", 1053)]  # fmt: skip


async def test_parameters_that_mean_nothing_are_refused(desk: Desk) -> None:
    for query, number in PARAMETERS:
        assert code(await desk.call("GET", f"/templates?{query.replace(' ', '%20')}")) == (400, number), query


async def test_templates_of_files_are_shown_and_not_changed(desk: Desk) -> None:
    shown = results(await desk.call("GET", "/templates/company-idx"))[0]
    refused = [
        await desk.call("PUT", "/templates/company-idx", {"Name": "x"}),
        await desk.call("DELETE", "/templates/company-idx"),
        await desk.call("PUT", "/templates/company-idx/FieldOverrides", {}),
    ]

    assert {name: shown[name] for name in SEED} == SEED
    assert shown["OwnerId"] == "mls"
    assert "T" in shown["ModificationTimestamp"]
    assert {code(answer) for answer in refused} == {(409, 1055)}


async def test_without_a_database_files_are_read(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        service = desk.gateway.service
        assert service.publication is not None
    from gateway.sandbox.server import Sandbox
    from tests.support import configuration, running, sandbox_running

    async with sandbox_running(Sandbox()) as sandbox, running(configuration(directory, sandbox.url)) as gateway:
        desk = Desk(gateway)
        listed = results(await desk.call("GET", "/templates"))
        refused = [await desk.call("POST", "/templates", SEED), await desk.call("POST", "/keys", {"Role": "idx"})]
        missing = await desk.call("GET", "/templates/nothing")

    assert [item["Id"] for item in listed] == ["company-idx", "listing-desk", "registered-consumers"]
    assert {code(answer) for answer in refused} == {(503, 1024)}
    assert code(missing) == (404, 404)


@pytest.mark.guarantee("G8")
async def test_the_seeds_bodies_work_verbatim(desk: Desk) -> None:
    identity = await desk.made(copy.deepcopy(dict(SEED)))
    answers = [
        await desk.call("PUT", f"/templates/{identity}", {"Name": "Company VOW Template", "Role": "vow"}),
        await desk.call("PUT", f"/templates/{identity}/FieldOverrides", OVERRIDES),
        await desk.call("PUT", f"/templates/{identity}/RestrictiveFilters", FILTERS),
    ]

    assert [answer.json() for answer in answers] == [{"D": {"Success": True}}] * 3


async def test_what_is_in_a_file_now_is_not_brought_back(directory: Path, database_url: str) -> None:
    """An association could else put a record beside a file of the MLS, and the next start would be refused."""
    async with managed(directory, database_url) as desk:
        identity = await desk.made(key="assoc_a")
        await desk.call("DELETE", f"/templates/{identity}", key="assoc_a")
    async with managed(directory, database_url, {f"templates/{identity}.json": {"D": dict(SEED)}}) as desk:
        refused = [
            await desk.call("POST", f"/templates/{identity}/rollback", {"Revision": 1}, key=key)
            for key in ("assoc_a", "staff")
        ]
        history = await desk.call("GET", f"/templates/{identity}/history", key="assoc_a")

    assert [code(answer) for answer in refused] == [(404, 404), (400, 1053)]
    assert history.status == 404


async def test_a_template_says_by_which_methods_and_a_dry_run_tells_it(desk: Desk) -> None:
    """Ours, beside Spark's attributes: what its role has prepared, and nothing else."""
    document = {
        **SEED,
        "Role": "desk",
        "RestrictiveFilters": None,
        "FieldOverrides": None,
        "SyndicationId": None,
        "Name": "forms",
    }
    identity = await desk.made(document)
    tried = await desk.call("PUT", f"/templates/{identity}?dry_run=true", {"Writes": {"Property": ["PATCH"]}})
    refused = await desk.call("PUT", f"/templates/{identity}", {"Writes": {"Member": ["PATCH"], "Property": ["PUT"]}})
    unprepared = await desk.call("PUT", f"/templates/{identity}", {"Writes": {"Member": ["PATCH"]}})
    done = await desk.call("PUT", f"/templates/{identity}", {"Writes": {"Property": ["PATCH"]}})
    found = results(await desk.call("GET", f"/templates/{identity}"))[0]
    lifted = await desk.call("PUT", f"/templates/{identity}?dry_run=true", {"Writes": None})

    methods = results(tried)[0]["Resources"]["Property"]["Methods"]
    assert methods["Before"] == "none"
    assert methods["After"].startswith("PATCH (Appliances, ")
    assert results(lifted)[0]["Resources"]["Property"]["Methods"] == {"Before": methods["After"], "After": "none"}
    assert (refused.status, unprepared.status, done.status) == (422, 422, 200) or (
        refused.status,
        unprepared.status,
    ) == (400, 400)
    assert "does not say what can be written" in unprepared.body.decode()
    assert found["Writes"] == {"Property": ["PATCH"]}


@pytest.mark.channel("C9")
async def test_a_dry_run_tells_the_effect_on_delegated_access_where_a_key_of_the_template_may_see_it(
    desk: Desk,
) -> None:
    """A template cannot open it to others: to them nothing changes."""
    identity = await desk.made()
    overrides = {"DelegatedAccess": {"All": {"AsUser": {"Rule": "Hidden"}}}}
    path = f"/templates/{identity}/FieldOverrides?dry_run=true"
    shown = {**SEED["FieldOverrides"], **overrides}

    without = results(await desk.call("PUT", path, shown))[0]
    key, secret = await desk.secret({"Template": identity, "Privileges": ["DelegatedAccess"]})
    held = results(await desk.call("PUT", path, shown))[0]
    await desk.call("PUT", f"/templates/{identity}/FieldOverrides", shown)
    seen = await desk.gateway.get("DelegatedAccess('O002')", secret)

    assert without["Resources"] == {}
    assert held["Resources"] == {
        "DelegatedAccess": {"RowRule": None, "Fields": {"All": {"AsUser": {"Before": "Visible", "After": "Hidden"}}}}
    }
    assert held["Keys"] == [key]
    assert seen.json()["Id"] == "O002"
    assert "AsUser" not in seen.json()
