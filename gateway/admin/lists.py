"""Roles and syndications, which files say and the API only reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.backend import Backend
from gateway.admin.calls import PAGING, Call
from gateway.admin.envelope import Success

_BASE = "/v1/developers"


class Lists:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def roles(self, call: Call) -> Success:
        configuration = self._backend.configuration
        found = {
            name: {
                "Id": name, "ResourceUri": f"{_BASE}/roles/{name}", "Name": name, "DataRole": True,
                "Description": role.document.Description, "Resources": sorted(role.document.Resources),
            }
            for name, role in configuration.roles.items()
        }  # fmt: skip
        return _paged(call, found)

    async def syndications(self, call: Call) -> Success:
        found = {
            identity: {
                "Id": identity, "ResourceUri": f"{_BASE}/syndications/{identity}", "MlsId": self._backend.mls,
                "Name": item.document.Name, "StandardName": None, "Mode": item.document.Mode,
                "Field": item.document.Field, "Value": item.document.Value,
            }
            for identity, item in self._backend.configuration.syndications.items()
        }  # fmt: skip
        return _paged(call, found)


def _paged(call: Call, found: Mapping[str, Mapping[str, Any]]) -> Success:
    call.check_parameters(PAGING)
    names, page = call.paged(sorted(found))
    return Success([found[name] for name in names], page=page)
