"""The admin listener, and that nothing of it is on the clients' port."""

from __future__ import annotations

import pytest

from tests.support import Harness


async def admin(gateway: Harness, path: str, method: str = "GET") -> tuple[int, str]:
    async with gateway.session.request(method, f"http://127.0.0.1:{gateway.service.admin.port}{path}") as response:
        return response.status, await response.text()


async def test_health_and_readiness(gateway: Harness) -> None:
    assert await admin(gateway, "/healthz") == (200, "ok\n")
    status, text = await admin(gateway, "/readyz")
    assert status == 200
    assert '"policies": 10' in text
    assert (await admin(gateway, "/nope"))[0] == 404
    assert (await admin(gateway, "/healthz", "POST"))[0] == 405


async def test_metrics_are_fed_by_the_events_of_requests(gateway: Harness) -> None:
    await gateway.get("Property?$top=2&$select=ListPrice&$filter=PropertyType in ('Residential Lease')", "demo-vow")
    await gateway.get("Property?$filter=Nope eq 1")

    _, text = await admin(gateway, "/metrics")

    assert 'gateway_requests_total{reason="",status="200"} 1.0' in text
    assert 'gateway_requests_total{reason="InvalidQuery",status="400"} 1.0' in text
    assert "gateway_records_delivered_total 2.0" in text
    assert "gateway_fields_hidden_total 2.0" in text
    assert "gateway_upstream_requests_total 1.0" in text
    assert "gateway_snapshot_revision 1.0" in text


@pytest.mark.channel("C168", "C262", "C267")
@pytest.mark.parametrize(
    "path",
    ["healthz", "readyz", "metrics", "swagger", "openapi.json", "v1/developers/templates", "replication/Property"],
)
async def test_admin_paths_on_the_clients_port_equal_nowhere(gateway: Harness, path: str) -> None:
    nowhere = await gateway.get("Nope")

    for target in (path, "../../" + path):
        assert (await gateway.get(target)).body == nowhere.body
    assert (await gateway.request("GET", f"/{path}", "demo-private")).body == nowhere.body
