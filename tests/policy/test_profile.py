"""Settings of a profile that are refused where they could not mean anything good."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.policy.profile import Profile


@pytest.mark.channel("C292")
@pytest.mark.parametrize(
    "url",
    ["https://pages.example", "https://pages.example:8443/reso/odata", "https://[2001:db8::1]/odata", "http://127.0.0.1:8001/odata",
     "http://localhost", "http://[::1]:80/odata"],
)  # fmt: skip
def test_a_host_of_links_is_a_service_root_without_the_credential_unless_it_says_so(url: str) -> None:
    (host,) = Profile.model_validate({"link_hosts": [{"url": url}]}).link_hosts

    assert (host.url, host.credential) == (url, False)


@pytest.mark.channel("C292")
@pytest.mark.parametrize(
    "url",
    ["", "pages.example", "http://pages.example", "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "https://", "https:///odata",
     "https://me:secret@pages.example", "https://pages.example/", "https://pages.example/odata/", "https://pages.example/a?b", "https://pages.example/a#b",
     "https://pages.example//odata", "https://pages.example:99999", "https://pages.example:port", "https://[", "https://:443", "ftp://pages.example",
     "https://pages.example/o data", "https://pages.example\n"],
)  # fmt: skip
def test_another_host_of_links_is_a_fault(url: str) -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate({"link_hosts": [{"url": url}]})
