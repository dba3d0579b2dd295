"""API keys over the admin API: a secret is shown once, and nobody gets more than whoever gives it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.admin.backend import Backend
from gateway.admin.routes import routes
from gateway.observe.logs import DecisionLog
from gateway.store.database import KEYS, Database, mark
from tests.managed import BOTH, SEED, STAFF, Desk, code, details, managed, results
from tests.support import key_file


async def test_a_secret_is_shown_once_and_opens_what_was_granted(desk: Desk) -> None:
    made = await desk.call("POST", "/keys", {"Template": "company-idx", "Owner": "Acme Portals"})
    shown = results(made)[0]
    identity, secret = shown["Id"], shown["Secret"]

    one = await desk.call("GET", f"/keys/{identity}")
    answer = await desk.gateway.get("Property?$top=1", secret)
    everything = [
        (await desk.call("GET", path)).body
        for path in ("/keys?_limit=100", f"/keys/{identity}", f"/keys/{identity}/history")
    ]

    assert made.status == 201
    assert secret.startswith("gwk_")
    assert made.header("Location") == shown["ResourceUri"] == f"/v1/developers/keys/{identity}"
    assert answer.status == 200
    assert results(one) == [{
        "Id": identity, "ResourceUri": shown["ResourceUri"], "OwnerId": "mls", "AssociationId": None, "MlsId": "mls",
        "Template": "company-idx", "Role": None, "Owner": "Acme Portals", "Enabled": True,
        "Bindings": {"MemberKey": None, "OfficeKey": None}, "Permissions": [], "Privileges": [], "Addresses": None, "Subject": None, "LastUsed": None, "OldSecretUntil": None,
        "CreatedTimestamp": "2027-01-15T08:00:00+00:00", "ModificationTimestamp": "2027-01-15T08:00:00+00:00",
    }]  # fmt: skip
    assert not any(secret.encode() in body or b"igest" in body for body in everything)


@pytest.mark.channel("C257")
async def test_no_secret_and_no_digest_is_in_the_log(desk: Desk, tmp_path: Path) -> None:
    identity, secret = await desk.secret({"Role": "idx"})
    turned = results(await desk.call("POST", f"/keys/{identity}/rotate"))[0]["Secret"]
    await desk.gateway.get("Property", secret)
    await desk.call("GET", "/keys", key=secret)

    with (tmp_path / "log").open("w") as stream:
        for event in desk.gateway.events:
            DecisionLog("debug", stream)(event)

    text = (tmp_path / "log").read_text()
    assert secret not in text
    assert turned not in text
    for key in desk.gateway.service.snapshot.configuration.keys.values():
        assert key.Digest not in text
    assert '"event":"administration"' in text


async def test_a_key_is_dead_when_its_disabling_is_answered(desk: Desk) -> None:
    identity, secret = await desk.secret({"Role": "idx"})

    before = await desk.gateway.get("Property?$top=1", secret)
    disabled = await desk.call("POST", f"/keys/{identity}/disable")
    during = await desk.gateway.get("Property?$top=1", secret)
    enabled = await desk.call("POST", f"/keys/{identity}/enable")
    after = await desk.gateway.get("Property?$top=1", secret)
    removed = await desk.call("DELETE", f"/keys/{identity}")
    gone = await desk.gateway.get("Property?$top=1", secret)

    assert [answer.status for answer in (before, disabled, during, enabled, after, removed, gone)] == [200, 200, 401, 200, 200, 200, 401]  # fmt: skip
    assert [entry["Action"] for entry in results(await desk.call("GET", f"/keys/{identity}/history"))] == ["delete", "enable", "disable", "create"]  # fmt: skip


async def test_a_rotation_takes_the_old_secret_for_a_while(desk: Desk) -> None:
    identity, old = await desk.secret({"Role": "idx"})

    async def statuses(*secrets: str) -> list[int]:
        return [(await desk.gateway.get("Property?$top=1", secret)).status for secret in secrets]

    turned = results(await desk.call("POST", f"/keys/{identity}/rotate", {"Overlap": 60}))[0]
    both = await statuses(old, turned["Secret"])
    desk.gateway.now[0] += 60
    later = await statuses(old, turned["Secret"])
    at_once = results(await desk.call("POST", f"/keys/{identity}/rotate", {"Overlap": 0}))[0]
    last = await statuses(old, turned["Secret"], at_once["Secret"])

    assert turned["OldSecretUntil"] == "2027-01-15T08:01:00+00:00"
    assert both == [200, 200]
    assert later == [401, 200]
    assert last == [401, 401, 200]
    assert at_once["OldSecretUntil"] is None


@pytest.mark.parametrize(
    "body", [{"Overlap": -1}, {"Overlap": "1"}, {"Overlap": True}, {"Overlap": 10**9}, {"Other": 1}, {"Overlap": 1.5}]
)
async def test_an_overlap_is_a_number_of_seconds(desk: Desk, body: dict[str, Any]) -> None:
    identity, secret = await desk.secret({"Role": "idx"})

    assert code(await desk.call("POST", f"/keys/{identity}/rotate", body)) == (400, 1053)
    assert (await desk.gateway.get("Property?$top=1", secret)).status == 200


async def test_an_update_names_what_changes(desk: Desk) -> None:
    identity, secret = await desk.secret({"Role": "idx", "Owner": "before", "Bindings": {"MemberKey": "M001"}})

    await desk.call("PUT", f"/keys/{identity}", {"Template": "registered-consumers", "Owner": "after"})
    shown = results(await desk.call("GET", f"/keys/{identity}"))[0]
    whole = await desk.call("PUT", f"/keys/{identity}", shown)
    event = (await desk.gateway.get("Property?$top=1", secret), desk.gateway.handled[-1])[1]

    assert (shown["Template"], shown["Role"], shown["Owner"]) == ("registered-consumers", None, "after")
    assert shown["Bindings"] == {"MemberKey": "M001", "OfficeKey": None}
    assert whole.status == 200
    assert event.policy == "registered-consumers"


GRANTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Template"]),
    ({"Template": "company-idx", "Role": "idx"}, ["Template"]),
    ({"Template": "nothing"}, ["Template"]),
    ({"Template": 7}, ["Template"]),
    ({"Role": "nothing"}, ["Role"]),
    ({"Role": "idx", "Permissions": ["manage_keys"]}, ["Permissions"]),
    ({"Template": "company-idx", "Permissions": ["manage_keys"]}, ["Permissions"]),
    ({"Role": "private", "Permissions": ["everything"]}, ["Permissions.0"]),
    ({"Role": "idx", "Digest": "0" * 64}, ["Digest"]),
    ({"Role": "idx", "Id": "mine"}, ["Id"]),
    ({"Role": "idx", "Secret": "mine"}, ["Secret"]),
    ({"Role": "idx", "MlsId": "other"}, ["MlsId"]),
    ({"Role": "idx", "Bindings": {"Key": "1"}}, ["Bindings.Key"]),
    ({"Role": "idx", "Bindings": {"MemberKey": 1}}, ["Bindings.MemberKey"]),
    ({"Role": "idx", "Enabled": "perhaps"}, ["Enabled"]),
    ({"Role": "idx", "Owner": "x" * 256}, ["Owner"]),
    ({"Role": "idx", "AssociationId": 7}, ["AssociationId"]),
    ({"Role": "idx", "AssociationId": ""}, ["AssociationId"]),
]  # fmt: skip


async def test_what_cannot_be_granted_is_told_with_its_place(desk: Desk) -> None:
    before = await desk.call("GET", "/keys?_limit=100")
    for grant, places in GRANTS:
        answer = await desk.call("POST", "/keys", grant)

        assert (code(answer), sorted(details(answer))) == ((400, 1053), places), (grant, answer.body)

    assert (await desk.call("GET", "/keys?_limit=100")).body == before.body


async def test_nobody_gives_more_than_they_have(desk: Desk) -> None:
    """A key that manages keys only could else make itself one that manages templates."""
    staff = {"Role": "private", "Permissions": ["manage_templates"]}
    theirs, _ = await desk.secret(staff)
    plain, _ = await desk.secret({"Role": "private"})

    refused = [
        await desk.call("POST", "/keys", staff, key="only_keys"),
        await desk.call("POST", "/keys", {"Role": "private", "Permissions": ["manage_keys", "manage_templates"]}, key="only_keys"),
        await desk.call("PUT", f"/keys/{plain}", {"Permissions": ["manage_templates"]}, key="only_keys"),
        await desk.call("POST", f"/keys/{theirs}/rotate", key="only_keys"),
        await desk.call("PUT", f"/keys/{theirs}", {"Owner": "x"}, key="only_keys"),
        await desk.call("POST", f"/keys/{theirs}/disable", key="only_keys"),
        await desk.call("DELETE", f"/keys/{theirs}", key="only_keys"),
    ]  # fmt: skip
    allowed = await desk.call("POST", "/keys", {"Role": "private", "Permissions": ["manage_keys"]}, key="only_keys")

    assert {code(answer) for answer in refused} == {(403, 1500)}
    assert len({answer.body for answer in refused}) == 1
    assert allowed.status == 201


async def test_a_key_is_bound_to_networks(desk: Desk) -> None:
    identity, secret = await desk.secret({"Role": "idx", "Addresses": ["192.0.2.0/24"]})
    far = await desk.gateway.get("Property?$top=1", secret)
    wrong = await desk.call(
        "PUT", f"/keys/{identity}", {"Addresses": ["192.0.2.1/24", "home", False, 5, "::ffff:10.0.0.0/104"]}
    )
    changed = await desk.call("PUT", f"/keys/{identity}", {"Addresses": ["127.0.0.0/8"]})
    near = await desk.gateway.get("Property?$top=1", secret)

    assert (far.status, near.status) == (401, 200)
    assert (code(wrong), len(details(wrong))) == ((400, 1053), 5)
    assert changed.status == 200
    assert results(await desk.call("GET", f"/keys/{identity}"))[0]["Addresses"] == ["127.0.0.0/8"]


async def test_an_empty_list_of_networks_is_refused(desk: Desk) -> None:
    """It would read as nobody, and meant everybody once."""
    identity, _ = await desk.secret({"Role": "idx", "Addresses": ["127.0.0.0/8"]})
    made = await desk.call("POST", "/keys", {"Role": "idx", "Addresses": []})
    changed = await desk.call("PUT", f"/keys/{identity}", {"Addresses": []})
    unbound = await desk.call("POST", "/keys", {"Role": "idx", "Bindings": {"MemberKey": ""}})
    lifted = await desk.call("PUT", f"/keys/{identity}", {"Addresses": None})

    assert [(code(answer), set(details(answer))) for answer in (made, changed, unbound)] == [
        ((400, 1053), {"Addresses"}), ((400, 1053), {"Addresses"}), ((400, 1053), {"Bindings.MemberKey"}),
    ]  # fmt: skip
    assert lifted.status == 200
    assert results(await desk.call("GET", f"/keys/{identity}"))[0]["Addresses"] is None


async def test_a_stored_key_with_an_empty_list_of_networks_is_nobodys(directory: Path, database_url: str) -> None:
    """No release writes such a row; somebody's own statement may. It can be seen, told of, and mended."""
    async with managed(directory, database_url) as desk:
        identity, secret = await desk.secret({"Role": "idx"})
        async with Database(database_url) as database, database.writing() as connection:
            await connection.execute(
                update(KEYS)
                .where(KEYS.c.id == identity)
                .values(document='{"Role": "idx", "Addresses": []}', revision=KEYS.c.revision + 1)
            )
            await mark(connection)
        await desk.gateway.service.publication.refresh()
        denied = await desk.gateway.get("Property?$top=1", secret)
        shown = results(await desk.call("GET", f"/keys/{identity}"))[0]
        faults = [str(fault) for fault in desk.gateway.service.snapshot.configuration.faults]
        mended = await desk.call("PUT", f"/keys/{identity}", {"Addresses": ["127.0.0.0/8"]})
        allowed = await desk.gateway.get("Property?$top=1", secret)

    assert (denied.status, shown["Addresses"], mended.status, allowed.status) == (401, [], 200, 200)
    assert faults == [f"key {identity}: Addresses: is empty: the key cannot be used from anywhere"]


async def test_who_a_token_stands_for_is_said_once_and_by_the_mls(desk: Desk) -> None:
    identity, _ = await desk.secret({"Role": "idx", "Subject": "portal"})
    again = await desk.call("POST", "/keys", {"Role": "idx", "Subject": "portal"})
    foreign = await desk.call("POST", "/keys", {"Role": "idx", "Subject": "theirs"}, key="assoc_a")
    same = await desk.call("PUT", f"/keys/{identity}", {"Subject": "portal", "Owner": "Acme"})
    theirs, _ = await desk.secret({"Role": "idx"}, key="assoc_a")
    given = await desk.call("PUT", f"/keys/{theirs}", {"Subject": "a"})
    kept = await desk.call("PUT", f"/keys/{theirs}", {"Owner": "x"}, key="assoc_a")
    await desk.call("PUT", f"/keys/{theirs}", {"Subject": None})
    taken = await desk.call("PUT", f"/keys/{theirs}", {"Subject": "a"}, key="assoc_a")

    assert (code(again), code(foreign)) == ((409, 1055), (403, 1500))
    assert (same.status, given.status, kept.status) == (200, 200, 200)
    assert code(taken) == (403, 1500)


async def test_an_association_has_its_own_keys_and_templates(desk: Desk) -> None:
    own, theirs = await desk.made(key="assoc_a"), await desk.made(key="assoc_b")
    key, _ = await desk.secret({"Template": own}, key="assoc_a")
    other, _ = await desk.secret({"Role": "idx"}, key="assoc_b")
    given, secret = await desk.secret({"Role": "private", "AssociationId": "A", "Permissions": ["manage_templates"]})

    refused = [
        await desk.call("POST", "/keys", {"Template": identity}, key="assoc_a") for identity in (theirs, "company-idx")
    ]
    abroad = [
        await desk.call("POST", "/keys", {"Role": "idx", "AssociationId": name}, key="assoc_a") for name in ("B", None)
    ]
    hidden = [
        await desk.call(method, f"/keys/{identity}{part}", key="assoc_a")
        for identity in (other, "staff", "assoc-b")
        for method, part in (
            ("GET", ""),
            ("POST", "/disable"),
            ("POST", "/rotate"),
            ("DELETE", ""),
            ("GET", "/history"),
        )
    ]

    assert {code(answer) for answer in refused} == {code(answer) for answer in abroad} == {(400, 1053)}
    assert list(details(refused[0])) == ["Template"]
    assert {answer.status for answer in hidden} == {404}
    assert {item["Id"] for item in results(await desk.call("GET", "/keys", key="assoc_a"))} == {key, given, "assoc-a"}
    assert [item["Id"] for item in results(await desk.call("GET", "/templates", key=secret))] == [own]


async def test_keys_of_files_are_shown_and_not_changed(desk: Desk) -> None:
    shown = results(await desk.call("GET", "/keys/idx"))[0]
    refused = [
        await desk.call(method, f"/keys/idx{part}", body)
        for method, part, body in (("PUT", "", {"Owner": "x"}), ("POST", "/disable", None), ("POST", "/rotate", None), ("DELETE", "", None))
    ]  # fmt: skip

    assert (shown["Template"], shown["CreatedTimestamp"]) == ("company-idx", None)
    assert {code(answer) for answer in refused} == {(409, 1055)}
    assert results(await desk.call("GET", "/keys/idx/history")) == []


async def test_when_a_key_was_last_used_is_kept(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        identity, secret = await desk.secret({"Role": "idx"})
        await desk.gateway.get("Property?$top=1", secret)
        desk.gateway.now[0] += 90
        await desk.gateway.get("Nope", secret)
        generation = desk.gateway.service.snapshot.revision
    async with managed(directory, database_url) as desk:
        shown = results(await desk.call("GET", f"/keys/{identity}"))[0]

    assert shown["LastUsed"] == "2027-01-15T08:01:30+00:00"
    assert shown["ModificationTimestamp"] == "2027-01-15T08:00:00+00:00"
    assert generation


async def test_a_key_that_names_what_is_gone_can_be_disabled(directory: Path, database_url: str) -> None:
    async with managed(directory, database_url) as desk:
        identity, _ = await desk.secret({"Template": "registered-consumers"})
    files: dict[str, object] = {"templates/registered-consumers.json": None}
    async with managed(directory, database_url, files) as desk:
        enabled = await desk.call("POST", f"/keys/{identity}/enable")
        disabled = await desk.call("POST", f"/keys/{identity}/disable")
        faults = [str(fault) for fault in desk.gateway.service.snapshot.faults]

    assert code(enabled) == (400, 1053)
    assert disabled.status == 200
    assert faults == [f"key {identity}: Template: there is no template `registered-consumers`"]


async def test_a_key_of_a_file_can_be_rotated_in_the_file(directory: Path, database_url: str) -> None:
    two = key_file(new="Role: idx", old="Role: idx").splitlines()
    digests = [line.split()[-1] for line in two if "Digest" in line]
    keys = (
        key_file(**STAFF, vendor="Role: idx")
        + f"  - Id: turned\n    Role: idx\n    Digest: {digests[0]}\n    OldDigest: {digests[1]}\n    OldUntil: 2027-01-15T08:01:00Z\n"
    )
    async with managed(directory, database_url, {"keys.yaml": keys}) as desk:
        before = [(await desk.gateway.get("Property?$top=1", name)).status for name in ("new", "old")]
        desk.gateway.now[0] += 60
        after = [(await desk.gateway.get("Property?$top=1", name)).status for name in ("new", "old")]

    assert (before, after) == ([200, 200], [200, 401])


async def test_roles_and_syndications_are_read(desk: Desk) -> None:
    roles = results(await desk.call("GET", "/roles", key="only_keys"))
    syndications = results(await desk.call("GET", "/syndications?_limit=1"))

    assert [role["Id"] for role in roles] == ["desk", "idx", "portal", "private", "public", "vow"]
    assert roles[1]["ResourceUri"] == "/v1/developers/roles/idx"
    assert syndications == [{
        "Id": SEED["SyndicationId"], "ResourceUri": f"/v1/developers/syndications/{SEED['SyndicationId']}", "MlsId": "mls",
        "Name": "Portal A", "StandardName": None, "Mode": "opt_in", "Field": "SyndicateTo", "Value": "Zillow/Trulia",
    }]  # fmt: skip


async def test_permissions_are_for_staff(directory: Path) -> None:
    from gateway.errors import ConfigurationError
    from tests.support import configuration, write_configuration

    write_configuration(
        directory, {"keys.yaml": key_file(a=f"Role: idx\n    {BOTH}", b=f"Template: company-idx\n    {BOTH}")}
    )
    with pytest.raises(ConfigurationError) as told:
        configuration(directory, "http://127.0.0.1:9/x")

    assert json.dumps([str(fault) for fault in told.value.faults]).count("are for keys of the bare role `private`") == 2


# --- privileges

MAY = {"Privileges": ["DelegatedAccess"]}
DELEGATED = "Office('O002')?$select=OfficeKey&$expand=DelegatedAccess"


@pytest.mark.channel("C9")
@pytest.mark.parametrize("grant", [{"Role": "idx"}, {"Template": "company-idx"}, {"Role": "private"}])
async def test_a_privilege_is_given_and_taken_like_any_other_attribute(desk: Desk, grant: dict[str, Any]) -> None:
    """With history and revisions; what the key sees has changed when the change is answered."""
    identity, secret = await desk.secret(grant)

    async def seen() -> int:
        return (await desk.gateway.get(DELEGATED, secret)).status

    statuses = [await seen()]
    stale = []
    for number, privileges in enumerate((["DelegatedAccess"], [], ["DelegatedAccess"])):
        tag = {"If-Match": f'"{number + 1}"'}
        answer = await desk.call("PUT", f"/keys/{identity}", {"Privileges": privileges}, headers=tag)
        assert answer.status == 200, answer.body
        stale.append(code(await desk.call("PUT", f"/keys/{identity}", {"Privileges": []}, headers=tag)))
        statuses.append(await seen())
    shown = results(await desk.call("GET", f"/keys/{identity}?_select=Privileges"))
    history = results(await desk.call("GET", f"/keys/{identity}/history"))

    assert statuses == [400, 200, 400, 200]
    assert set(stale) == {(412, 1055)}
    assert shown == [MAY]
    assert [entry["ChangedValues"].get("Privileges") for entry in history] == [
        {"Before": None, "After": ["DelegatedAccess"]},
        {"Before": ["DelegatedAccess"], "After": None},
        {"Before": None, "After": ["DelegatedAccess"]},
        None,
    ]


@pytest.mark.channel("C9")
async def test_a_new_key_with_a_privilege_sees_what_it_may_at_once(desk: Desk) -> None:
    identity = await desk.made()
    _, secret = await desk.secret({"Template": identity, **MAY})
    _, plain = await desk.secret({"Template": identity, "Privileges": []})

    assert [(await desk.gateway.get(DELEGATED, key)).status for key in (secret, plain)] == [200, 400]


@pytest.mark.channel("C9", "C367")
async def test_a_link_ends_with_the_privilege_under_which_it_was_made(desk: Desk) -> None:
    identity, secret = await desk.secret({"Role": "idx", **MAY})
    before = await desk.gateway.request(
        "GET", "/Reso/OData/Office?$select=OfficeKey", secret, {"Prefer": "odata.maxpagesize=2"}
    )

    await desk.call("PUT", f"/keys/{identity}", {"Privileges": []})

    assert before.status == 200
    assert (await desk.gateway.follow(before, secret)).status == 410


@pytest.mark.parametrize(
    ("privileges", "place"),
    [
        (["Everything"], "Privileges.0"), (["DelegatedAccess", "manage_keys"], "Privileges.1"), (["delegatedaccess"], "Privileges.0"),
        ("DelegatedAccess", "Privileges"), (None, "Privileges"), (True, "Privileges"), ({"DelegatedAccess": True}, "Privileges"),
        ([None], "Privileges.0"), (["DelegatedAccess"] * 11, "Privileges"),
    ],
)  # fmt: skip
async def test_a_privilege_is_one_that_there_is(desk: Desk, privileges: Any, place: str) -> None:
    identity, secret = await desk.secret({"Role": "idx"})

    made = await desk.call("POST", "/keys", {"Role": "idx", "Privileges": privileges})
    changed = await desk.call("PUT", f"/keys/{identity}", {"Privileges": privileges})

    assert (code(made), list(details(made))) == ((400, 1053), [place])
    assert changed.body == made.body
    assert (await desk.gateway.get(DELEGATED, secret)).status == 400


async def test_only_those_who_manage_keys_give_privileges(desk: Desk) -> None:
    """Not even to itself does a key without that permission, whatever else it has."""
    identity, secret = await desk.secret({"Role": "private", **MAY})
    body = {"Role": "idx", **MAY}

    refused = [
        await desk.call(method, path, body, key=key)
        for method, path in (("POST", "/keys"), ("PUT", f"/keys/{identity}"))
        for key in ("only_templates", "reader", "idx", secret)
    ]
    allowed = [
        await desk.call("POST", "/keys", body, key="only_keys"),
        await desk.call("PUT", f"/keys/{identity}", MAY, key="only_keys"),
        await desk.call("POST", "/keys", body, key="assoc_a"),
    ]

    assert {code(answer) for answer in refused} == {(403, 1500)}
    assert [answer.status for answer in allowed] == [201, 200, 201]


@pytest.mark.channel("C262")
@pytest.mark.parametrize("grant", [{"Role": "private"}, {"Role": "idx"}, {"Template": "company-idx"}])
async def test_a_privilege_opens_no_path_of_the_administration(desk: Desk, grant: dict[str, Any]) -> None:
    """Every operation of the table, on a record that is there and on one that never was."""
    template, (key, _) = await desk.made(), await desk.secret({"Role": "idx"})
    _, secret = await desk.secret({**grant, **MAY})
    records = {"templates": template, "keys": key}

    async def nothing() -> bool:
        return True

    table = routes(Backend(lambda: desk.gateway.service.snapshot, None, nothing, nothing, lambda: 0.0))
    asked = [
        (method, route.path.replace("{Id}", record), operation)
        for route in table
        for method, operation in route.operations.items()
        for record in (records.get(route.path.split("/")[1], ""), "never")
    ]

    answers = [
        await desk.call(method, path, {} if operation.body is not None else None, key=secret)
        for method, path, operation in asked
    ]
    unchanged = [(await desk.call("GET", f"/{kind}/{identity}")).status for kind, identity in records.items()]

    assert len(asked) >= 36
    assert {code(answer) for answer in answers} == {(403, 1500)}
    assert len({answer.body for answer in answers}) == 1
    assert unchanged == [200, 200]
