#!/usr/bin/env python3
"""Writes fleet.json, the Grafana dashboard of a fleet; needs nothing but Python.

usage: infra/grafana/fleet.py [--check]

The first row is the verdict: does the fleet keep up? Each row below says why it
does or does not. With --check it compares with what is committed.
"""

import json
import sys
from pathlib import Path

COMMITTED = Path(__file__).with_name("fleet.json")

# Grafana's grid has so many columns.
COLUMNS = 24

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
Q = 'queue=~"$queue"'
RATE = "[$__rate_interval]"


def stat(title, says, expr, unit, red, none="0"):
    """One figure of the verdict: green below `red`, and `none` where nothing is known."""
    steps = [{"color": "green", "value": None}, {"color": "red", "value": red}]
    defaults = {"unit": unit, "noValue": none, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "type": "stat",
        "title": title,
        "description": says,
        "targets": targets([(expr, "")]),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
    }


def graph(title, says, unit, *series, stacked=False):
    """Curves over time; each of `series` is an expression and its legend."""
    stacking = {"mode": "normal" if stacked else "none"}
    custom = {"stacking": stacking, "fillOpacity": 20 if stacked else 0}
    defaults = {"unit": unit, "min": 0, "custom": custom}
    return {
        "type": "timeseries",
        "title": title,
        "description": says,
        "targets": targets(series),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}},
    }


def targets(series):
    return [
        {"refId": chr(65 + at), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend}
        for at, (expr, legend) in enumerate(series)
    ]


def quantile(share, metric, *by):
    labels = ", ".join((*by, "le"))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{Q}}}{RATE})))"


VERDICT = [
    stat(
        "Lag",
        "How old the oldest waiting message is, of the worst queue. Over 5 minutes: FleetLagHigh.",
        f"max(fleet_queue_oldest_message_age_seconds{{{Q}}} >= 0)",
        "s",
        300,
        none="nobody measures",
    ),
    stat(
        "Dead letters",
        "Messages in all dead-letter queues, looked at or not. Any: FleetDlqNotEmpty.",
        f"sum(max by (queue) (fleet_dlq_messages{{{Q}}} >= 0))",
        "short",
        1,
        none="nobody measures",
    ),
    stat(
        "Oldest in the outbox",
        "How long the oldest event has waited to be sent. Over 2 minutes: FleetOutboxStuck.",
        "max(fleet_outbox_oldest_age_seconds >= 0)",
        "s",
        120,
        none="no relay",
    ),
    stat(
        "Missed freshness, 1 h",
        "Share of the messages whose effect came later than 60 s after they were sent. The objective "
        "is 0.1 %; 1.44 % is a page.",
        f"max(queue:fleet_freshness_missed:ratio_rate1h{{{Q}}} >= 0)",
        "percentunit",
        0.0144,
        none="no traffic",
    ),
    stat(
        "Failing checks",
        "Checks of /readyz that fail, over all processes: database, schema, queues.",
        "count(fleet_ready == 0) or vector(0)",
        "short",
        1,
    ),
    stat(
        "Paused consumers",
        "Consumers that an operator has paused; `fleet queues` shows who and why.",
        f"sum(max by (queue) (fleet_paused{{{Q}}})) or vector(0)",
        "short",
        1,
    ),
]

ROWS = [
    (
        "Queues: does work wait?",
        [
            graph(
                "Lag",
                "How old the oldest waiting message of each queue is.",
                "s",
                (f"max by (queue) (fleet_queue_oldest_message_age_seconds{{{Q}}} >= 0)", "{{queue}}"),
            ),
            graph(
                "Messages in the queue",
                "What SQS counts: visible is the backlog, in flight is worked on, delayed waits for a retry.",
                "short",
                (
                    f"sum by (state) (max by (queue, state) (fleet_queue_messages{{{Q}}} >= 0))",
                    "{{state}}",
                ),
                stacked=True,
            ),
            graph(
                "Processes: there and needed",
                "Processes that consume each queue, and how many would keep the lag within the objective.",
                "short",
                (f"count by (queue) (fleet_concurrency_limit{{{Q}}})", "{{queue}}"),
                (f"max by (queue) (fleet_workers_needed{{{Q}}} >= 0)", "{{queue}} needs"),
            ),
            graph(
                "Permits in use",
                "Share of the permits that are taken. Near 100 % with a backlog: FleetSaturated.",
                "percentunit",
                (
                    f"sum by (queue) (fleet_inflight_messages{{{Q}}})"
                    f" / sum by (queue) (fleet_concurrency_limit{{{Q}}})",
                    "{{queue}}",
                ),
            ),
        ],
    ),
    (
        "Messages: what becomes of them?",
        [
            graph(
                "Ended, by outcome",
                "Deliveries a second. Everything but processed and duplicate comes back or dies.",
                "ops",
                (
                    f"sum by (outcome) (rate(fleet_messages_processed_total{{{Q}}}{RATE})) > 0",
                    "{{outcome}}",
                ),
                stacked=True,
            ),
            graph(
                "From sent to effect",
                "Time from when a message was first sent to the commit of its effect.",
                "s",
                (quantile(0.5, "fleet_message_critical_time_seconds", "queue"), "{{queue}} p50"),
                (quantile(0.99, "fleet_message_critical_time_seconds", "queue"), "{{queue}} p99"),
            ),
            graph(
                "Handlers, p99",
                "Time from the start of a handler to its outcome.",
                "s",
                (
                    quantile(0.99, "fleet_message_process_duration_seconds", "queue", "handler"),
                    "{{queue}} {{handler}}",
                ),
            ),
            graph(
                "Waiting for a handler, p99",
                "Time from when a message was sent to the start of its handler.",
                "s",
                (quantile(0.99, "fleet_message_queue_time_seconds", "queue"), "{{queue}}"),
            ),
        ],
    ),
    (
        "Dead letters: what is about to be lost?",
        [
            graph(
                "Dead letters",
                "Messages in the dead-letter queue of each queue.",
                "short",
                (f"max by (queue) (fleet_dlq_messages{{{Q}}} >= 0)", "{{queue}}"),
            ),
            graph(
                "Until the oldest is deleted",
                "What is left of the retention. Below 3 days: FleetDlqNearRetention.",
                "s",
                (f"queue:fleet_dlq_time_left_seconds:min{{{Q}}}", "{{queue}}"),
            ),
            graph(
                "Dying, by reason",
                "Copies to dead-letter queues a second.",
                "ops",
                (
                    f"sum by (queue, reason) (rate(fleet_dead_lettered_total{{{Q}}}{RATE})) > 0",
                    "{{queue}} {{reason}}",
                ),
            ),
            graph(
                "Brought back",
                "Messages out of replays that came to their end, a second.",
                "ops",
                (f"sum by (queue) (rate(fleet_replayed_total{{{Q}}}{RATE}))", "{{queue}}"),
            ),
        ],
    ),
    (
        "Outbox: do events leave?",
        [
            graph(
                "Rows that wait",
                "Rows that wait to be sent, and those that SQS will never take.",
                "short",
                ("max(fleet_outbox_pending >= 0)", "waiting"),
                ("max(fleet_outbox_parked >= 0)", "parked"),
            ),
            graph(
                "Sent",
                "Rows a second that SQS took, and that it did not.",
                "ops",
                (f"sum(rate(fleet_outbox_published_total{RATE}))", "sent"),
                (f"sum(rate(fleet_outbox_publish_errors_total{RATE}))", "not taken"),
            ),
        ],
    ),
    (
        "SQS: does it answer, and what does it cost?",
        [
            graph(
                "Requests that fail",
                "Share of the requests of each operation. Over 50 %: FleetSqsErrors.",
                "percentunit",
                ("operation:fleet_sqs_errors:ratio_rate5m", "{{operation}}"),
            ),
            graph(
                "Requests for a thousand messages",
                "What SQS charges for, over the last hour.",
                "short",
                ("fleet:sqs_requests_per_1000_messages:rate1h", "requests"),
            ),
            graph(
                "Leases",
                "Heartbeats that failed and are tried again, and leases that were lost, a second.",
                "ops",
                (
                    f'sum by (queue) (rate(fleet_lease_extensions_total{{{Q}, result="failed"}}{RATE}))',
                    "{{queue}} failed",
                ),
                (f"sum by (queue) (rate(fleet_leases_lost_total{{{Q}}}{RATE}))", "{{queue}} lost"),
            ),
            graph(
                "Acknowledgements that were not confirmed",
                "Each is a redelivery, which is dropped as a duplicate; no effect is lost.",
                "ops",
                (
                    f'sum by (queue, result) (rate(fleet_acks_total{{{Q}, result=~"failed|unconfirmed"}}{RATE}))',
                    "{{queue}} {{result}}",
                ),
            ),
        ],
    ),
    (
        "Postgres and other dependencies",
        [
            graph(
                "Connections",
                "Connections of the work, over all processes, and how many there may be.",
                "short",
                ("sum by (state) (fleet_database_connections)", "{{state}}"),
                ("sum(fleet_database_connections_limit)", "limit"),
            ),
            graph(
                "Waiting for a connection",
                "Callers that wait: the pool is too small, or transactions are too long.",
                "short",
                ("sum by (instance) (fleet_database_waiting)", "{{instance}}"),
            ),
            graph(
                "Breakers",
                "0 closed, 1 half open, 2 open. Above 0 the consumer receives nothing.",
                "short",
                (
                    f"max by (queue, dependency) (fleet_breaker_state{{{Q}}})",
                    "{{queue}} {{dependency}}",
                ),
            ),
            graph(
                "Rows of the tables",
                "As the database estimates them.",
                "short",
                ("max by (table) (fleet_table_rows >= 0)", "{{table}}"),
            ),
        ],
    ),
    (
        "Processes",
        [
            graph(
                "Versions",
                "Processes by version and commit. Two for an hour: FleetVersionSkew.",
                "short",
                ("count by (version, commit) (fleet_build_info)", "{{version}} {{commit}}"),
                stacked=True,
            ),
            graph(
                "Memory",
                "Resident memory of each process.",
                "bytes",
                ("process_resident_memory_bytes and on (instance) fleet_build_info", "{{instance}}"),
            ),
            graph(
                "CPU",
                "Cores that each process uses.",
                "short",
                (
                    f"rate(process_cpu_seconds_total{RATE}) and on (instance) fleet_build_info",
                    "{{instance}}",
                ),
            ),
            graph(
                "Panics and lost log lines",
                "A second. Panics of handlers are charged to their message; lost lines had no reader.",
                "ops",
                (f"sum(rate(fleet_panics_total{RATE}))", "panics"),
                (f"sum(rate(fleet_log_lines_lost_total{RATE}))", "lost lines"),
            ),
        ],
    ),
]


def placed():
    """Gives every panel its id and its place: the verdict first, then a row a question."""
    panels, top = [], 0

    def add(panel, x, width, height):
        grid = {"x": x, "y": top, "w": width, "h": height}
        panels.append({"id": len(panels) + 1, "datasource": DATASOURCE, **panel, "gridPos": grid})

    rows = [("Verdict: does the fleet keep up?", VERDICT, 4), *((*row, 8) for row in ROWS)]
    for title, content, height in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
                "panels": [],
            }
        )
        top += 1
        width = COLUMNS // len(content)
        for at, panel in enumerate(content):
            add(panel, at * width, width, height)
        top += height
    return panels


def dashboard():
    return {
        "uid": "fleet",
        "title": "Fleet",
        "description": "SQS consumers: do they keep up, and if not, why? Made by infra/grafana/fleet.py.",
        "tags": ["fleet", "sqs"],
        "timezone": "utc",
        "schemaVersion": 38,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "queue",
                    "label": "Queue",
                    "type": "query",
                    "datasource": DATASOURCE,
                    "query": "label_values(fleet_queue_messages, queue)",
                    "refresh": 2,
                    "sort": 1,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": placed(),
    }


def main():
    made = json.dumps(dashboard(), indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if COMMITTED.read_text() != made:
            sys.exit(f"{COMMITTED} is not what {sys.argv[0]} makes; type: {sys.argv[0]}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        COMMITTED.write_text(made)


if __name__ == "__main__":
    main()
