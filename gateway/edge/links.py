"""Links to the next page: opened when they come back, made when they are owed, refused where they would not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from gateway.edge.continuation import Continuation, TokenSeal
from gateway.edge.enforcement import Result
from gateway.edge.scan import MAX_CURSOR
from gateway.errors import Code, Refusal, foreign_link, invalid_query, stale_link
from gateway.odata.literals import Timestamp
from gateway.odata.parser import Limits
from gateway.odata.request import Request, canonical_text, parse_request
from gateway.policy import keyset
from gateway.policy.decision import READ_METHODS
from gateway.policy.model import Policy
from gateway.policy.plan import Position, Read
from gateway.policy.profile import Profile
from gateway.store.api_keys import ApiKey

#: A sealed request was within the limits when it came; printed, it has more brackets than its client wrote.
_SEALED_LIMITS = Limits(filter_length=10**6, list_length=10**6, depth=200)


@dataclass(frozen=True, slots=True)
class Continued:
    """The request to decide: the client's own, or the one that its link has sealed, from where that goes on."""

    request: Request
    position: Position | None = None
    trust: str = ""
    total: int | None = None

    def check_trust(self, profile: Profile) -> None:
        """A place that counts rows which the key does not see means nothing once other rows are asked for."""
        if self.position is not None and self.position.passed and self.trust != _trust(profile):
            raise stale_link()


def _trust(profile: Profile) -> str:
    return ",".join(sorted(profile.distrusted))


def _digest(canonical: str) -> str:
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


class Links:
    def __init__(self, seal: TokenSeal, public_url: str, root: str, max_link: int, clock: Callable[[], float]) -> None:
        self._seal = seal
        self._public_url = public_url.rstrip("/")
        self._root = root
        self._max_link = max_link
        self._clock = clock

    def opened(self, parsed: Request, key: ApiKey, policy: Policy) -> Continued:
        """The sealed request of a link; everything that the link does not carry comes from the seal (C90)."""
        head, token = parsed.path.head, parsed.query.skiptoken
        if token is None or parsed.fault is not None or head is None or head.key is not None:
            return Continued(parsed)
        if head.name not in policy.resources or (parsed.path.tail and not parsed.via_query):
            return Continued(parsed)
        if parsed.method not in (("POST",) if parsed.via_query else READ_METHODS):
            return Continued(parsed)
        if not parsed.via_query and parsed.options != {"$skiptoken"}:
            raise invalid_query("a link takes no other option", "$skiptoken")
        sealed = self._seal.open(token, key_id=key.Id, fingerprint=policy.fingerprint, now=self._clock())
        if parsed.via_query:
            if sealed.digest != _digest(canonical_text(head.name, parsed.query)):
                raise foreign_link()  # another body, or a link that needs none (C90)
            return Continued(parsed, sealed.position, sealed.trust, sealed.total)
        if sealed.digest or sealed.request.partition("?")[0] != head.name:
            raise foreign_link()
        target = f"{self._root}/{sealed.request}".rstrip("?")
        again = parse_request(parsed.method, target, root=self._root, limits=_SEALED_LIMITS)
        return Continued(again, sealed.position, sealed.trust, sealed.total)

    def prepared(
        self, plan: Read, continued: Continued, key: ApiKey, policy: Policy, profile: Profile
    ) -> Callable[[Result, int | None, Timestamp], str]:
        """What makes the link of a page. Room for it is a matter of the request alone, so it is found before the
        upstream is asked, whatever the data (C362).

        Raises:
            Refusal: 414 where no link would fit, and the request did not come as a body.
        """
        canonical, digest, address = plan.canonical, "", f"{self._public_url}/{plan.resource}?$skiptoken="
        reserve = _reserve(plan, profile)
        # A page that the client's own $top ends has no link. Before plans that are not exact, room for one is asked for
        # all the same: the refusal is older than decision 18, and hangs on the request alone.
        ends = plan.page.top is not None and plan.page.top <= plan.page.size and plan.exact
        paged = plan.kind == "collection" and not ends
        if paged and self._room(canonical, digest, reserve, address) > self._max_link:
            if not continued.request.via_query:
                raise Refusal(Code.URI_TOO_LONG, "the request does not fit a link")
            canonical, digest = "", _digest(plan.canonical)
            address = f"{self._public_url}/{plan.resource}/$query?$skiptoken="

        def link(result: Result, total: int | None, now: Timestamp) -> str:
            assert result.next is not None
            following = result.next
            left = None if plan.page.top is None else plan.page.top - len(result.records)
            position = Position(following.skip, left, now, following.after, following.cursor, following.passed)
            continuation = Continuation(canonical, position, digest, _trust(profile), total)
            token = self._seal.seal(
                continuation, key_id=key.Id, fingerprint=policy.fingerprint, now=self._clock(), reserve=reserve
            )
            return address + token

        return link

    def _room(self, canonical: str, digest: str, reserve: int, address: str) -> int:
        try:
            return self._seal.room(canonical, digest, reserve) + len(address)
        except Refusal:
            return self._max_link + 1  # too long even to be sealed


def _reserve(plan: Read, profile: Profile) -> int:
    """Bytes that the place of a page may take beside its numbers."""
    if plan.kind != "collection" or plan.gather is not None:
        return 0
    values = 0
    if plan.keyset:
        values = keyset.longest(plan.ask.orderby, plan.record.types) + 24 * len(plan.ask.orderby)
    return values + (2 * MAX_CURSOR if profile.is_linked else 0)
