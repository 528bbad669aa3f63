/// What every mark begins with, so that one which was cut short is found as well.
pub(super) const MARK: &str = "cnry";

/// The password in `DATABASE_URL`, where the database does not ask for the right one.
pub(super) const PASSWORD: &str = "cnryPassword";

/// `AWS_SECRET_ACCESS_KEY`.
pub(super) const SECRET_KEY: &str = "cnrySecretKey";

/// `AWS_SESSION_TOKEN`.
pub(super) const SESSION_TOKEN: &str = "cnrySessionToken";

/// A header for the receiver of traces.
pub(super) const OTEL_HEADER: &str = "cnryOtelHeader";

/// Whose e-mail address it is: also the key of a map.
pub(super) const EMAIL: &str = "cnryEmail.jane@example.test";

pub(super) const NAME: &str = "cnryName Jane Doe";

pub(super) const CARD: &str = "cnryCard4242";

/// Longer than a card may be, so that its type refuses it in words of its own.
pub(super) const LONG_CARD: &str = "cnryLongCard424242424242424242424242424242424242";

/// In a body that is no event.
pub(super) const BODY: &str = "cnryBody";

/// The name of a message attribute, and its value.
pub(super) const ATTRIBUTE: &str = "cnryAttribute";

/// What another service hands down in `baggage` and `tracestate`.
pub(super) const BAGGAGE: &str = "cnryBaggage";

/// A trace context that is none.
pub(super) const TRACE: &str = "cnryTrace";
