"""Templates over Spark's API: the four paths of its page, and history, rollback and dry run beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.admin.backend import Backend, told
from gateway.admin.calls import PAGING, Call, revision_tag
from gateway.admin.envelope import Detail, SparkCode, SparkError, Success, bad_body, bad_value, conflict, not_found
from gateway.admin.history import told_history
from gateway.errors import ConfigurationError, Fault
from gateway.policy.documents import Template, TemplateDocument, validate
from gateway.policy.effect import Change, Effect, effect
from gateway.policy.model import Policy
from gateway.store.records import Action, Entry, Owner, Records, Stored, UsedError
from gateway.store.snapshot import template_policy
from gateway.store.stored import template_source

PATH = "/v1/developers/templates"
EXPANSIONS = ("RestrictiveFilters", "FieldOverrides")
#: What the server makes: a body may repeat it and cannot change it.
SERVER_MADE = ("Id", "ResourceUri", "OwnerId", "AssociationId", "MlsId", "CreatedTimestamp", "ModificationTimestamp")
WRITABLE = tuple(name for name in TemplateDocument.model_fields if name not in SERVER_MADE)
ATTRIBUTES = (*SERVER_MADE, *WRITABLE)
READING = ("_expand", "_select")
WRITING = ("dry_run",)
#: Characters of all filters and conditions of one template.
MOST_CONDITIONS = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Found:
    """A template of the database, or of a file: then it has no revision."""

    id: str
    owner: Owner
    document: Mapping[str, Any]
    created: str
    modified: str
    revision: int | None

    def shown(self) -> dict[str, Any]:
        """All attributes, in the order of Spark's page."""
        document = self.document
        made = {
            "Id": self.id,
            "ResourceUri": self.uri,
            "OwnerId": self.owner.id,
            "AssociationId": self.owner.association,
            "MlsId": self.owner.mls,
        }
        written = {
            name: document.get(name) for name in ("Name", "Description", "SyndicationId", "ListingPhotoLimit", "Role")
        }
        ours = {name: document[name] for name in ("ConditionalFields", "Writes") if name in document}
        times = {"CreatedTimestamp": self.created, "ModificationTimestamp": self.modified}
        return {**made, **written, **ours, **times, **{name: document.get(name) for name in EXPANSIONS}}

    @property
    def uri(self) -> str:
        return f"{PATH}/{self.id}"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.revision is None else {"ETag": revision_tag(self.revision)}


class Templates:
    """The operations. Each takes a call that is authenticated, and gives an answer or raises a SparkError."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # --- reading

    async def all(self, call: Call) -> Success:
        call.check_parameters((*READING, *PAGING))
        files = self._of_files(call.caller.owner)
        stored: dict[str, str] = {}
        if self._backend.database is not None:
            stored = dict.fromkeys(await self._backend.records("template").ids(call.caller.owner), "")
        ids, page = call.paged(sorted({**files, **stored}))
        read = [identity for identity in ids if identity not in files]
        many = {item.id: item for item in await self._backend.records("template").many(read)} if read else {}
        found = [
            files.get(identity) or _of_stored(many[identity])
            for identity in ids
            if identity in files or identity in many
        ]
        return Success([_selected(item, call) for item in found], page=page)

    async def get(self, call: Call) -> Success:
        call.check_parameters(READING)
        found = await self._found(call)
        return Success([_selected(found, call)], headers=found.headers)

    async def history(self, call: Call) -> Success:
        return told_history(call, "Template", await self._entries(call))

    # --- writing

    async def create(self, call: Call) -> Success:
        call.check_parameters(WRITING)
        _check_names(call.content)
        for name in SERVER_MADE:
            if name in call.content:
                raise bad_value((name,), "is made by the gateway")
        template, policy = await self._compiled("new", call.content)
        if call.is_dry_run:
            return await self._effect(None, policy, template, call)
        with told(call):
            kept = await self._records.create(call.caller.owner, dict(call.content), call.caller.name)
        await self._backend.enforce("template")
        found = _of_stored(kept)
        return Success([{"ResourceUri": found.uri}], status=201, headers={**found.headers, "Location": found.uri})

    async def update(self, call: Call) -> Success:
        call.check_parameters(WRITING)
        found = await self._found(call)
        _check_names(call.content)
        call.check_repeated(found.shown(), SERVER_MADE)
        written = {name: value for name, value in call.content.items() if name in WRITABLE}
        return await self._replace(call, found, {**found.document, **written})

    async def write_overrides(self, call: Call) -> Success:
        return await self._write_part(call, "FieldOverrides")

    async def write_filters(self, call: Call) -> Success:
        return await self._write_part(call, "RestrictiveFilters")

    async def _write_part(self, call: Call, name: str) -> Success:
        call.check_parameters(WRITING)
        found = await self._found(call)
        return await self._replace(call, found, {**found.document, name: dict(call.content)}, within=name)

    async def remove(self, call: Call) -> Success:
        call.check_parameters(WRITING)
        found = await self._found(call)
        revision = self._writable(call, found)
        self._check_unused(call, found.id)
        if call.is_dry_run:
            template = Template(found.id, _document(found.id, found.document), template_source(found.id))
            return await self._effect(self._served(found.id), None, template, call)
        try:
            with told(call):
                await self._records.remove(found.id, call.caller.name, revision)
        except UsedError as error:
            raise self._used(call, error.keys) from None
        await self._backend.enforce("template")
        return Success()

    async def rollback(self, call: Call) -> Success:
        """Makes a template what it was at a revision; also one that is gone."""
        call.check_parameters(WRITING)
        number = call.content.get("Revision")
        if set(call.content) != {"Revision"} or type(number) is not int:
            raise bad_value(("Revision",), "is the one thing to say here, and a number")
        entries = await self._entries(call)
        document = next((entry.after for entry in entries if entry.revision == number and entry.after), None)
        if document is None:
            raise bad_value(("Revision",), f"`{number}` is no revision of this template")
        gone = entries[-1]
        if gone.action != "delete":
            return await self._replace(call, await self._found(call), document, action="rollback")
        template, policy = await self._compiled(call.record, document)
        if call.is_dry_run:
            return await self._effect(None, policy, template, call)
        with told(call):
            kept = await self._records.restore(call.record, gone, document, call.caller.name)
        await self._backend.enforce("template")
        return Success(headers=_of_stored(kept).headers)

    async def _replace(
        self, call: Call, found: _Found, document: Mapping[str, Any], *, action: Action = "update", within: str = ""
    ) -> Success:
        revision = self._writable(call, found)
        template, policy = await self._compiled(found.id, document, within)
        if call.is_dry_run:
            return await self._effect(self._served(found.id), policy, template, call)
        if document == found.document:
            return Success(headers=found.headers)
        with told(call):
            kept = await self._records.replace(found.id, document, call.caller.name, revision, action)
        await self._backend.enforce("template")
        return Success(headers=_of_stored(kept).headers)

    # --- what operations have in common

    @property
    def _records(self) -> Records:
        return self._backend.records("template")

    async def _compiled(self, identity: str, document: Mapping[str, Any], within: str = "") -> tuple[Template, Policy]:
        """The template of a body, proven: whatever is wrong with it is told at once."""
        try:
            checked = await asyncio.to_thread(_document, identity, document)
            _check_length(checked)
            template = Template(identity, checked, template_source(identity))
            return template, await self._backend.compiled(template)
        except ConfigurationError as error:
            raise bad_body(error.faults, within) from None

    def _of_files(self, caller: Owner) -> dict[str, _Found]:
        """Templates of files that the caller may see."""
        configuration = self._backend.configuration
        found = {}
        for template in configuration.file_templates.values():
            file = configuration.documents[template.source.file]
            document, said = file.data["D"], template.document
            owner = self._backend.owner(said.MlsId, said.AssociationId)
            if caller.may_see(owner):
                found[template.id] = _Found(
                    template.id, owner, {name: document[name] for name in WRITABLE if name in document},
                    said.CreatedTimestamp or file.modified, said.ModificationTimestamp or file.modified, None,
                )  # fmt: skip
        return found

    async def _found(self, call: Call) -> _Found:
        """The template of the path; 404 for what is not there and for what is somebody else's."""
        file = self._of_files(call.caller.owner).get(call.record)
        return file or _of_stored(await self._backend.stored("template", call))

    async def _entries(self, call: Call) -> tuple[Entry, ...]:
        """The history of a template that the caller may see, or could see when it was there."""
        if call.record in self._of_files(call.caller.owner):
            return ()
        if call.record in self._backend.configuration.file_templates:
            raise not_found()  # of a file that is somebody else's, whatever it was once
        return await self._backend.entries("template", call)

    def _writable(self, call: Call, found: _Found) -> int:
        """The revision that is about to be changed."""
        if found.revision is None:
            raise conflict("this template is kept in a file of the configuration, and is changed there")
        call.check_revision(found.revision, required=self._backend.configuration.settings.admin.require_if_match)
        return found.revision

    def _check_unused(self, call: Call, identity: str) -> None:
        """Keys of files are no rows that the database could look at."""
        users = sorted({key.Id for key in self._backend.configuration.keys.values() if key.Template == identity})
        if users:
            raise self._used(call, users)

    def _used(self, call: Call, users: Iterable[str]) -> SparkError:
        """Those keys are named that the caller may see."""
        seen = self._seen_keys(call, users)
        details = [Detail(("Id",), f"the key `{name}` uses this template", "Used") for name in seen]
        return conflict("the template is used by API keys", details)

    def _seen_keys(self, call: Call, names: Iterable[str]) -> list[str]:
        configuration = self._backend.configuration
        seen = []
        for name in names:
            key = configuration.key_named(name)
            if key is not None and call.caller.owner.may_see(self._backend.owner(key.MlsId, key.AssociationId)):
                seen.append(name)
        return seen

    def _served(self, identity: str) -> Policy | None:
        name = template_policy(identity, self._backend.privileges(identity))
        return self._backend.snapshot().policies.get(name)

    async def _effect(self, before: Policy | None, after: Policy | None, template: Template, call: Call) -> Success:
        found = await asyncio.to_thread(effect, before, after, self._backend.inputs(template))
        users = sorted({key.Id for key in self._backend.configuration.keys.values() if key.Template == template.id})
        told = {"DryRun": True, **_shown_effect(found), "Notes": list(after.notes) if after else []}
        return Success([{**told, "Keys": self._seen_keys(call, users), "KeyCount": len(users)}])


def _of_stored(stored: Stored) -> _Found:
    return _Found(stored.id, stored.owner, stored.document, stored.created, stored.modified, stored.revision)


def _document(identity: str, document: Mapping[str, Any]) -> TemplateDocument:
    return validate(TemplateDocument, document, template_source(identity))


def _check_length(document: TemplateDocument) -> None:
    """Each condition is compiled for each field that it stands at: what is proven takes time, and everybody waits."""
    filters, overrides = document.RestrictiveFilters, document.FieldOverrides
    length = sum(len(entry.Filter or "") for entry in (filters.resources if filters else {}).values() if entry)
    for groups in (overrides.resources if overrides else {}).values():
        length += sum(len(rule.When or "") for rules in (groups or {}).values() for rule in rules.values())
    if length > MOST_CONDITIONS:
        message = f"all filters and conditions together have {length} characters; {MOST_CONDITIONS} are possible"
        raise SparkError(SparkCode.LONG_FILTER, message, [Detail((), message, "Length")])


def _check_names(body: Mapping[str, Any]) -> None:
    unknown = [Fault("", 0, (name,), "is not an attribute of templates") for name in body if name not in ATTRIBUTES]
    if unknown:
        raise bad_body(unknown)


def _selected(found: _Found, call: Call) -> dict[str, Any]:
    """All attributes, or those that ``_select`` and ``_expand`` name."""
    named = call.names("_select", ATTRIBUTES)
    expanded = call.names("_expand", EXPANSIONS)
    shown = found.shown()
    return {name: value for name, value in shown.items() if name in named | expanded} if named else shown


def _shown_effect(found: Effect) -> dict[str, Any]:
    resources = {
        name: {
            "RowRule": _shown_change(changed.rule),
            **({"Methods": _shown_change(changed.methods)} if changed.methods is not None else {}),
            "Fields": {
                group: {member: _shown_change(change) for member, change in members.items()}
                for group, members in changed.fields.items()
            },
        }
        for name, changed in found.resources.items()
    }
    return {"Resources": resources, "ListingPhotoLimit": _shown_change(found.photo_limit)}


def _shown_change(change: Change | None) -> dict[str, str | None] | None:
    return None if change is None else {"Before": change.before, "After": change.after}
