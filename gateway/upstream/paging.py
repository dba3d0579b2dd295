"""One page of a list, and whether the upstream says that more follows. No list ends here but where it says so."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.odata.json_format import Collection, decode_collection
from gateway.policy.profile import Profile
from gateway.upstream.client import Fetched, UpstreamClient
from gateway.upstream.next_links import Place


@dataclass(frozen=True, slots=True)
class UpstreamPage:
    """``is_followed``: the upstream has a link to a next page, in whatever form. ``following`` is where that page is,
    if the profile says that pages are linked."""

    collection: Collection
    is_followed: bool
    following: Place | None


async def fetch_page(client: UpstreamClient, profile: Profile, entity_set: str, place: Place) -> Fetched:
    """Ask for a page where it is.

    Raises:
        UpstreamFailure: nothing usable came, or the host of the page is not listed.
    """
    return await client.read_collection(entity_set, place.query, client.host(profile, place))


def page_of(
    fetched: Fetched, client: UpstreamClient, profile: Profile, entity_set: str, place: Place, max_records: int
) -> UpstreamPage:
    """Read a page that was fetched.

    A link counts in each of its two forms, the member of the body and the Link header, whichever the profile declares.
    The declared form is followed where both are there.

    Raises:
        UpstreamFailure: its link cannot be followed.
        BodyError: the body is not a list, or has more than ``max_records``.
    """
    collection = decode_collection(fetched.body, max_records)
    forms = [fetched.link, collection.next_link]
    if profile.paging != "link_header":
        forms.reverse()
    link = next((form for form in forms if form is not None), None)
    if link is None or not profile.is_linked:
        return UpstreamPage(collection, link is not None, None)
    return UpstreamPage(collection, True, client.followed(entity_set, link, place, profile))
