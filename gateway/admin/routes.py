"""The paths of the admin API and what each of their methods does: one table for the listener and for the document that
describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from gateway.admin.backend import Backend
from gateway.admin.calls import PAGING, Call
from gateway.admin.envelope import Success, not_found, not_offered
from gateway.admin.keys import Keys
from gateway.admin.lists import Lists
from gateway.admin.templates import READING, WRITING, Templates
from gateway.admin.trust import TrustOperations
from gateway.store.api_keys import Permission

BASE = "/v1/developers"
_LONGEST_ID = 200
Run = Callable[[Call], Awaitable[Success]]
#: What a body is, by the name that the OpenAPI document has for it.
Body = Literal[
    "NewTemplate",
    "Template",
    "FieldOverrides",
    "RestrictiveFilters",
    "Rollback",
    "NewKey",
    "Key",
    "Rotation",
    "Restoring",
]
#: What ``Results`` has, by the same names.
Result = Literal["Template", "Created", "Effect", "Entry", "Key", "Secret", "Role", "Syndication", "Loss", "Nothing"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``optional``: the body may be left out. ``dry``: it may be tried without being done."""

    run: Run
    summary: str
    permissions: tuple[Permission, ...]
    result: Result
    parameters: tuple[str, ...] = ()
    body: Body | None = None
    optional: bool = False
    conditional: bool = False
    status: int = 200

    @property
    def dry(self) -> bool:
        return "dry_run" in self.parameters


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` below BASE; ``{Id}`` stands for a record."""

    path: str
    operations: Mapping[str, Operation]

    @property
    def allowed(self) -> tuple[str, ...]:
        """For ``Allow``: HEAD is GET without its body."""
        return tuple(name for method in self.operations for name in (("GET", "HEAD") if method == "GET" else (method,)))


def routes(backend: Backend) -> tuple[Route, ...]:
    """The verb matrix of Spark's page, and what is ours."""
    templates, keys, lists = Templates(backend), Keys(backend), Lists(backend)
    trust = TrustOperations(backend)
    restore: tuple[Permission, ...] = ("manage_trust",)
    manage: tuple[Permission, ...] = ("manage_templates",)
    grant: tuple[Permission, ...] = ("manage_keys",)

    def writing(run: Run, summary: str, body: Body | None) -> Operation:
        return Operation(run, summary, manage, "Nothing", WRITING, body, conditional=True)

    def key(
        run: Run, summary: str, body: Body | None = None, *, optional: bool = False, result: Result = "Nothing"
    ) -> Operation:
        return Operation(run, summary, grant, result, (), body, optional, conditional=True)

    return (
        Route("/templates", {
            "GET": Operation(templates.all, "Templates that the caller may see", manage, "Template", (*READING, *PAGING)),
            "POST": Operation(templates.create, "Make a template", manage, "Created", WRITING, "NewTemplate", status=201),
        }),
        Route("/templates/{Id}", {
            "GET": Operation(templates.get, "One template", manage, "Template", READING),
            "PUT": writing(templates.update, "Change the attributes that are named", "Template"),
            "DELETE": writing(templates.remove, "Take a template away that no key uses", None),
        }),
        Route("/templates/{Id}/FieldOverrides", {
            "PUT": writing(templates.write_overrides, "Write all field overrides of a template", "FieldOverrides"),
        }),
        Route("/templates/{Id}/RestrictiveFilters", {
            "PUT": writing(templates.write_filters, "Write all restrictive filters of a template", "RestrictiveFilters"),
        }),
        Route("/templates/{Id}/history", {
            "GET": Operation(templates.history, "Who changed what, newest first", manage, "Entry", PAGING),
        }),
        Route("/templates/{Id}/rollback", {
            "POST": writing(templates.rollback, "Make a template what it was at a revision", "Rollback"),
        }),
        Route("/keys", {
            "GET": Operation(keys.all, "Keys that the caller may see", grant, "Key", ("_select", *PAGING)),
            "POST": Operation(keys.create, "Make a key; its secret is shown once", grant, "Secret", (), "NewKey", status=201),
        }),
        Route("/keys/{Id}", {
            "GET": Operation(keys.get, "One key", grant, "Key", ("_select",)),
            "PUT": key(keys.update, "Change the attributes that are named", "Key"),
            "DELETE": key(keys.remove, "Take a key away"),
        }),
        Route("/keys/{Id}/disable", {"POST": key(keys.disable, "Refuse a key from now on")}),
        Route("/keys/{Id}/enable", {"POST": key(keys.enable, "Take a key again")}),
        Route("/keys/{Id}/rotate", {
            "POST": key(keys.rotate, "Make another secret, shown once", "Rotation", optional=True, result="Secret"),
        }),
        Route("/keys/{Id}/history", {
            "GET": Operation(keys.history, "Who changed what, newest first", grant, "Entry", PAGING),
        }),
        Route("/trust", {"GET": Operation(trust.all, "List the lost kinds of trust", restore, "Loss")}),
        Route("/trust/restore", {
            "POST": Operation(trust.restore, "Restore lost trust", restore, "Loss", (), "Restoring", optional=True),
        }),
        Route("/roles", {"GET": Operation(lists.roles, "Base roles", (*manage, *grant), "Role", PAGING)}),
        Route("/syndications", {
            "GET": Operation(lists.syndications, "Syndications", (*manage, *grant), "Syndication", PAGING),
        }),
    )  # fmt: skip


class Router:
    """Finds the operation of a request."""

    def __init__(self, table: Sequence[Route]) -> None:
        self._table = [(route.path.split("/")[1:], route) for route in table]

    def find(self, method: str, path: str) -> tuple[Operation, str]:
        """The operation of a method and a path as it was sent, and the id in it.

        Raises:
            SparkError: 404 for what is no path, 405 with ``Allow`` for a method that is not offered on one.
        """
        parts = _parts(path)
        for pattern, route in self._table:
            if len(pattern) == len(parts) and all(
                want in ("{Id}", have) for want, have in zip(pattern, parts, strict=True)
            ):
                operation = route.operations.get("GET" if method == "HEAD" else method)
                if operation is None:
                    raise not_offered(*route.allowed)
                record = parts[pattern.index("{Id}")] if "{Id}" in pattern else ""
                if not record.isprintable() or len(record) > _LONGEST_ID:
                    raise not_found()  # a NUL, for one, is what PostgreSQL has no text for
                return operation, record
        raise not_found()


def _parts(path: str) -> list[str]:
    if not path.startswith(f"{BASE}/"):
        raise not_found()
    try:
        return [unquote(part, errors="strict") for part in path.removeprefix(f"{BASE}/").split("/")]
    except UnicodeDecodeError:
        raise not_found() from None
