"""What the operations of the admin API work on: the database, what is served, and how a document is proven."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.admin.calls import Call, stale
from gateway.admin.envelope import SparkError, conflict, not_found, unavailable
from gateway.errors import ConfigurationError, Fault
from gateway.policy.compilation import compile_policy
from gateway.policy.documents import Template
from gateway.policy.inputs import Inputs, Report
from gateway.policy.model import Policy
from gateway.store.configuration import Configuration
from gateway.store.database import ClashError, Database, StoreError
from gateway.store.records import ConflictError, Kind, MissingError, Owner, Records
from gateway.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Backend:
    """``renew`` serves what the database has now; a save is answered after it. ``clock`` gives seconds since 1970."""

    snapshot: Callable[[], Snapshot]
    database: Database | None
    renew: Callable[[], Awaitable[bool]]
    clock: Callable[[], float]

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
        return Records(kind, self.database, self.clock)

    def owner(self, mls: str | None, association: str | None) -> Owner:
        """Of what is in a file."""
        return Owner(mls or self.mls, association)

    async def compiled(self, template: Template) -> Policy:
        """What a template comes to with all that is served now.

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
        return await asyncio.to_thread(
            compile_policy,
            template,
            configuration.roles[document.Role],
            configuration.syndications[document.SyndicationId] if document.SyndicationId is not None else None,
            snapshot.schema,
            configuration.settings.upstream.profile,
            configuration.rules,
        )

    def inputs(self, template: Template) -> Inputs:
        """What the template is compiled with, for questions about classes."""
        snapshot, configuration = self.snapshot(), self.configuration
        assert snapshot.schema is not None
        role = configuration.roles[template.document.Role]
        profile = configuration.settings.upstream.profile
        return Inputs(template, role, None, snapshot.schema, profile, configuration.rules, None, Report())


@contextmanager
def told(call: Call) -> Iterator[None]:
    """What the store raises, as the caller is told it."""
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
