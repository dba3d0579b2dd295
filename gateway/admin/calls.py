"""A call of the admin API: who calls, with which parameters, for which record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.admin.envelope import Page, SparkCode, SparkError, bad_value, forbidden
from gateway.store.api_keys import STAFF_ROLE, ApiKey, Permission
from gateway.store.records import Owner

#: Spark's own bounds of a page are 0 and 25; more than that is ours.
PAGING = ("_limit", "_page", "_pagination")
DEFAULT_LIMIT, MOST_LIMIT, MOST_PAGE = 10, 1000, 100_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``name`` is what history says of them."""

    name: str
    owner: Owner
    permissions: frozenset[Permission]

    def require(self, *permissions: Permission) -> None:
        """Raises the one 403 there is, unless the caller has one of the permissions."""
        if not self.permissions & set(permissions):
            raise forbidden()


def bad_key() -> SparkError:
    """1000, for no key and for whatever stands for none."""
    return SparkError(
        SparkCode.BAD_KEY, "a valid API key is required", headers={"WWW-Authenticate": 'Bearer realm="developers"'}
    )


def caller_of(key: ApiKey, mls: str) -> Caller:
    """Who a key stands for.

    Args:
        mls: the MLS of keys that do not name one.

    Raises:
        SparkError: 1010 for a disabled key, 1500 for every one that has no business here.
    """
    if not key.Enabled:
        raise SparkError(SparkCode.DISABLED_KEY, "the API key is disabled")
    if key.Template is not None or key.Role != STAFF_ROLE or not key.Permissions:
        raise forbidden()
    return Caller(key.Id, Owner(key.MlsId or mls, key.AssociationId), frozenset(key.Permissions))


@dataclass(frozen=True, slots=True)
class Call:
    """``record`` is the id in the path. ``body`` is what stands in ``D``, None where a method has none."""

    caller: Caller
    record: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    if_match: str | None = None
    #: Raises unless the caller still may: checked again before anything is kept, for a check of a body takes its time.
    confirm: Callable[[], object] = lambda: None

    @property
    def content(self) -> Mapping[str, Any]:
        assert self.body is not None
        return self.body

    @property
    def is_dry_run(self) -> bool:
        return self._flag("dry_run")

    def check_parameters(self, offered: Iterable[str]) -> None:
        """Every parameter is one that is offered here, and means something."""
        if "_filter" in self.parameters:
            raise SparkError(SparkCode.BAD_FILTER, "`_filter` is not offered by this service")
        known = set(offered)
        for name in self.parameters:
            if name not in known:
                raise bad_value((name,), "is not offered here")
        if "dry_run" in known:
            self._flag("dry_run")

    def _flag(self, name: str) -> bool:
        text = self.parameters.get(name, "false").lower()
        if text not in ("true", "1", "false", "0"):
            raise bad_value((name,), "must be true or false")
        return text in ("true", "1")

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.parameters.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise bad_value((name,), f"must be a number from {least} to {most}")
        return int(text)

    def names(self, parameter: str, offered: Iterable[str]) -> frozenset[str]:
        """The names in a comma list, each of them one that is offered."""
        known = frozenset(offered)
        found = frozenset(name for name in self.parameters.get(parameter, "").split(",") if name)
        for name in sorted(found - known):
            raise bad_value((parameter,), f"`{name}` is no attribute of this record")
        return found

    def paged(self, ids: Sequence[str]) -> tuple[Sequence[str], Page | None]:
        """Of all ids those of the page that is asked for, and what is told of it, if that is asked for.

        ``_pagination=count`` asks for the numbers and nothing else.
        """
        size = self._number("_limit", DEFAULT_LIMIT, 0, MOST_LIMIT)
        current = self._number("_page", 1, 1, MOST_PAGE)
        told = self.parameters.get("_pagination", "0")
        if told not in ("0", "1", "count"):
            raise bad_value(("_pagination",), "must be 0, 1 or count")
        page = Page(len(ids), size, current) if told != "0" else None
        start = (current - 1) * size
        return () if told == "count" else ids[start : start + size], page

    def check_repeated(self, shown: Mapping[str, Any], server_made: Iterable[str]) -> None:
        """What the server makes may be sent back as it was read, and in no other way."""
        for name in server_made:
            if name in self.content and self.content[name] != shown[name]:
                raise bad_value((name,), "is made by the gateway, and is not what it was told to be")

    def check_revision(self, revision: int, *, required: bool) -> None:
        """Raises 412 where the caller means another revision, 428 where it must say one and does not."""
        if self.if_match is None:
            if required:
                raise SparkError(SparkCode.UNCONDITIONAL, "`If-Match` is required: read the record first")
            return
        tags = [tag.strip() for tag in self.if_match.split(",")]
        if "*" not in tags and revision_tag(revision) not in tags:
            raise stale()


def revision_tag(revision: int) -> str:
    """A revision as an entity tag."""
    return f'"{revision}"'


def stale() -> SparkError:
    return SparkError(SparkCode.STALE, "the record has been changed since it was read")
