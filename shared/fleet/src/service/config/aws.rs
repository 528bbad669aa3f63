use super::reader::{Reader, anything};
use super::transit::check_encrypted;

/// The variables of the AWS SDK that the fleet looks at; the SDK itself reads
/// these and all others, credentials above all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsConfig {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`; `None` when a profile decides.
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL_SQS`, else `AWS_ENDPOINT_URL`; `None` for AWS itself.
    pub endpoint_url: Option<String>,
}

impl AwsConfig {
    /// Reads the section, and requires a region or a profile that can name one:
    /// without either, the first request would fail long after the start.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let region = first(reader, ["AWS_REGION", "AWS_DEFAULT_REGION"], anything);
        let endpoint_url = first(
            reader,
            ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"],
            |url| http_url(url),
        );
        if region.is_none() && !has_profile(reader) {
            reader.problem(
                "AWS_REGION",
                "is not set, and no profile names a region; set it to the queues' region, \
                 such as eu-central-1",
            );
        }
        Self {
            region,
            endpoint_url,
        }
    }
}

/// Reads the first of two variables that is set.
fn first(
    reader: &mut Reader<'_>,
    names: [&str; 2],
    check: impl Fn(&String) -> Result<(), String>,
) -> Option<String> {
    let [preferred, fallback] = names;
    let name = if reader.peek(preferred).is_none() && reader.peek(fallback).is_some() {
        fallback
    } else {
        preferred
    };
    reader.optional(name, check)
}

fn has_profile(reader: &Reader<'_>) -> bool {
    let named = ["AWS_PROFILE", "AWS_CONFIG_FILE"]
        .iter()
        .any(|name| reader.peek(name).is_some());
    named
        || reader.peek("HOME").is_some_and(|home| {
            std::path::Path::new(&home)
                .join(".aws")
                .join("config")
                .is_file()
        })
}

fn http_url(url: &str) -> Result<(), String> {
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    if host.is_some_and(|host| host.contains('@')) {
        return Err(
            "carries a user or a password, which SQS has no use for; take it out".to_owned(),
        );
    }
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) {
        return check_encrypted(url);
    }
    Err("is not an address; give one such as http://127.0.0.1:9324".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reader::load;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<AwsConfig, String> {
        let env: BTreeMap<_, _> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        load(&env, AwsConfig::read)
            .map(|loaded| loaded.settings)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_region_or_a_profile_is_required() {
        assert!(
            read(&[])
                .expect_err("neither")
                .contains("AWS_REGION: is not set")
        );
        assert_eq!(read(&[("AWS_PROFILE", "shop")]).unwrap().region, None);
        let region = |name| read(&[(name, "eu-central-1")]).unwrap().region;
        assert_eq!(region("AWS_REGION").as_deref(), Some("eu-central-1"));
        assert_eq!(
            region("AWS_DEFAULT_REGION").as_deref(),
            Some("eu-central-1")
        );
    }

    #[test]
    fn an_endpoint_is_an_http_address_without_a_password() {
        let with = |url| {
            read(&[
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ENDPOINT_URL_SQS", url),
            ])
        };
        assert!(with("http://127.0.0.1:9324").is_ok());
        assert!(with("https://sqs.internal").is_ok());
        for url in [
            "127.0.0.1:9324",
            "http://",
            "ftp://host",
            "http://u:p@127.0.0.1:9324",
            "http://sqs.internal:9324",
        ] {
            assert!(
                with(url).expect_err(url).contains("AWS_ENDPOINT_URL_SQS"),
                "{url}"
            );
            assert!(!with(url).expect_err(url).contains("u:p"), "{url}");
        }
    }
}
