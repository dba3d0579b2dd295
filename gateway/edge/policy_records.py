"""What each policy comes to, told once before its first request: from the log alone a report can say who could see
what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from cachetools import LRUCache

from gateway.observe.events import Event, PolicyLoaded
from gateway.odata.ast import TRUE
from gateway.odata.printer import print_expression
from gateway.policy.model import Policy, ResourcePolicy
from gateway.store.api_keys import ApiKey
from gateway.store.configuration import Configuration

#: Policies of which it is remembered that they were told, and digests that are kept. One that is forgotten is told, or
#: made, again.
_MOST = 100_000


class PolicyRecords:
    """
    Args:
        generation: a number that grows whenever what was told before may not be found any more; it is told again then.
    """

    def __init__(self, publish: Callable[[Event], None], generation: Callable[[], int] = lambda: 0) -> None:
        self._publish = publish
        self._generation = generation
        self._told_in = 0
        self._told: LRUCache[tuple[str, str], bool] = LRUCache(maxsize=_MOST)
        # By the Id of a key, then the policy: the first request of a key costs the same, whoever has asked before.
        self._digests: LRUCache[tuple[str, str, str], str] = LRUCache(maxsize=_MOST)

    def visible(self, policy: Policy, key: ApiKey, configuration: Configuration) -> str:
        """The digest of the names that a policy lets a key know; tells the policy, if that was not done yet."""
        if self._told_in != self._generation():
            self._told_in = self._generation()
            self._told.clear()
            self._digests.clear()
        place = (policy.name, policy.fingerprint)
        digest = self._digests.get((key.Id, *place))
        if digest is None:
            event = _loaded(policy, key, configuration)
            digest = self._digests[(key.Id, *place)] = event.visible
            if place not in self._told:
                self._told[place] = True
                self._publish(event)
        return digest


def _loaded(policy: Policy, key: ApiKey, configuration: Configuration) -> PolicyLoaded:
    template = configuration.templates.get(key.Template) if key.Template is not None else None
    document = template.document.model_dump(mode="json", exclude_defaults=True) if template else None
    resources = {name: _described(resource) for name, resource in sorted(policy.resources.items())}
    return PolicyLoaded(
        policy.name,
        policy.role,
        policy.fingerprint,
        visible_digest(policy),
        document,
        policy.photo_limit,
        resources,
        policy.privileges,
    )


def visible_digest(policy: Policy) -> str:
    """Hash of all names of resources, fields and navigation properties that a policy shows, whatever the condition."""
    names = {name: sorted((*found.fields, *found.navigation)) for name, found in sorted(policy.resources.items())}
    return hashlib.sha256(json.dumps(names, separators=(",", ":")).encode("utf-8")).hexdigest()[:32]


def _described(resource: ResourcePolicy) -> dict[str, Any]:
    conditions = {name: resource.condition_of(name) for name in (*resource.fields, *resource.navigation)}
    rules = [print_expression(part) for part in (resource.rule, resource.unpushed) if part != TRUE]
    return {
        "rule": " and ".join(rules) or "true",
        "fields": sorted(conditions),
        "conditional": {
            name: print_expression(condition) for name, condition in sorted(conditions.items()) if condition != TRUE
        },
        **({"writes": sorted(resource.writes.methods)} if resource.writes is not None else {}),
    }
