"""Field and Lookup as a client replicates them: counted, paged, filtered by time."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.observe.events import Complaint
from gateway.odata.csdl import parse_metadata
from gateway.sandbox.rows import make_tables
from gateway.sandbox.server import Sandbox
from tests.hostile import collection
from tests.modelled import ROLE, every_page, listing, modelled, profile, tables
from tests.support import CONFIG, Harness, configuration, key_file, running, sandbox_running, until, write_configuration

WITH = {**ROLE, "Field": {"Default": "Visible"}, "Lookup": {"Default": "Visible"}}
LOOKUPS = make_tables(listings=1)["Lookup"]


def serving(rows: list[dict[str, Any]]) -> Any:
    def lookup(request: web.BaseRequest) -> web.Response:
        skip = int(request.raw_path.partition("$skip=")[2] or 0)
        return collection(rows[skip : skip + 100])

    return lookup


async def test_the_count_is_the_number_of_rows_that_replication_fetches(gateway: Harness) -> None:
    for name in ("Field", "Lookup"):
        rows, pages = await every_page(gateway, f"{name}?$count=true", "demo-idx")
        number = await gateway.get(f"{name}/$count", "demo-idx")
        none = await gateway.get(f"{name}?$count=true&$top=0", "demo-idx")
        first = await gateway.get(f"{name}?$top=3&$skip=2&$orderby={name}Key desc", "demo-idx")
        single = await gateway.get(f"{name}('{rows[0][f'{name}Key']}')", "demo-idx")

        assert len(pages) > 1
        assert {page.json()["@odata.count"] for page in pages} == {len(rows), int(number.body)}
        assert none.json() | {"@odata.context": ""} == {"@odata.context": "", "value": [], "@odata.count": len(rows)}
        keys = sorted((row[f"{name}Key"] for row in rows), reverse=True)
        assert [row[f"{name}Key"] for row in first.rows] == keys[2:5]
        assert single.json().items() >= rows[0].items()


@pytest.mark.channel("C169", "C170", "C235")
@pytest.mark.parametrize("key", ["demo-idx", "demo-vow", "demo-private"])
async def test_field_lookup_metadata_and_payload_agree(gateway: Harness, key: str) -> None:
    metadata = parse_metadata((await gateway.get("$metadata", key)).body)
    fields, _ = await every_page(gateway, "Field", key)
    lookups, _ = await every_page(gateway, "Lookup?$select=LookupName,LookupValue", key)
    listings, _ = await every_page(gateway, "Property?$top=150", key)

    named = {(row["ResourceName"], row["FieldName"]) for row in fields}
    assert named == {(name, member) for name in metadata.entity_sets for member in metadata.type_of(name).properties}
    assert {name for row in listings for name in row} <= {name for resource, name in named if resource == "Property"}
    used = {
        declared.annotations.get("RESO.OData.Metadata.LookupName")
        for name in metadata.entity_sets
        for declared in metadata.type_of(name).properties.values()
    }
    assert {row["LookupName"] for row in lookups} <= used
    assert ("Property", "OwnerName") in named if key == "demo-private" else ("Property", "OwnerName") not in named
    assert "OwnerName" not in json.dumps(lookups) or key == "demo-private"


async def test_without_a_role_that_names_them_they_do_not_exist(directory: Path) -> None:
    async with modelled(directory, tables(Property=[listing("L1")])) as (gateway, _):
        answers = [await gateway.get(name, "k") for name in ("Field", "Lookup", "Nope")]

    assert [answer.status for answer in answers] == [404] * 3
    assert answers[0].body == answers[1].body == answers[2].body


@pytest.mark.channel("C363")
async def test_what_a_change_of_policy_reveals_is_new_to_clients(directory: Path) -> None:
    """All rows of the policy are new then: a replica starts again under it anyway. A restart moves nothing, where there
    is a database to remember."""
    state = directory.parent / "state"
    state.mkdir()
    wider = json.loads(json.dumps(WITH))
    wider["Property"]["Fields"]["All"]["Visible"].append("StandardStatus")
    found = []
    for number, role in enumerate((WITH, WITH, wider)):
        async with modelled(directory / str(number), tables(), role=role, state=state, clock=1_800_000_000 + 1000 * number, lookup=serving(LOOKUPS)) as (gateway, _):  # fmt: skip
            rows = {}
            for name in ("Field", "Lookup"):
                for row in (await every_page(gateway, name))[0]:
                    rows[name, row[f"{name}Key"]] = row["ModificationTimestamp"]
            since = "Lookup?$filter=ModificationTimestamp gt 2027-01-15T08:31:00Z&$select=LookupName"
            found.append((rows, {row["LookupName"] for row in (await every_page(gateway, since))[0]}))

    first, again, more = found
    assert first == again
    new = more[0].keys() - first[0].keys()
    assert ("Field", "Property.StandardStatus") in new
    assert {name for name, _ in new} == {"Field", "Lookup"}
    assert set(more[0].values()) == {"2027-01-15T08:33:20.000Z"}
    assert set(first[0].values()) == {"2027-01-15T08:00:00.000Z"}
    assert first[1] == set()
    assert "StandardStatus" in more[1]


@pytest.mark.guarantee("G5")
@pytest.mark.channel("C363")
async def test_what_cannot_be_remembered_is_not_served_and_has_the_moment_at_which_it_is(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.database._PATIENCE", 0.5)
    state = directory.parent / "state"
    state.mkdir()
    opened = {**WITH, "Property": {**WITH["Property"], "Default": "Visible"}}
    settings = {"upstream": {"metadata_refresh": 0.05, "metadata_retry": 0.05}}
    async with modelled(directory, tables(), role=opened, state=state, settings=settings, clock=1_800_000_000) as (gateway, upstream):  # fmt: skip
        document = upstream.metadata or b""
        revision = gateway.service.snapshot.revision
        other = sqlite3.connect(state / "gateway.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        gateway.now[0] += 100
        upstream.metadata = document.replace(b'<Property Name="City"', b'<Property Name="New" Type="Edm.String"/><Property Name="City"', 1)  # fmt: skip
        assert upstream.metadata != document
        await until(lambda: any(isinstance(event, Complaint) and "database is locked" in event.message for event in gateway.events))  # fmt: skip
        before = await every_page(gateway, "Field?$filter=FieldName eq 'New'")
        told = await gateway.ready()
        assert gateway.service.snapshot.revision == revision

        gateway.now[0] += 1000
        other.close()
        await until(lambda: gateway.service.snapshot.revision > revision)
        after = await every_page(gateway, "Field?$filter=FieldName eq 'New'")
        told_after = await gateway.ready()

    assert before[0] == []
    assert "database is locked" in told["unserved"]
    assert told["ready"]
    assert [row["ModificationTimestamp"] for row in after[0]] == ["2027-01-15T08:18:20.000Z"]
    assert told_after["unserved"] == ""


@pytest.mark.channel("C14", "C150", "C151", "C272")
async def test_office_has_what_a_role_names_and_nothing_else(directory: Path) -> None:
    """As Spark's page has it: products and delegated access are relations, read only; the latter exists for keys with
    the privilege only, also where the role does not say so."""
    links = {"local": "OfficeKey", "target": "OfficeKey"}
    data = make_tables(listings=3)
    role = {
        "Office": {"Fields": {"All": {"Visible": ["OfficeName", "ExternalProducts", "DelegatedAccess", "Media"]}}},
        "ExternalProducts": {"Fields": {"All": {"Visible": ["ProductName"]}}},
        "DelegatedAccess": {"Fields": {"All": {"Visible": ["AsUser", "AllUsers", "BrokerloadOverride"]}}},
        "Media": {"Fields": {"All": {"Visible": ["Order"]}}},
    }
    trusted = profile(nested="untrusted", links={"Office": {"ExternalProducts": links, "DelegatedAccess": links}})
    keys = key_file(k="Role: idx\n    Privileges: [DelegatedAccess]", plain="Role: idx")
    async with modelled(directory, data, role=role, trusted=trusted, keys=keys) as (named, _):
        answer = await named.get("Office('O000')?$expand=ExternalProducts,DelegatedAccess,Media", "k")
        methods = [
            (await named.request(method, f"/Reso/OData/Office{key}", "k")).status
            for method in ("POST", "PUT", "PATCH", "DELETE")
            for key in ("", "('O000')")
        ]
        unnamed = [
            await named.get(target.format(name), "plain")
            for target in ("Office?$expand={}", "Office('O000')/{}", "{}")
            for name in ("DelegatedAccess", "Qwertyuiopasdfg")
        ]

    assert [row["ProductName"] for row in answer.json()["ExternalProducts"]] == ["Product 0", "Product 1"]
    assert [row["AsUser"] for row in answer.json()["DelegatedAccess"]] == [True, False]
    assert methods == [405] * 8
    assert [answer.status for answer in unnamed] == [400, 400, 404, 404, 404, 404]
    for hidden, fresh in zip(unnamed[::2], unnamed[1::2], strict=True):
        assert hidden.body == fresh.body.replace(b"Qwertyuiopasdfg", b"DelegatedAccess")


@pytest.mark.parametrize("name", ["idx", "public", "vow", "portal", "private"])
async def test_all_roles_read_offices_and_write_none(directory: Path, name: str) -> None:
    assert (CONFIG / "roles" / f"{name}.yaml").is_file()
    write_configuration(directory, {"keys.yaml": key_file(k=f"Role: {name}")})
    async with (
        sandbox_running(Sandbox(make_tables(listings=2))) as sandbox,
        running(configuration(directory, sandbox.url)) as gateway,
    ):
        read = [
            (await gateway.get(target, "k")).status for target in ("Office", "Office('O001')", "Office('O001')/Media")
        ]
        written = [
            (await gateway.request(method, f"/Reso/OData/{target}", "k"))
            for method in ("POST", "PUT", "PATCH", "DELETE")
            for target in ("Office", "Office('O001')")
        ]

    assert read == [200, 200, 200]
    assert {(answer.status, answer.header("Allow")) for answer in written} == {(405, "GET, HEAD")}


@pytest.mark.parametrize("name", ["Field", "Lookup"])
async def test_a_row_of_field_is_the_one_of_its_key(gateway: Harness, name: str) -> None:
    rows, _ = await every_page(gateway, name, "demo-idx")
    key = f"{name}Key"
    for row in (rows[1], rows[-1]):
        single = await gateway.get(f"{name}('{row[key]}')")
        assert single.json()[key] == row[key]

    assert (await gateway.get(f"{name}('nope')")).status == 404
