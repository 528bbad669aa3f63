//! A real Prometheus watches a real fleet in which something goes wrong.

use fleet_tests::books::{order, placed};
use fleet_tests::process::Signal;
use fleet_tests::prometheus::{Prometheus, tools};
use fleet_tests::site::Site;

/// The lag that calls somebody, in place of five minutes.
const SHORT_LAG: [(&str, &str); 1] = [("> 300", "> 4")];

#[tokio::test]
async fn a_poison_message_calls_until_somebody_has_done_more_than_look() {
    let name = "a_poison_message_calls_until_somebody_has_done_more_than_look";
    let Some(tools) = tools(name).await else {
        return;
    };
    let site = Site::new().await;
    let (_run, runs) = site.start_ready(&["run"]).await;
    let prometheus = Prometheus::start(&tools, &SHORT_LAG).await;
    prometheus.watch(&[&runs]).await;

    site.queue.send("no envelope", Default::default()).await;
    site.dead_letters.until_holds(1).await;
    // Looking at it hides it from receives, before it is measured.
    assert_eq!(site.dead_letters.peek().await.len(), 1);
    let alert = prometheus.until_fires("FleetDlqNotEmpty", "billing").await;
    assert_eq!(alert["labels"]["severity"], "ticket");
    let says = alert["annotations"]["description"].as_str();
    let command = "`fleet dlq group billing`";
    assert!(says.is_some_and(|says| says.contains(command)), "{alert}");
}

#[tokio::test]
async fn consumers_that_have_stopped_call_until_they_are_back() {
    let name = "consumers_that_have_stopped_call_until_they_are_back";
    let Some(tools) = tools(name).await else {
        return;
    };
    let site = Site::new().await;
    // It measures when no consumer is left.
    let (_relay, relays) = site.start_ready(&["relay"]).await;
    let (run, runs) = site.start_ready(&["run"]).await;
    let prometheus = Prometheus::start(&tools, &SHORT_LAG).await;
    prometheus.watch(&[&runs, &relays]).await;

    run.signal(Signal::Terminate);
    run.ended().await.with_code(0);
    prometheus.watch(&[&relays]).await;
    for id in 0..5 {
        let body = placed(&order(&id.to_string(), 1));
        site.queue.send(&body, Default::default()).await;
    }
    prometheus.until_fires("FleetNoConsumers", "billing").await;
    let alert = prometheus.until_fires("FleetLagHigh", "billing").await;
    assert_eq!(alert["labels"]["severity"], "page");

    let (_run, runs) = site.start_ready(&["run"]).await;
    prometheus.watch(&[&runs, &relays]).await;
    site.books.until_count("billing.invoices", 5).await;
    prometheus
        .until_resolved("FleetNoConsumers", "billing")
        .await;
    prometheus.until_resolved("FleetLagHigh", "billing").await;
}
