"""Writes the Grafana dashboard from the table below: deploy/grafana/gateway.json.

    python -m tools.dashboard

A test holds the file to the table, and every expression to what a Prometheus knows that has scraped a gateway.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "gateway.json"
#: Instances that are looked at: all, or some of them.
_ON = 'job="gateway", instance=~"$instance"'
#: Row to panels; each has a title, a unit of Grafana, and its expressions with their legends.
ROWS: tuple[tuple[str, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]], ...] = (
    ("Requests", (
        ("Requests a second, by status", "reqps", ((f"sum by (status) (rate(gateway_requests_total{{{_ON}}}[$__rate_interval]))", "{{status}}"),)),
        ("Refusals a second, by reason", "reqps", ((f'sum by (reason) (rate(gateway_requests_total{{{_ON}, reason!=""}}[$__rate_interval]))', "{{reason}}"),)),
        ("Time of a request", "s", tuple(
            (f"histogram_quantile({quantile}, sum by (le) (rate(gateway_request_seconds_bucket{{{_ON}}}[$__rate_interval])))", f"p{quantile[2:]}")
            for quantile in ("0.50", "0.95", "0.99"))),
        ("Of it in the gateway", "s", tuple(
            (f"histogram_quantile({quantile}, sum by (le) (rate(gateway_own_seconds_bucket{{{_ON}}}[$__rate_interval])))", f"p{quantile[2:]}")
            for quantile in ("0.50", "0.95", "0.99"))),
        ("Bytes a second", "Bps", ((f"sum by (instance) (rate(gateway_bytes_sent_total{{{_ON}}}[$__rate_interval]))", "{{instance}}"),)),
    )),
    ("Policy", (
        ("Records delivered a second", "short", ((f"sum(rate(gateway_records_delivered_total{{{_ON}}}[$__rate_interval]))", "records"),)),
        ("Withheld a second", "short", (
            (f"sum(rate(gateway_fields_hidden_total{{{_ON}}}[$__rate_interval]))", "conditional fields"),
            (f"sum(rate(gateway_photos_cut_total{{{_ON}}}[$__rate_interval]))", "photos"),
            (f"sum(rate(gateway_records_dropped_total{{{_ON}}}[$__rate_interval]))", "records that should not have come"),
            (f"sum(rate(gateway_unknown_members_total{{{_ON}}}[$__rate_interval]))", "members that came unasked"))),
        ("Rules that had an effect, a second", "short", ((f"sum by (kind) (rate(gateway_rules_fired_total{{{_ON}}}[$__rate_interval]))", "{{kind}}"),)),
        ("Contradictions of the profile", "short", (
            (f"sum(gateway_violations_total{{{_ON}}})", "violations"),
            (f"sum(gateway_distrusted{{{_ON}}}) or vector(0)", "kinds of trust that are lost"))),
    )),
    ("Upstream", (
        ("Answers a second, by status", "reqps", ((f"sum by (status) (rate(gateway_upstream_answers_total{{{_ON}}}[$__rate_interval]))", "{{status}}"),)),
        ("Time waited for it, by request", "s", tuple(
            (f"histogram_quantile({quantile}, sum by (le) (rate(gateway_upstream_seconds_bucket{{{_ON}}}[$__rate_interval])))", f"p{quantile[2:]}")
            for quantile in ("0.50", "0.95", "0.99"))),
        ("Its requests for one of ours", "short", (
            (f"sum(rate(gateway_upstream_requests_total{{{_ON}}}[$__rate_interval])) / sum(rate(gateway_requests_total{{{_ON}}}[$__rate_interval]))", "requests"),)),
        ("Protection", "short", (
            (f"sum(rate(gateway_upstream_retries_total{{{_ON}}}[$__rate_interval]))", "retries a second"),
            (f"max(gateway_upstream_breaker{{{_ON}}})", "left alone"))),
        ("Changes of its metadata", "short", ((f"sum by (kind) (increase(gateway_schema_changes_total{{{_ON}}}[1h]))", "{{kind}}"),)),
    )),
    ("Saturation", (
        ("Requests under way", "short", ((f"sum by (instance) (gateway_requests_under_way{{{_ON}}})", "{{instance}}"),)),
        ("Workers", "short", (
            (f"sum by (instance) (gateway_workers{{{_ON}}})", "{{instance}}"),
            (f"sum(increase(gateway_worker_deaths_total{{{_ON}}}[1h]))", "deaths in an hour"))),
        ("Refused for want of room, a second", "reqps", (
            (f'sum(rate(gateway_requests_total{{{_ON}, status="503"}}[$__rate_interval])) or vector(0)', "503"),
            (f'sum(rate(gateway_requests_total{{{_ON}, status="429"}}[$__rate_interval])) or vector(0)', "429"))),
        ("Questions that were known", "percentunit", (
            (f'sum(rate(gateway_parses_total{{{_ON}, cache="known"}}[$__rate_interval])) / sum(rate(gateway_parses_total{{{_ON}}}[$__rate_interval]))', "known"),)),
        ("Log", "short", (
            (f"sum(increase(gateway_records_lost_total{{{_ON}}}[1h]))", "lines lost in an hour"),
            (f"max(gateway_decision_log_failing{{{_ON}}})", "cannot be written"),
            (f"sum(increase(gateway_answers_withheld_total{{{_ON}}}[1h]))", "answers withheld in an hour"))),
    )),
    ("Configuration", (
        ("Policies", "short", (
            (f"min by (instance) (gateway_policies{{{_ON}}})", "{{instance}}"),
            (f"sum(gateway_policy_faults{{{_ON}}})", "faults"),
            (f"max(gateway_closed_sets{{{_ON}}})", "entity sets closed"))),
        ("Age of what is served", "s", ((f"time() - min by (instance) (gateway_snapshot_seconds{{{_ON}}})", "{{instance}}"),)),
        ("Reloads in an hour", "short", (
            (f"sum by (how) (increase(gateway_reloads_total{{{_ON}}}[1h]))", "{{how}}"),
            (f"max(gateway_reload_refused{{{_ON}}})", "files are refused now"))),
        ("Administration, a second", "reqps", ((f"sum by (status) (rate(gateway_admin_requests_total{{{_ON}}}[$__rate_interval])) or vector(0)", "{{status}}"),)),
    )),
)  # fmt: skip
_WIDTH, _HEIGHT = 24, 7


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, found in ROWS:
        panels.append(
            {"type": "row", "title": row, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": _WIDTH, "h": 1}}
        )
        y += 1
        for position, (title, unit, targets) in enumerate(found):
            column, line = position % 3, position // 3
            panels.append(_panel(title, unit, targets, column * 8, y + line * _HEIGHT))
        y += -(-len(found) // 3) * _HEIGHT
    for identity, panel in enumerate(panels, 1):
        panel["id"] = identity
    return {
        "uid": "gateway",
        "title": "Gateway",
        "tags": ["gateway"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance", "type": "query", "datasource": _source(), "includeAll": True, "multi": True,
                    "query": 'label_values(up{job="gateway"}, instance)', "refresh": 2,
                },
            ]
        },
        "panels": panels,
    }  # fmt: skip


def _source() -> dict[str, str]:
    return {"type": "prometheus", "uid": "${datasource}"}


def _panel(title: str, unit: str, targets: tuple[tuple[str, str], ...], x: int, y: int) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _source(),
        "gridPos": {"x": x, "y": y, "w": 8, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _source(), "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(targets)
        ],
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
