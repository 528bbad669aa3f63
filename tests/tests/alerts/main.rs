//! The alerts: what stands in `infra/prometheus` and `docs/runbook`, and a real Prometheus that
//! calls when something is wrong.
#![forbid(unsafe_code)]

mod catalogue;

mod commands;

mod dashboard;

mod live;

mod names;

mod pages;

mod promtool;
