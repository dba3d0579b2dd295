"""A text stands for members if there is exactly one way to read it; commas inside display texts are part of them."""

from __future__ import annotations

import pytest

from gateway.odata.enumerations import MemberTexts, member_texts

GRI = "Graduate, REALTOR Institute / GRI"


def texts(**display: str) -> MemberTexts:
    return member_texts(dict.fromkeys(display, 0), {name: text for name, text in display.items() if text})


DESIGNATIONS = texts(GraduateRealtorInstitute=GRI, GREEN="GREEN", Sold="Sold, and gone", CRS="")


@pytest.mark.parametrize(
    ("sent", "members"),
    [
        (GRI, ("GraduateRealtorInstitute",)),
        (f"{GRI},{'GREEN'}", ("GraduateRealtorInstitute", "GREEN")),
        (f"GREEN, {GRI}, Sold, and gone", ("GREEN", "GraduateRealtorInstitute", "Sold")),
        ("Sold, and gone,CRS", ("Sold", "CRS")),
        ("GraduateRealtorInstitute,CRS", ("GraduateRealtorInstitute", "CRS")),
        (f"CRS,{GRI}", ("CRS", "GraduateRealtorInstitute")),
        (f" {GRI} ", ("GraduateRealtorInstitute",)),
        ("Graduate", None),
        ("Graduate,CRS", None),
        (f"{GRI},", None),
        (f"{GRI},Nothing", None),
        ("", None),
        (",", None),
        ("1", None),
    ],
)
def test_a_list_is_split_into_known_texts_only(sent: str, members: tuple[str, ...] | None) -> None:
    assert DESIGNATIONS.read(sent) == members


def test_a_text_with_two_readings_stands_for_nothing() -> None:
    """Either reading may be the wrong one, and rows would be shown by it."""
    found = texts(A="Cats", B="Dogs", Both="Cats, Dogs")

    assert found.read("Cats, Dogs") is None
    assert found.read("Cats, Dogs,Cats") is None
    assert found.read("Dogs,Cats") == ("B", "A")


def test_a_text_of_two_members_stands_for_neither() -> None:
    found = texts(A="On the market", B="On the market", C="D", D="E")

    assert found.read("On the market") is None
    assert found.read("A,On the market") is None
    assert found.read("D") is None  # the name of one member, and the text of another
    assert found.read("E,A") == ("D", "A")


def test_a_shared_text_leaves_no_other_split_as_the_only_one() -> None:
    found = texts(A="Cats", B="Dogs", Both="Cats,Dogs", Again="Cats,Dogs")

    assert found.read("Cats,Dogs") is None


@pytest.mark.guarantee("G6")
def test_ten_thousand_parts_are_read_in_one_pass() -> None:
    found = texts(A="a", B="a,a")

    assert found.read(",".join(["a"] * 10_000)) is None
    assert DESIGNATIONS.read(",".join([GRI] * 5_000)) == ("GraduateRealtorInstitute",) * 5_000
