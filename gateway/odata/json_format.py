"""Strict reading of OData JSON bodies, and canonical writing of values (CHANNELS 3.14, 5.3).

Records stay ``dict[str, Raw]``: a number keeps each of its digits, and nothing below a member is touched until policy
asks for it. msgspec does not check UTF-8 inside ``Raw`` and lets the last of two equal names win, so both are
checked here, first. A body that is not strict JSON is read by its structure (``json_repair``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.odata.json_repair import StructureError, readable

#: Deeper JSON than this is nobody's listing; msgspec itself gives up at about 1,000.
MAX_DEPTH = 64

_STRUCTURE = re.compile(rb"[{}\[\]:]")
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_OPENING = frozenset(b"[{")
#: One of so many parts of a text is large.
_LARGE_SHARE = 32

#: An escape: a pair of surrogates, one that stands alone (the group), or any other. Strings have no other backslashes.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)

_RECORD_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_DECODER = msgspec.json.Decoder(msgspec.Raw)
_LIST_DECODER = msgspec.json.Decoder(list[msgspec.Raw])
_STRING_DECODER = msgspec.json.Decoder(str)


class BodyError(Exception):
    """The body as a whole is nothing that can be used; the message is for the log only."""


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object: its members, and the names that it carries more than once (C197)."""

    members: dict[str, msgspec.Raw]
    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection response: records, the count if it is a whole number, and the next link that came along, if one
    did (empty where it is no text)."""

    records: tuple[Record, ...]
    count: int | None
    next_link: str | None


def check_text(body: bytes) -> None:
    """Refuses anything but strict UTF-8 without a byte order mark, and nesting without reason (C200, C317)."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise BodyError("the body starts with a byte order mark")
    try:
        body.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        raise BodyError("the body is not UTF-8") from None
    try:
        _RAW_DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyError(f"the body is not JSON: {error}") from None
    depth = 0
    for character in _outside_strings(body).translate(None, _NO_BRACKETS):
        depth += 1 if character in _OPENING else -1
        if depth > MAX_DEPTH:
            raise BodyError("the body is nested too deeply")


def _outside_strings(text: bytes) -> bytes:
    """JSON text without its strings. Backslashes are in strings only, so without escaped ones each quote is the
    beginning or the end of one."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(text.split(b'"')[::2])


def _in_pairs(body: bytes) -> bytes:
    """The text with a replacement character for each half of a surrogate pair that stands alone.

    By the grammar of JSON such a text is one, and msgspec refuses it whole: so a field that nobody may see would decide
    between an answer and none.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPES.sub(lambda match: rb"\ufffd" if match[1] else match[0], body)


def decode_record(raw: bytes | msgspec.Raw) -> Record:
    """An object as a Record; raises BodyError for anything else."""
    try:
        members = _RECORD_DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BodyError(f"not a JSON object: {error}") from None
    text, names = bytes(raw), len(members)
    if _is_plainly_unique(text, names):
        return Record(members)
    text = _flat(text, members)
    if _is_plainly_unique(text, names) or _member_count(text) == names:
        return Record(members)
    return Record(members, _repeated_names(text))


def _flat(text: bytes, members: dict[str, msgspec.Raw]) -> bytes:
    """The text of an object with 0 for each large array and object in it that is found at one place only.

    What is in them is looked at when they are decoded. Finds that overlap count, so what is replaced is the member.
    Each costs a search, so small ones, of which there may be many, stay.
    """
    for value in members.values():
        inner = bytes(value)
        if len(inner) * _LARGE_SHARE < len(text) or inner[0] not in _OPENING:
            continue
        place = text.find(inner)
        if text.find(inner, place + 1) < 0:
            text = text[:place] + b"0" + text[place + len(inner) :]
    return text


def _is_plainly_unique(text: bytes, names: int) -> bool:
    """Whether an object shows at a glance that it has no more members than names. Each member has a quote and a colon
    right behind each other where no blank stands before a colon; strings and inner objects can only make it more."""
    return text.count(b'":') == names and not any(blank in text for blank in (b" :", b"\t:", b"\n:", b"\r:"))


def _member_count(text: bytes) -> int:
    """Members of the outermost object, counted by the colons at its level once all strings are gone."""
    skeleton = _outside_strings(text)
    if skeleton.count(b"{") == 1:
        return skeleton.count(b":")
    depth = count = 0
    for match in _STRUCTURE.finditer(skeleton):
        match match.group():
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
            case _ if depth == 1:
                count += 1
    return count


def _repeated_names(text: bytes) -> frozenset[str]:
    """The names that occur twice in the outermost object, compared after unescaping."""
    outermost: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        outermost[:] = pairs  # the outermost object is the last one to be finished

    json.loads(text.decode("utf-8"), object_pairs_hook=keep, parse_int=str, parse_float=str)
    seen: set[str] = set()
    return frozenset(name for name, _ in outermost if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # set.add is None: the idiom marks the first sight


def decode_item(raw: msgspec.Raw) -> Record:
    """An item of a list as a Record. What is no object has no members, so nothing permits it (C174)."""
    try:
        return decode_record(raw)
    except BodyError:
        return Record({})


def decode_list(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """An array as raw items; raises BodyError for anything else."""
    try:
        return _LIST_DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BodyError(f"not a JSON array: {error}") from None


def decode_collection(body: bytes, max_records: int) -> Collection:
    """Reads a collection response.

    Raises:
        BodyError: no JSON by its structure, no ``value`` array of objects, an envelope with a repeated name, or more
            records than ``max_records``.
    """
    body = _strict(_in_pairs(body))
    envelope = decode_record(body)
    if envelope.repeated:
        raise BodyError("the envelope repeats a name")
    if "value" not in envelope.members:
        raise BodyError("the body has no member `value`")
    items = decode_list(envelope.members["value"])
    if len(items) > max_records:
        raise BodyError("the body has more records than can be taken")
    return Collection(
        tuple(decode_item(item) for item in items),
        decode_count(envelope.members.get("@odata.count", envelope.members.get("@count"))),
        _next_link(envelope.members),
    )


def _strict(body: bytes) -> bytes:
    """Return the body as strict JSON: what cannot be read of it is an empty object in place of a value (C317)."""
    try:
        check_text(body)
    except BodyError:
        try:
            body = readable(body, MAX_DEPTH)
        except StructureError as error:
            raise BodyError(str(error)) from None
        check_text(body)
    return body


def _next_link(members: Mapping[str, msgspec.Raw]) -> str | None:
    """Return the link to the next page under either of its names (OData JSON Format, 4.5.5); None where there is none,
    or null in its place. A link that is no text, or leads nowhere, is an empty one: it is not an end.

    Raises:
        BodyError: there are two, and they differ.
    """
    given = [members[name] for name in ("@odata.nextLink", "@nextLink") if name in members]
    links = {decode_string(raw) or "" for raw in given if bytes(raw) != b"null"}
    if len(links) > 1:
        raise BodyError("the envelope has two next links")
    return links.pop() if links else None


def decode_count(raw: msgspec.Raw | None) -> int | None:
    """A count, as a number or (IEEE754Compatible) as a string of digits; None for anything else."""
    if raw is None:
        return None
    text = bytes(raw).strip(b'"')
    return int(text) if text.isdigit() and len(text) <= 12 else None


def decode_string(raw: msgspec.Raw) -> str | None:
    """The text of a JSON string, or None where the value is none."""
    try:
        return _STRING_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def encode_string(value: str) -> bytes:
    """Canonical JSON text of a string: the upstream's own escapes do not show (C355)."""
    return msgspec.json.encode(value)
