"""What the operations of the admin API work on: the database, what is served, and how a document is proven."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from gateway.admin.calls import Call, stale
from gateway.admin.envelope import SparkError, conflict, not_found, unavailable
from gateway.errors import ConfigurationError, Fault
from gateway.observe.events import Event, TrustLost
from gateway.policy.compilation import compile_policy
from gateway.policy.documents import PrivilegeName, Template
from gateway.policy.inputs import Inputs, Report
from gateway.policy.model import Policy
from gateway.store.configuration import Configuration
from gateway.store.database import ClashError, Database, StoreError
from gateway.store.records import ConflictError, Entry, Kind, MissingError, Owner, Records, Stored
from gateway.store.snapshot import Snapshot


class Trust(Protocol):
    """What the upstream has lost of its trust, and the way to give it back."""

    @property
    def losses(self) -> tuple[TrustLost, ...]: ...

    def restore(self, kind: str | None = None, resource: str | None = None, by: str = "") -> tuple[TrustLost, ...]: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """``renew`` serves what the database has now, ``renew_keys`` its keys alone and at once; a save is answered after
    it. ``clock`` gives seconds since 1970."""

    snapshot: Callable[[], Snapshot]
    database: Database | None
    renew: Callable[[], Awaitable[bool]]
    renew_keys: Callable[[], Awaitable[bool]]
    clock: Callable[[], float]
    publish: Callable[[Event], None] = lambda _: None
    #: None where no service runs: the command line works on the database alone.
    trust: Trust | None = None
    #: One compilation at a time: whoever sends many templates waits for their own.
    compiling: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def configuration(self) -> Configuration:
        return self.snapshot().configuration

    @property
    def mls(self) -> str:
        """The MLS of what does not name one."""
        return self.configuration.settings.admin.mls_id

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def records(self, kind: Kind) -> Records:
        """Raises 503 where there is no database: templates and keys are then what files say."""
        if self.database is None:
            raise unavailable("no database is configured: templates and keys are kept in files, and changed there")
        return Records(kind, self.database, self.clock, self.configuration.file_templates.keys(), self.publish)

    async def stored(self, kind: Kind, call: Call) -> Stored:
        """The record of the path. One 404 for what is not there and for what is somebody else's."""
        if self.database is None:
            raise not_found()
        with told(call):
            found = await self.records(kind).get(call.record)
        if not call.caller.owner.may_see(found.owner):
            raise not_found()
        return found

    async def entries(self, kind: Kind, call: Call) -> tuple[Entry, ...]:
        """The history of the record of the path, for those who may see it, or could when it was there."""
        found = await self.records(kind).history(call.record)
        if not found or not call.caller.owner.may_see(found[-1].owner):
            raise not_found()
        return found

    async def enforce(self, kind: Kind) -> None:
        """Serves what was saved. Raises 503 where that could not be done yet: it is saved all the same."""
        if not await (self.renew_keys() if kind == "key" else self.renew()):
            raise unavailable("the change is saved, and not in force yet: it will be when the database can be used")

    def owner(self, mls: str | None, association: str | None) -> Owner:
        """Of what is in a file."""
        return Owner(mls or self.mls, association)

    def privileges(self, template: str) -> frozenset[PrivilegeName]:
        """The most privileges that a key of a template has: with them the template shows all that it shows to any."""
        found = (frozenset(key.Privileges) for key in self.configuration.keys.values() if key.Template == template)
        return max(found, key=len, default=frozenset())

    async def compiled(self, template: Template) -> Policy:
        """What a template comes to with all that is served now, and the privileges of its keys.

        Raises:
            ConfigurationError: every fault of it.
            SparkError: 1024 before the upstream's metadata is there.
        """
        snapshot, configuration = self.snapshot(), self.configuration
        if snapshot.schema is None:
            raise unavailable("the upstream's metadata is not loaded yet, so no template can be checked")
        document = template.document
        faults = []
        if document.Role not in configuration.roles:
            known = ", ".join(f"`{name}`" for name in sorted(configuration.roles))
            faults.append(Fault("", 0, ("Role",), f"`{document.Role}` is no role; known are {known}"))
        if document.SyndicationId is not None and document.SyndicationId not in configuration.syndications:
            faults.append(Fault("", 0, ("SyndicationId",), f"there is no syndication `{document.SyndicationId}`"))
        if faults:
            raise ConfigurationError(faults)
        async with self.compiling:
            return await asyncio.to_thread(
                compile_policy,
                template,
                configuration.roles[document.Role],
                configuration.syndications[document.SyndicationId] if document.SyndicationId is not None else None,
                snapshot.schema,
                configuration.settings.upstream.profile,
                configuration.rules,
                privileges=self.privileges(template.id),
            )

    def inputs(self, template: Template) -> Inputs:
        """What the template is compiled with, for questions about classes. Any role will do for those."""
        snapshot, configuration = self.snapshot(), self.configuration
        role = configuration.roles.get(template.document.Role) or next(iter(configuration.roles.values()), None)
        if snapshot.schema is None or role is None:
            raise unavailable("the upstream's metadata is not loaded yet, so no effect can be told")
        profile = configuration.settings.upstream.profile
        return Inputs(template, role, None, snapshot.schema, profile, configuration.rules, None, Report())


@contextmanager
def told(call: Call) -> Iterator[None]:
    """What the store raises, as the caller is told it. Nothing is done for a caller who has lost the right to it."""
    call.confirm()
    try:
        yield
    except MissingError:
        raise not_found() from None
    except ConflictError:
        if call.if_match is not None:
            raise stale() from None
        raise conflict("somebody else has changed the record at the same time; read it and try again") from None
    except ClashError:
        raise conflict("the change contradicts one that was made at the same time; try again") from None


def out_of_order(_error: StoreError) -> SparkError:
    """503 without a word of the database's."""
    return unavailable("what is saved cannot be read or changed at present; what was in force stays in force")
