"""Asks the upstream the questions of ``policy.probes``, and takes away the trust that its answers contradict."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.edge.scan import BrokenAnswerError, Source
from gateway.edge.trust import UpstreamTrust
from gateway.odata.ast import TRUE
from gateway.odata.csdl import Schema
from gateway.odata.json_format import BodyError
from gateway.odata.printer import print_query
from gateway.policy.plan import RecordPlan
from gateway.policy.probes import Probe
from gateway.redact.rows import Row
from gateway.upstream.client import UpstreamFailure
from gateway.upstream.next_links import Place


async def ask_probes(probes: Iterable[Probe], source: Source, schema: Schema, trust: UpstreamTrust) -> str:
    """Asks one probe after the other; those whose answer could cost nothing more are left out. Gives what went wrong,
    for the log: an upstream that does not answer contradicts nothing."""
    failed = ""
    for probe in probes:
        if not any(trust.profile.trusts_kind(kind, probe.resource) for kind in probe.kinds):
            continue
        try:
            page = await source.ask(probe.resource, Place(print_query(probe.query)), 10)
        except (UpstreamFailure, BrokenAnswerError, BodyError) as error:
            failed = f"a probe of {probe.resource} was not answered: {error}"
            continue
        types = schema.type_of(probe.resource).properties
        plan = RecordPlan(probe.resource, (), TRUE, TRUE, TRUE, (), (), types, trust.profile.reading)
        if all(Row(record, plan).holds(probe.holds) for record in page.collection.records):
            continue
        trust.lose(probe.kinds, probe.resource, "a probe of a rule was answered with a record that it excludes")
    return failed
