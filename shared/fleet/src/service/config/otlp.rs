use std::fmt;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::value::{Value, words};

/// Whether something is off, in the words of the OpenTelemetry specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disabled {
    /// It is.
    True,
    /// It is not.
    False,
}

/// What becomes of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exporter {
    /// They go to a collector.
    Otlp,
    /// There are none.
    None,
}

/// How spans travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As protobuf in the body of an HTTP request.
    HttpProtobuf,
}

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// All, whatever their producer says.
    AlwaysOn,
    /// None, whatever their producer says.
    AlwaysOff,
    /// A share of all, whatever their producer says.
    Ratio,
    /// Those that their producer records, and all that begin here.
    ParentOrOn,
    /// Those that their producer records.
    ParentOrOff,
    /// Those that their producer records, and a share of those that begin here.
    ParentOrRatio,
}

words!(Disabled, "true" => True, "false" => False);
words!(Exporter, "otlp" => Otlp, "none" => None);
words!(Protocol, "http/protobuf" => HttpProtobuf);
words!(
    Sampler,
    "parentbased_traceidratio" => ParentOrRatio,
    "parentbased_always_on" => ParentOrOn,
    "parentbased_always_off" => ParentOrOff,
    "traceidratio" => Ratio,
    "always_on" => AlwaysOn,
    "always_off" => AlwaysOff
);

/// A share between 0 and 1, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

// It is never NaN.
impl Eq for Ratio {}

impl Ratio {
    /// One in ten.
    pub(super) const TENTH: Self = Self(0.1);

    /// Returns the share.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Value for Ratio {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Self(ratio)),
            _ => Err("is not a share; give a number from 0 to 1, such as 0.1".to_owned()),
        }
    }

    fn render(&self) -> String {
        self.0.to_string()
    }
}

/// The address of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Returns the address.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Tells whether what is sent there can be read on the way.
    pub(super) fn is_open_to_others(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let is_loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        self.0.scheme_str() == Some("http") && !is_loopback
    }

    /// Returns the address of the traces below that of everything.
    pub(super) fn for_traces(&self) -> Self {
        let text = self.0.to_string();
        let below = format!("{}/v1/traces", text.trim_end_matches('/'));
        Self(below.parse().unwrap_or_else(|_| self.0.clone()))
    }
}

impl Value for Endpoint {
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return Err("carries a user or a password; give such in the headers".to_owned());
        }
        let uri = text.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
        });
        uri.map(Self)
            .ok_or_else(|| "is not an address; give one such as http://127.0.0.1:4318".to_owned())
    }

    fn render(&self) -> String {
        self.0.to_string()
    }
}

/// Headers for every request to the collector; they hold its password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Visits the headers.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Value for Headers {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let header = |(name, value): (String, String)| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        };
        let headers = pairs(text).and_then(|pairs| pairs.into_iter().map(header).collect());
        headers.map(Self).ok_or_else(|| {
            "is not a list of headers; give name=value, with commas between".to_owned()
        })
    }

    fn render(&self) -> String {
        "***".to_owned()
    }
}

/// What a process says of itself beside each batch of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceAttributes(Vec<(String, String)>);

impl ResourceAttributes {
    /// Visits names and values.
    pub fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

impl Value for ResourceAttributes {
    fn parse(text: &str) -> Result<Self, String> {
        pairs(text).map(Self).ok_or_else(|| {
            "is not a list of attributes; give key=value, with commas between".to_owned()
        })
    }

    fn render(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// Reads `key=value,key=value`, whose values may be percent-encoded, in the form of W3C Baggage.
///
/// Source: OpenTelemetry specification, "Resource SDK" and "OTLP exporter".
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').filter(|member| !member.trim().is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_traces_have_a_path_below_that_of_everything() {
        for (given, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            (
                "https://localhost/otlp/",
                "https://localhost/otlp/v1/traces",
            ),
        ] {
            let endpoint = Endpoint::parse(given).expect(given);
            assert_eq!(endpoint.for_traces().render(), traces);
        }
    }

    #[test]
    fn an_endpoint_is_an_http_address_without_a_password() {
        for text in [
            "127.0.0.1:4318",
            "grpc://a",
            "http://",
            "http://u:p@a",
            "http://a/?b",
        ] {
            let problem = Endpoint::parse(text).expect_err(text);
            assert!(!problem.contains("u:p"), "{text}");
        }
    }

    #[test]
    fn pairs_are_percent_decoded_and_blanks_around_them_do_not_count() {
        let given = " a = 1%2C2 ,b=,, c=x=y";
        let read = ResourceAttributes::parse(given).expect("well formed");
        assert_eq!(read.render(), "a=1,2,b=,c=x=y");
        for text in ["a", "=1", "a=%ff"] {
            assert!(ResourceAttributes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_never_shown() {
        let headers = Headers::parse("authorization=Basic%20c2VjcmV0").expect("well formed");
        assert_eq!(headers.iter().count(), 1);
        assert_eq!(format!("{headers:?} {}", headers.render()), "*** ***");
        let inner = format!("{:?}", headers.0);
        assert!(!inner.contains("c2VjcmV0"), "{inner}");
        for text in ["a b=1", "a=%0A", "authorization"] {
            let problem = Headers::parse(text).expect_err(text);
            assert!(!problem.contains(text), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = Endpoint::parse(&text).map(|endpoint| endpoint.for_traces());
            let _ = Headers::parse(&text);
            let _ = ResourceAttributes::parse(&text);
            if let Ok(ratio) = Ratio::parse(&text) {
                prop_assert!((0.0..=1.0).contains(&ratio.get()));
            }
        }
    }
}
