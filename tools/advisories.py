"""Compares the pinned requirements with published vulnerabilities: requirements/advisories.toml.

    python -m tools.advisories

Ends with 1 when a pin, or the lowest version that pyproject.toml admits, is in an affected range. It only warns when
nobody has looked for new advisories for 90 days: what was right yesterday must not fail today by itself.
"""

from __future__ import annotations

import operator
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

REPOSITORY = Path(__file__).resolve().parent.parent
#: Days after which somebody should look again.
STALE = 90
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_ID = re.compile(r"(GHSA(-[0-9a-z]{4}){3}|CVE-\d{4}-\d{4,}|PYSEC-\d{4}-\d+)")
_BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*([^\s,]+)\s*")
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip
_MEMBERS = {"id": str, "package": str, "affected": str, "published": date, "about": str}


class ListError(Exception):
    """The list of advisories cannot be read; the message says which entry and why."""


@dataclass(frozen=True, slots=True)
class Range:
    """Versions between bounds. A specifier of PEP 440 would not do: its ``<1.5`` leaves out ``1.5rc1``, which is older
    than the mended release."""

    text: str
    bounds: tuple[tuple[str, Version], ...]

    def __contains__(self, version: Version) -> bool:
        return all(_COMPARISONS[comparison](version, bound) for comparison, bound in self.bounds)


@dataclass(frozen=True, slots=True)
class Advisory:
    id: str
    package: str
    affected: Range
    published: date
    about: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A version in use; ``file`` says where, and ``what`` is ``pinned`` or ``admitted``."""

    file: str
    package: str
    version: Version
    what: str


def read_list(text: str) -> tuple[date, tuple[Advisory, ...]]:
    """Return when the list was reviewed, and its advisories.

    Raises:
        ListError: an entry is not as it should be; one that is passed over would protect nothing.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ListError(f"the list is not TOML: {error}") from None
    reviewed, entries = data.get("reviewed"), data.get("advisory")
    if set(data) != {"reviewed", "advisory"} or type(reviewed) is not date or not isinstance(entries, list):
        raise ListError("the list must have `reviewed`, a date, and `advisory`, its entries")
    found = tuple(_advisory(entry) for entry in entries)
    if len({(advisory.id, advisory.package) for advisory in found}) != len(found):
        raise ListError("an advisory is listed twice for one package")
    return reviewed, found


def _advisory(entry: object) -> Advisory:
    if not isinstance(entry, dict) or {name: type(value) for name, value in entry.items()} != _MEMBERS:
        raise ListError(f"an entry must have {', '.join(_MEMBERS)} and nothing else: {entry}")
    if not _ID.fullmatch(entry["id"]):
        raise ListError(f"`{entry['id']}` is not the id of an advisory (GHSA, CVE or PYSEC)")
    affected = _range(entry["affected"])
    if affected is None:
        raise ListError(f"{entry['id']}: `{entry['affected']}` is not a range of versions")
    return Advisory(entry["id"], canonicalize_name(entry["package"]), affected, entry["published"], entry["about"])


def _range(text: str) -> Range | None:
    bounds = []
    for part in text.split(","):
        found = _BOUND.fullmatch(part)
        try:
            bounds.append((found[1], Version(found[2])) if found is not None else None)
        except InvalidVersion:
            return None
    return Range(text, tuple(bound for bound in bounds if bound)) if None not in bounds else None


def pins(file: str, text: str) -> Iterator[Pin]:
    """Give every version that a file of pins has."""
    for line in text.splitlines():
        found = _PIN.match(line)
        if found is not None:
            yield Pin(file, canonicalize_name(found[1]), Version(found[2]), "pinned")


def floors(text: str) -> Iterator[Pin]:
    """Give the lowest version of each requirement in a pyproject.toml that has one."""
    project = tomllib.loads(text)["project"]
    requirements = [
        *project["dependencies"],
        *(one for more in project["optional-dependencies"].values() for one in more),
    ]
    for requirement in requirements:
        try:
            read = Requirement(requirement)
        except InvalidRequirement:
            raise ListError(f"pyproject.toml: `{requirement}` is not a requirement") from None
        for specifier in read.specifier:
            if specifier.operator in (">=", "==", "~="):
                yield Pin("pyproject.toml", canonicalize_name(read.name), Version(specifier.version), "admitted")


def hits(used: Sequence[Pin], advisories: Sequence[Advisory]) -> list[str]:
    """Return a line for each version that is affected."""
    return [
        f"{pin.file}: {pin.package} {pin.version} is {pin.what}, and {advisory.id} affects {advisory.affected.text}: "
        f"{advisory.about}"
        for pin in used
        for advisory in advisories
        if advisory.package == pin.package and pin.version in advisory.affected
    ]


def main(repository: Path = REPOSITORY, today: date | None = None) -> int:
    today = today or datetime.now(UTC).date()
    folder = repository / "requirements"
    try:
        reviewed, advisories = read_list((folder / "advisories.toml").read_text(encoding="utf-8"))
        used = list(floors((repository / "pyproject.toml").read_text(encoding="utf-8")))
    except ListError as error:
        print(error, file=sys.stderr)
        return 1
    for path in sorted(folder.glob("*.txt")):
        used += pins(f"requirements/{path.name}", path.read_text(encoding="utf-8"))
    found = hits(used, advisories)
    for line in found:
        print(line, file=sys.stderr)
    age = (today - reviewed).days
    if age > STALE:
        print(
            f"warning: nobody has looked for new advisories for {age} days (requirements/advisories.toml)",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
