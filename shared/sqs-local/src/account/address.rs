//! URLs of queues.

use super::settings::ACCOUNT;
use crate::error::{Error, ErrorKind};

/// Writes the URL of a queue.
pub(super) fn write(endpoint: &str, name: &str) -> String {
    format!("{endpoint}/{ACCOUNT}/{name}")
}

/// Reads the name of the queue from its URL. Only the path counts, so that a queue is found by
/// whatever name its host has for the client.
pub(super) fn read(url: &str) -> Result<&str, Error> {
    if url.is_empty() {
        return Err(Error::missing("QueueUrl"));
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let mut parts = path.strip_prefix('/').unwrap_or_default().split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(ACCOUNT), Some(name), None) if !name.is_empty() => Ok(name),
        (Some(account), Some(name), None) if !account.is_empty() && !name.is_empty() => {
            Err(Error::no_such_queue())
        }
        _ => Err(Error::new(
            ErrorKind::InvalidAddress,
            format!("The address {url} is not valid for this endpoint."),
        )),
    }
}

/// Reads the name of the queue from its ARN.
pub(super) fn read_arn<'a>(arn: &'a str, parameter: &str) -> Result<&'a str, Error> {
    if arn.is_empty() {
        return Err(Error::missing(parameter));
    }
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", "aws", "sqs", _, _, name] if !name.is_empty() => Ok(name),
        _ => Err(Error::invalid(format!(
            "You must use this format to specify the {parameter}: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        ))),
    }
}

/// Reads the name of a queue from its name, URL or ARN, however wrong that may be.
pub(super) fn name_in(text: &str) -> Option<&str> {
    text.rsplit(['/', ':'])
        .next()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_counts() {
        for url in [
            "http://localhost:9324/000000000000/orders",
            "https://sqs.us-east-1.amazonaws.com/000000000000/orders",
            "/000000000000/orders",
        ] {
            assert_eq!(read(url), Ok("orders"), "{url}");
        }
        assert_eq!(read(&write("http://h:1", "orders")), Ok("orders"));
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        for (url, kind) in [
            ("", ErrorKind::MissingParameter),
            ("orders", ErrorKind::InvalidAddress),
            ("http://localhost", ErrorKind::InvalidAddress),
            ("http://localhost/orders", ErrorKind::InvalidAddress),
            ("http://localhost/000000000000/", ErrorKind::InvalidAddress),
            (
                "http://localhost/000000000000/a/b",
                ErrorKind::InvalidAddress,
            ),
            (
                "http://localhost/123456789012/orders",
                ErrorKind::QueueDoesNotExist,
            ),
        ] {
            assert_eq!(read(url).unwrap_err().kind, kind, "{url}");
        }
    }

    #[test]
    fn an_arn_names_a_queue_of_this_service() {
        assert_eq!(
            read_arn("arn:aws:sqs:r:000000000000:orders", "A"),
            Ok("orders")
        );
        for (arn, kind) in [
            ("", ErrorKind::MissingParameter),
            ("orders", ErrorKind::InvalidParameterValue),
            ("arn:aws:sns:r:0:orders", ErrorKind::InvalidParameterValue),
            ("arn:aws:sqs:r:0:", ErrorKind::InvalidParameterValue),
            ("arn:aws:sqs:r:0:a:b", ErrorKind::InvalidParameterValue),
        ] {
            assert_eq!(read_arn(arn, "A").unwrap_err().kind, kind, "{arn}");
        }
    }
}
