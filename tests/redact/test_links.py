"""Envelopes, byte by byte: our own links, in one order, and nothing else beside the records."""

from __future__ import annotations

import pytest

from gateway.odata.media_types import JSON, Format
from gateway.redact.links import collection_body, entity_body, service_document

URL = "http://gateway.example/Reso/OData"
NONE, QUOTED = Format(metadata="none"), Format(ieee754=True)


@pytest.mark.channel("C88", "C94", "C159", "C202")
@pytest.mark.parametrize(
    ("count", "link", "written", "expected"),
    [
        (None, None, JSON, f'{{"@odata.context":"{URL}/$metadata#P(A)","value":[{{"A":1}},{{}}]}}'),
        (7, None, JSON, f'{{"@odata.context":"{URL}/$metadata#P(A)","value":[{{"A":1}},{{}}],"@odata.count":7}}'),
        (0, "l", NONE, '{"value":[{"A":1},{}],"@odata.count":0,"@odata.nextLink":"l"}'),
        (7, "l", QUOTED, f'{{"@odata.context":"{URL}/$metadata#P(A)","value":[{{"A":1}},{{}}],"@odata.count":"7","@odata.nextLink":"l"}}'),
    ],
)  # fmt: skip
def test_a_collection(count: int | None, link: str | None, written: Format, expected: str) -> None:
    records = [b'{"A":1}', b"{}"]

    assert collection_body(URL, "P(A)", records, count=count, next_link=link, written=written) == expected.encode()


@pytest.mark.channel("C94")
def test_an_entity() -> None:
    head = f'"@odata.context":"{URL}/$metadata#P(A)/$entity"'

    assert entity_body(URL, "P(A)", b'{"A":1}').decode() == f'{{{head},"A":1}}'
    assert entity_body(URL, "P(A)", b"{}").decode() == f"{{{head}}}"
    assert entity_body(URL, "P(A)", b'{"A":1}', NONE) == b'{"A":1}'
    assert entity_body(URL, "P(A)", b"{}", NONE) == b"{}"


@pytest.mark.channel("C167")
def test_a_service_document() -> None:
    head = f'"@odata.context":"{URL}/$metadata",'
    sets = '"value":[{"name":"A","kind":"EntitySet","url":"A"},{"name":"B","kind":"EntitySet","url":"B"}]'

    assert service_document(URL, ("A", "B")).decode() == f"{{{head}{sets}}}"
    assert service_document(URL, ("A", "B"), NONE).decode() == f"{{{sets}}}"
