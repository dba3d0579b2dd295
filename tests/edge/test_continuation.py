"""Sealed tokens: for one key, one policy, one time; two keys of the seal, so that a rotation breaks no walk."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.edge.continuation import Continuation, TokenSeal
from gateway.errors import Code, Refusal
from gateway.odata.literals import Timestamp
from gateway.policy.plan import Position

OLD, NEW = "ab" * 64, "cd" * 64
NOW = Timestamp(datetime(2026, 1, 15, tzinfo=UTC), 5 * 10**9)
HERE = Continuation("Property?$filter=City%20eq%20%27x%27", Position(100, None, NOW))


def seal(keys: tuple[str, ...] = (NEW,), lifetime: int = 100) -> TokenSeal:
    return TokenSeal(keys, lifetime)


def made(by: TokenSeal, where: Continuation = HERE) -> str:
    return by.seal(where, key_id="k", fingerprint="f", now=1000.0, reserve=0)


@pytest.mark.channel("C89")
def test_a_token_gives_back_what_it_seals() -> None:
    assert seal().open(made(seal()), key_id="k", fingerprint="f", now=1099.0) == HERE


@pytest.mark.channel("C89")
def test_a_rotation_breaks_no_walk() -> None:
    token = made(seal((OLD,)))

    assert seal((NEW, OLD)).open(token, key_id="k", fingerprint="f", now=1000.0) == HERE
    with pytest.raises(Refusal):
        seal((NEW,)).open(token, key_id="k", fingerprint="f", now=1000.0)


@pytest.mark.channel("C89")
@pytest.mark.parametrize(
    ("key", "fingerprint", "now", "code"),
    [
        ("k", "g", 1000.0, Code.GONE),
        ("k", "f", 1101.0, Code.GONE),
        ("l", "f", 1000.0, Code.INVALID_QUERY),
        ("l", "g", 9999.0, Code.INVALID_QUERY),
    ],
)
def test_a_token_is_for_one_key_one_policy_and_one_time(key: str, fingerprint: str, now: float, code: Code) -> None:
    with pytest.raises(Refusal) as refused:
        seal().open(made(seal()), key_id=key, fingerprint=fingerprint, now=now)

    assert refused.value.code is code


@pytest.mark.channel("C89")
def test_no_changed_token_opens() -> None:
    token = made(seal())
    for place in range(len(token)):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Refusal) as refused:
            seal().open(other, key_id="k", fingerprint="f", now=1000.0)
        assert refused.value.code is Code.INVALID_QUERY


@pytest.mark.channel("C287")
def test_lengths_fall_into_buckets() -> None:
    lengths = {len(made(seal(), Continuation("Property?", Position(skip, None, NOW)))) for skip in (1, 10, 100, 10**9)}

    assert len(lengths) == 1


@pytest.mark.channel("C286", "C287")
def test_a_place_that_may_tell_of_withheld_rows_has_one_length_and_never_the_same_bytes() -> None:
    """A cursor of the upstream may be as long as a value of a withheld row."""
    cursors = ["c", "c", "c" * 900, "c" * 2000]
    places = [Position(1, None, NOW, None, cursor, passed=True) for cursor in cursors]
    tokens = [
        seal().seal(Continuation("Property?", place), key_id="k", fingerprint="f", now=1000.0, reserve=2048)
        for place in places
    ]

    assert len(set(tokens)) == 4
    assert len({len(token) for token in tokens}) == 1


@pytest.mark.parametrize("token", ["", "x", "ä", "=" * 10, "A" * 10_000])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(Refusal):
        seal().open(token, key_id="k", fingerprint="f", now=1000.0)


def test_what_could_not_be_opened_again_is_not_sealed() -> None:
    """A request of a million equal letters compresses to nothing, and would be refused as nonsense when it comes back."""
    with pytest.raises(Refusal) as refused:
        made(seal(), Continuation("Property?" + "x" * 1_000_000, HERE.position))

    assert refused.value.code is Code.URI_TOO_LONG
