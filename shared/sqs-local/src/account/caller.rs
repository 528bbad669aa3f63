//! Who asks, and by which address.

use std::sync::Arc;

/// What the service knows about the sender of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    access_key: Option<Arc<str>>,
    sender: Arc<str>,
    endpoint: Arc<str>,
}

impl Caller {
    /// Names a caller by its access key, if it has one, and the endpoint by which it came, which
    /// the URLs of queues start with.
    pub fn new(access_key: Option<&str>, endpoint: &str) -> Self {
        let access_key: Option<Arc<str>> = access_key.map(Into::into);
        let sender = access_key.clone().unwrap_or_else(|| "anonymous".into());
        Self {
            access_key,
            sender,
            endpoint: endpoint.trim_end_matches('/').into(),
        }
    }

    /// Returns the access key. Nobody checked the signature.
    pub fn access_key(&self) -> Option<&str> {
        self.access_key.as_deref()
    }

    /// Returns the endpoint, without a slash at its end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns what messages show as their `SenderId`.
    pub(crate) fn sender(&self) -> Arc<str> {
        Arc::clone(&self.sender)
    }
}

impl Default for Caller {
    /// Names a caller in the same process.
    fn default() -> Self {
        Self::new(None, "http://sqs.local")
    }
}
