use fleet::service::config::{AwsConfig, ConsumerConfig, consumer_prefix};

use super::facts::Facts;
use super::finding::{Examination, Fault, rules};
use crate::address::{authority_of, host_of, is_local_host};

rules! {
    ENDPOINT_PLAINTEXT = Error "endpoint-plaintext"
        "Whoever is on the way would read and change messages, so no request is sent there; AWS itself wants TLS 1.2 (SQS developer guide, \"Infrastructure security\").";
    ENDPOINT_FOREIGN = Warning "endpoint-foreign"
        "Every message and every signed request goes to that host, which is neither AWS nor this machine (AWS SDKs reference guide, \"Service-specific endpoints\").";
    QUEUE_URL_ELSEWHERE = Warning "queue-url-elsewhere"
        "The SDK asks its endpoint, whatever host the queue's URL names: what is looked at and consumed is not that queue (AWS SDKs reference guide, \"Service-specific endpoints\").";
    QUEUE_REGION_DIFFERS = Error "queue-region-differs"
        "Requests go to the endpoint of AWS_REGION, and a queue exists in its own region only (SQS developer guide, \"Queue and message identifiers\").";
}

/// The suffixes of AWS's own hosts: the usual one, China's, and that of dual-stack endpoints.
const AWS_SUFFIXES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];

/// Judges where requests go.
pub(super) fn check(examination: &mut Examination, facts: &Facts) {
    let AwsConfig { endpoint_url, .. } = &facts.pieces.aws;
    if let Some(endpoint) = endpoint_url {
        check_endpoint(examination, endpoint);
    }
    for consumer in &facts.pieces.consumers {
        let region = facts.region.as_deref();
        check_queue_url(examination, consumer, endpoint_url.as_deref(), region);
    }
}

fn check_endpoint(examination: &mut Examination, endpoint: &str) {
    const SUBJECT: &str = "AWS_ENDPOINT_URL_SQS";
    let host = host_of(authority_of(endpoint));
    let is_plain = endpoint.starts_with("http://") && !is_local_host(host);
    let plain = is_plain.then(|| {
        let (what, fix) = (
            format!("{endpoint} is not encrypted, and {host} is not this machine"),
            format!("AWS_ENDPOINT_URL_SQS=https://{}", authority_of(endpoint)),
        );
        Fault::new(what, fix)
    });
    examination.judge(&ENDPOINT_PLAINTEXT, SUBJECT, plain);
    let is_foreign = !is_local_host(host) && !is_aws(host);
    let foreign = is_foreign.then(|| {
        let what = format!("{host} is neither an endpoint of AWS nor this machine");
        Fault::new(what, "unset AWS_ENDPOINT_URL_SQS and AWS_ENDPOINT_URL")
    });
    examination.judge(&ENDPOINT_FOREIGN, SUBJECT, foreign);
}

fn check_queue_url(
    examination: &mut Examination,
    consumer: &ConsumerConfig,
    endpoint: Option<&str>,
    region: Option<&str>,
) {
    let url = consumer.queue_url.as_str();
    let authority = authority_of(url);
    let host = host_of(authority);
    let variable = format!("{}_QUEUE_URL", consumer_prefix(&consumer.name));
    let elsewhere = match endpoint {
        Some(endpoint) if !is_same(authority, authority_of(endpoint)) => Some(Fault::new(
            format!("{url} names {authority}, and requests go to {endpoint}"),
            format!(
                "set {variable} to the queue's URL at the endpoint, or unset AWS_ENDPOINT_URL_SQS"
            ),
        )),
        None if !is_aws(host) => Some(Fault::new(
            format!("{url} names {authority}, and requests go to AWS"),
            format!("AWS_ENDPOINT_URL_SQS={}", url_of_endpoint(url)),
        )),
        _ => None,
    };
    examination.judge(&QUEUE_URL_ELSEWHERE, &variable, elsewhere);
    let (Some(of_queue), Some(region)) = (region_of(host), region) else {
        return;
    };
    let differs = (of_queue != region).then(|| {
        let what = format!("the queue is in {of_queue}, and AWS_REGION is {region}");
        Fault::new(what, format!("AWS_REGION={of_queue}"))
    });
    examination.judge(&QUEUE_REGION_DIFFERS, &variable, differs);
}

/// Tells whether two hosts with ports are one; all of AWS counts as one, since its names are many.
fn is_same(a: &str, b: &str) -> bool {
    let port = |authority: &str| authority.rsplit(':').next().map(str::to_owned);
    let (x, y) = (host_of(a), host_of(b));
    a == b || is_aws(x) && is_aws(y) || is_local_host(x) && is_local_host(y) && port(a) == port(b)
}

fn is_aws(host: &str) -> bool {
    AWS_SUFFIXES.iter().any(|suffix| {
        let rest = host.strip_suffix(suffix);
        rest.is_some_and(|rest| rest.ends_with('.'))
    })
}

/// Returns the region that a host of AWS names: `sqs.REGION.…`, or `REGION.queue.…` of old.
fn region_of(host: &str) -> Option<&str> {
    if !is_aws(host) {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let is_sqs = |label: &&str| matches!(*label, "sqs" | "sqs-fips");
    match labels.iter().position(is_sqs) {
        Some(at) => labels.get(at + 1).copied(),
        None => (labels.get(1) == Some(&"queue")).then(|| labels[0]),
    }
}

fn url_of_endpoint(queue_url: &str) -> String {
    let scheme = queue_url
        .split_once("://")
        .map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{}", authority_of(queue_url))
}

#[cfg(test)]
mod tests {
    use super::super::finding::looking::codes;
    use super::super::testing;
    use super::*;

    fn found(endpoint: Option<&str>, url: &str, region: Option<&str>) -> Vec<&'static str> {
        let mut facts = testing::facts(&[("BILLING_QUEUE_URL", url)]);
        facts.pieces.aws.endpoint_url = endpoint.map(str::to_owned);
        facts.region = region.map(str::to_owned);
        codes(|examination| check(examination, &facts))
    }

    #[test]
    fn requests_go_where_the_queue_is() {
        let aws = "https://sqs.eu-central-1.amazonaws.com/123456789012/billing";
        let local = "http://127.0.0.1:9324/000000000000/billing";
        let stand_in = "https://sqs.internal:9324/000000000000/billing";
        let region = Some("eu-central-1");
        for (endpoint, url, region, expected) in [
            (None, aws, region, &[][..]),
            (None, aws, None, &[]),
            (None, aws, Some("us-east-1"), &["queue-region-differs"]),
            (None, local, region, &["queue-url-elsewhere"]),
            (Some("http://127.0.0.1:9324"), local, region, &[]),
            (Some("http://localhost:9324"), local, region, &[]),
            (
                Some("http://127.0.0.1:9325"),
                local,
                region,
                &["queue-url-elsewhere"],
            ),
            (
                Some("http://127.0.0.1:9324"),
                aws,
                region,
                &["queue-url-elsewhere"],
            ),
            (
                Some("https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com"),
                aws,
                region,
                &[],
            ),
            (
                Some("http://sqs.internal:9324"),
                stand_in,
                region,
                &["endpoint-plaintext", "endpoint-foreign"],
            ),
            (
                Some("https://sqs.internal"),
                aws,
                region,
                &["endpoint-foreign", "queue-url-elsewhere"],
            ),
            (
                Some("http://sqs.eu-central-1.amazonaws.com"),
                aws,
                region,
                &["endpoint-plaintext"],
            ),
        ] {
            assert_eq!(
                found(endpoint, url, region),
                expected,
                "{endpoint:?} {url} {region:?}"
            );
        }
    }

    #[test]
    fn a_host_of_aws_names_its_region() {
        for (host, region) in [
            ("sqs.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("sqs-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("eu-west-1.queue.amazonaws.com", Some("eu-west-1")),
            ("queue.amazonaws.com", None),
            ("sqs.eu-west-1.example.com", None),
            ("evilamazonaws.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }
}
