"""API keys over the admin API. A secret is in the answer that makes it, and in no other; nothing here can give a key
more than its own caller has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.admin.backend import Backend, told
from gateway.admin.calls import PAGING, Call, revision_tag
from gateway.admin.envelope import Success, bad_body, bad_value, conflict, forbidden
from gateway.admin.history import told_history
from gateway.errors import ConfigurationError, Fault
from gateway.policy.documents import Source, validate
from gateway.store.api_keys import KeyGrant, digest, new_secret
from gateway.store.records import Action, Owner, Records, Stored

PATH = "/v1/developers/keys"
SERVER_MADE = (
    "Id", "ResourceUri", "OwnerId", "AssociationId", "MlsId", "CreatedTimestamp", "ModificationTimestamp", "LastUsed",
    "OldSecretUntil",
)  # fmt: skip
WRITABLE = tuple(KeyGrant.model_fields)
ATTRIBUTES = (*SERVER_MADE, *WRITABLE)
#: For how long the secret before a rotation is taken when nothing else is said, and at most; seconds.
OVERLAP, MOST_OVERLAP = 24 * 3600, 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Found:
    """A key of the database, or of a file: then it has no record."""

    id: str
    owner: Owner
    grant: KeyGrant
    record: Stored | None

    def shown(self) -> dict[str, Any]:
        record, beside = self.record, self.record.beside if self.record else {}
        return {
            "Id": self.id,
            "ResourceUri": f"{PATH}/{self.id}",
            "OwnerId": self.owner.id,
            "AssociationId": self.owner.association,
            "MlsId": self.owner.mls,
            **self.grant.model_dump(mode="json", include=set(WRITABLE)),
            "LastUsed": beside.get("last_used"),
            "OldSecretUntil": beside.get("old_until"),
            "CreatedTimestamp": record.created if record else None,
            "ModificationTimestamp": record.modified if record else None,
        }


class Keys:
    """The operations. Each takes a call that is authenticated, and gives an answer or raises a SparkError."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def _records(self) -> Records:
        return self._backend.records("key")

    # --- reading

    async def all(self, call: Call) -> Success:
        call.check_parameters(("_select", *PAGING))
        found = self._of_files(call.caller.owner)
        stored = await self._records.ids(call.caller.owner) if self._backend.database is not None else []
        ids, page = call.paged(sorted({*found, *stored}))
        read = [identity for identity in ids if identity not in found]
        if read:
            found |= {item.id: _of_stored(item) for item in await self._records.many(read)}
        return Success([_selected(found[identity], call) for identity in ids if identity in found], page=page)

    async def get(self, call: Call) -> Success:
        call.check_parameters(("_select",))
        found = await self._found(call)
        return Success([_selected(found, call)], headers=_headers(found.record))

    async def history(self, call: Call) -> Success:
        if call.record in self._of_files(call.caller.owner):
            return told_history(call, "Key", ())
        return told_history(call, "Key", await self._backend.entries("key", call))

    # --- writing

    async def create(self, call: Call) -> Success:
        call.check_parameters(())
        content = dict(call.content)
        owner = _given(call.caller.owner, content.pop("AssociationId", call.caller.owner.association))
        grant = await self._granted(call, content)
        secret = new_secret()
        with told(call):
            kept = await self._records.create(
                owner, _document(grant), call.caller.name, {"digest": self._digest(secret)}
            )
        # A new key that is not in force yet harms nobody, and its secret is told here or never.
        await (self._backend.renew() if grant.Privileges else self._backend.renew_keys())
        uri = f"{PATH}/{kept.id}"
        shown = {"Id": kept.id, "ResourceUri": uri, "Secret": secret}
        return Success([shown], status=201, headers={**_headers(kept), "Location": uri})

    async def update(self, call: Call) -> Success:
        call.check_parameters(())
        found = await self._found(call)
        call.check_repeated(found.shown(), SERVER_MADE)
        written = {name: value for name, value in call.content.items() if name not in SERVER_MADE}
        return await self._replace(call, found, written, "update")

    async def enable(self, call: Call) -> Success:
        return await self._switch(call, "enable")

    async def disable(self, call: Call) -> Success:
        return await self._switch(call, "disable")

    async def _switch(self, call: Call, action: Action) -> Success:
        call.check_parameters(())
        found = await self._found(call)
        if action == "enable":
            return await self._replace(call, found, {"Enabled": True}, action)
        # Whatever else is wrong with a key, it can be disabled.
        record = self._writable(call, found)
        return await self._keep(call, record, {**record.document, "Enabled": False}, action)

    async def rotate(self, call: Call) -> Success:
        """A new secret; the one before is taken for a while yet."""
        call.check_parameters(())
        body = call.body or {}
        overlap = body.get("Overlap", OVERLAP)
        if set(body) - {"Overlap"} or type(overlap) is not int or not 0 <= overlap <= MOST_OVERLAP:
            raise bad_value(("Overlap",), f"is the one thing to say here: seconds, at most {MOST_OVERLAP}")
        found = await self._found(call)
        record = self._writable(call, found)
        secret = new_secret()
        until = (self._backend.now() + timedelta(seconds=overlap)).isoformat(timespec="seconds")
        beside = {"digest": self._digest(secret), "old_digest": None, "old_until": None}
        if overlap:
            beside |= {"old_digest": record.beside["digest"], "old_until": until}
        with told(call):
            kept = await self._records.replace(
                found.id, record.document, call.caller.name, record.revision, "rotate", beside
            )
        await self._backend.enforce("key")
        shown = {
            "Id": found.id,
            "ResourceUri": f"{PATH}/{found.id}",
            "Secret": secret,
            "OldSecretUntil": beside["old_until"],
        }
        return Success([shown], headers=_headers(kept))

    async def remove(self, call: Call) -> Success:
        call.check_parameters(())
        found = await self._found(call)
        record = self._writable(call, found)
        with told(call):
            await self._records.remove(found.id, call.caller.name, record.revision)
        await self._backend.enforce("key")
        return Success()

    async def _replace(self, call: Call, found: _Found, written: Mapping[str, Any], action: Action) -> Success:
        record = self._writable(call, found)
        # Whoever gives a key another template need not say that it has no role any more, and the other way round.
        other = {"Template": "Role", "Role": "Template"}
        implied = {other[name]: None for name in other if written.get(name) is not None and other[name] not in written}
        grant = await self._granted(call, {**record.document, **implied, **written}, record)
        return await self._keep(call, record, _document(grant), action)

    async def _keep(self, call: Call, record: Stored, document: Mapping[str, Any], action: Action) -> Success:
        with told(call):
            kept = await self._records.replace(record.id, document, call.caller.name, record.revision, action)
        await self._backend.enforce("key")
        if document.get("Privileges"):
            await self._backend.enforce("template")  # nobody may have had a policy with these privileges before
        return Success(headers=_headers(kept))

    # --- what operations have in common

    def _digest(self, secret: str) -> str:
        return digest(secret, self._backend.configuration.secrets.key_pepper or "")

    async def _granted(self, call: Call, data: Mapping[str, Any], before: Stored | None = None) -> KeyGrant:
        """What a key is to be, if the caller may give that and it names what is there; ``before`` is what it was."""
        source = Source("key")
        try:
            grant = await asyncio.to_thread(validate, KeyGrant, data, source)
        except ConfigurationError as error:
            raise bad_body(error.faults) from None
        faults = [Fault("", 0, path or ("Template",), message) for path, message in grant.faults()]
        configuration = self._backend.configuration
        if grant.Role is not None and grant.Role not in configuration.roles:
            faults.append(Fault("", 0, ("Role",), f"`{grant.Role}` is no role"))
        if grant.Template is not None and not await self._may_use(call, grant.Template):
            faults.append(Fault("", 0, ("Template",), f"there is no template `{grant.Template}`"))
        if faults:
            raise bad_body(faults)
        self._check_subject(call, grant, before)
        if not set(grant.Permissions) <= call.caller.permissions:
            raise forbidden()
        return grant

    def _check_subject(self, call: Call, grant: KeyGrant, before: Stored | None) -> None:
        """Who names the holder of a token decides whose key it is: that is for the staff of the MLS, and once."""
        if grant.Subject is None or (before is not None and before.document.get("Subject") == grant.Subject):
            return
        holders = {key.Id for key in self._backend.configuration.keys.values() if key.Subject == grant.Subject}
        if call.caller.owner.association is not None:
            raise forbidden()
        if holders - {call.record}:
            raise conflict("another key has this Subject")

    async def _may_use(self, call: Call, identity: str) -> bool:
        template = self._backend.configuration.file_templates.get(identity)
        if template is not None:
            document = template.document
            return call.caller.owner.may_see(self._backend.owner(document.MlsId, document.AssociationId))
        found = await self._backend.records("template").many([identity])
        return bool(found) and call.caller.owner.may_see(found[0].owner)

    def _of_files(self, caller: Owner) -> dict[str, _Found]:
        """Keys of files that the caller may see."""
        found = {}
        for key in self._backend.configuration.file_keys.values():
            owner = self._backend.owner(key.MlsId, key.AssociationId)
            if caller.may_see(owner):
                found[key.Id] = _Found(key.Id, owner, key, None)
        return found

    async def _found(self, call: Call) -> _Found:
        file = self._of_files(call.caller.owner).get(call.record)
        return file or _of_stored(await self._backend.stored("key", call))

    def _writable(self, call: Call, found: _Found) -> Stored:
        """The record that is about to be changed. A key that may more than its caller is none of the caller's: a new
        secret of it would be a way to its permissions."""
        if not set(found.grant.Permissions) <= call.caller.permissions:
            raise forbidden()
        if found.record is None:
            raise conflict("this key is kept in a file of the configuration, and is changed there")
        required = self._backend.configuration.settings.admin.require_if_match
        call.check_revision(found.record.revision, required=required)
        return found.record


def _given(caller: Owner, association: object) -> Owner:
    """Whose a new key is: an association's staff give to their own, the staff of an MLS to any of its associations."""
    if association is not None and not (isinstance(association, str) and 0 < len(association) <= 100):
        raise bad_value(("AssociationId",), "must be a text, or null")
    owner = Owner(caller.mls, association)
    if not caller.may_see(owner):
        raise bad_value(("AssociationId",), "is not the caller's")
    return owner


def _document(grant: KeyGrant) -> dict[str, Any]:
    return grant.model_dump(mode="json", exclude_defaults=True, include=set(WRITABLE))


def _of_stored(record: Stored) -> _Found:
    return _Found(record.id, record.owner, KeyGrant.model_validate(record.document), record)


def _headers(record: Stored | None) -> dict[str, str]:
    return {} if record is None else {"ETag": revision_tag(record.revision)}


def _selected(found: _Found, call: Call) -> dict[str, Any]:
    named = call.names("_select", ATTRIBUTES)
    return {name: value for name, value in found.shown().items() if not named or name in named}
