use std::net::IpAddr;

/// Accepts addresses that are encrypted, or of this machine.
///
/// A name is this machine if it is `localhost`; what any other resolves to is somebody else's say.
///
/// # Errors
///
/// The end of a sentence that begins with the address: where it leads in the clear.
pub fn check_encrypted(url: &str) -> Result<(), String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Ok(());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host_of(authority);
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match is_local {
        true => Ok(()),
        false => Err(format!(
            "leads to {host} in the clear, and that is not this machine; write https://"
        )),
    }
}

fn host_of(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for (url, is_accepted) in [
            ("https://sqs.eu-central-1.amazonaws.com", true),
            ("https://sqs.internal:9324/000000000000/billing", true),
            ("http://127.0.0.1:9324", true),
            ("http://127.8.8.8/000000000000/billing", true),
            ("http://localhost:4566/", true),
            ("http://[::1]:9324", true),
            ("http://sqs.internal:9324", false),
            ("http://sqs.eu-central-1.amazonaws.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://127.0.0.1@example.com", false),
            ("http://localhost.example.com/127.0.0.1", false),
            ("http://192.0.2.7?localhost", false),
            ("http://0.0.0.0:9324", false),
        ] {
            assert_eq!(check_encrypted(url).is_ok(), is_accepted, "{url}");
        }
    }
}
