"""``gateway demo``: the product in front of its embedded sandbox, with five keys to try."""

from __future__ import annotations

import asyncio
import secrets
import tempfile

import rich_click as click

from gateway.cli.common import load, packaged

#: The digests of config/keys.yaml are made with this; it protects nothing and is meant to be known.
DEMO_PEPPER = "pepper of the demo, no secret"
_ROOT = "/Reso/OData"
_TRY = """
gateway demo is up. Five keys, five licences on the same records:

  demo-idx      IDX template: active listings of portal A, no ListPrice on Residential
  demo-vow      VOW template: sold data, five photos, no ListPrice on leases
  demo-private  staff: everything but credentials
  demo-desk     a member who enters listings: POST, PATCH and DELETE of Property
  demo-office   the VOW template with a privilege: shows which users an office may act as

Try:

  curl -H 'Authorization: Bearer demo-idx' '{url}/Property?$top=2&$select=ListingKey,PropertyType,ListPrice'
  curl -H 'Authorization: Bearer demo-vow' '{url}/Property?$top=1&$select=City,PhotosCount&$expand=Media($select=Order)'
  curl -H 'Authorization: Bearer demo-private' '{url}/Property/$count'
  curl -H 'Authorization: Bearer demo-idx' '{url}/Property?$filter=PrivateRemarks%20ne%20null'
  curl -H 'Authorization: Bearer demo-idx' '{url}/Property?$filter=NeverExisted1%20ne%20null'
  curl -H 'Authorization: Bearer demo-idx' '{url}/Office(%27O002%27)?$select=OfficeKey&$expand=ExternalProducts'
  curl -H 'Authorization: Bearer demo-office' '{url}/Office(%27O002%27)?$select=OfficeKey&$expand=DelegatedAccess'
  curl -H 'Authorization: Bearer demo-vow' '{url}/Office(%27O002%27)?$select=OfficeKey&$expand=DelegatedAccess'
  curl -H 'Authorization: Bearer demo-desk' --json '{{"City": 7, "OwnerNam": "x"}}' '{url}/Property'

Staff manage templates and keys on their own port (docs/administration.md); what is saved here is gone at the end:

  curl -H 'Authorization: Bearer demo-private' http://127.0.0.1:{admin}/v1/developers/templates

Health and metrics: http://127.0.0.1:{admin}/readyz and /metrics. The upstream, unprotected: http://127.0.0.1:{upstream}{root}
Every line below is the decision record of a request. Stop with Ctrl-C.
"""


@click.command()
@click.option("--port", default=8080, show_default=True, help="Where clients are listened to.")
@click.option("--admin-port", default=8081, show_default=True, help="Where health and metrics are.")
@click.option("--upstream-port", default=8082, show_default=True, help="Where the sandbox is.")
def demo(port: int, admin_port: int, upstream_port: int) -> None:
    """Run the gateway in front of an embedded RESO server with synthetic listings."""
    from gateway.edge.accepting import ListenError

    try:
        asyncio.run(_demo(port, admin_port, upstream_port))
    except (ListenError, OSError) as error:
        raise click.ClickException(f"{error}; --port, --admin-port and --upstream-port choose others") from None


async def _demo(port: int, admin_port: int, upstream_port: int) -> None:
    from gateway.cli.serve import stop_event
    from gateway.edge.service import Service
    from gateway.observe.logs import DecisionLog
    from gateway.sandbox.server import Sandbox

    stop = stop_event()
    sandbox = Sandbox()
    state = tempfile.TemporaryDirectory(prefix="gateway-demo-")
    try:
        await sandbox.start(port=upstream_port)
        configuration = load(
            packaged("config"),
            {
                "GATEWAY__PUBLIC_URL": f"http://127.0.0.1:{port}{_ROOT}",
                "GATEWAY__LISTEN__PORT": str(port),
                "GATEWAY__ADMIN__PORT": str(admin_port),
                "GATEWAY__UPSTREAM__URL": sandbox.url,
                "GATEWAY__STATE_DIR": state.name,
                "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER,
                "GATEWAY__SECURITY__TOKEN_KEYS": secrets.token_hex(64),
            },
        )
        async with Service(configuration, DecisionLog(configuration.settings.log.level)):
            click.echo(
                _TRY.format(url=f"http://127.0.0.1:{port}{_ROOT}", admin=admin_port, upstream=sandbox.port, root=_ROOT)
            )
            await stop.wait()
    finally:
        await sandbox.stop()
        state.cleanup()
