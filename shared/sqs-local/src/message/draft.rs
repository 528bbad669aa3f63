//! A message on its way in: checked, but not yet in a queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attribute::check_attributes;
use super::{Md5, MessageAttributeValue, MessageAttributes, check_body};
use crate::error::Error;
use crate::limits::MESSAGE_BYTES_MAX;

/// The one system attribute that can be sent.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// A message that keeps the rules common to all queues.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) body: Arc<str>,
    pub(crate) body_md5: Md5,
    /// The attributes and their digest, if there are any.
    pub(crate) attributes: Option<(Arc<MessageAttributes>, Md5)>,
    pub(crate) trace_header: Option<Arc<str>>,
    pub(crate) system_md5: Option<Md5>,
    /// Body and attributes; system attributes do not count.
    pub(crate) bytes: usize,
    pub(crate) sender: Arc<str>,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) deduplication: Option<Arc<str>>,
    pub(crate) delay_secs: Option<i32>,
}

impl Draft {
    /// Checks body and attributes and digests them.
    pub(crate) fn new(
        body: &str,
        attributes: MessageAttributes,
        system: &BTreeMap<String, MessageAttributeValue>,
        sender: Arc<str>,
    ) -> Result<Self, Error> {
        check_body(body)?;
        let bytes = body.len() + check_attributes(&attributes)?;
        if bytes > MESSAGE_BYTES_MAX {
            return Err(too_large(MESSAGE_BYTES_MAX));
        }
        let attributes = (!attributes.is_empty()).then(|| {
            let digest = Md5::of_attributes(&attributes);
            (Arc::new(attributes), digest)
        });
        Ok(Self {
            body_md5: Md5::of(body.as_bytes()),
            body: body.into(),
            attributes,
            trace_header: trace_header(system)?,
            system_md5: (!system.is_empty()).then(|| Md5::of_attributes(system)),
            bytes,
            sender,
            group: None,
            deduplication: None,
            delay_secs: None,
        })
    }

    /// Checks the draft against the limit of its queue.
    pub(crate) fn check_bytes(&self, max: usize) -> Result<(), Error> {
        if self.bytes > max {
            Err(too_large(max))
        } else {
            Ok(())
        }
    }
}

fn too_large(max: usize) -> Error {
    Error::invalid(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {max} bytes."
    ))
}

fn trace_header(
    system: &BTreeMap<String, MessageAttributeValue>,
) -> Result<Option<Arc<str>>, Error> {
    if let Some(name) = system.keys().find(|name| *name != TRACE_HEADER) {
        return Err(Error::invalid(format!(
            "Message system attribute name '{name}' is invalid."
        )));
    }
    check_attributes(system)?;
    let Some(value) = system.get(TRACE_HEADER) else {
        return Ok(None);
    };
    match &value.string_value {
        Some(text) if value.data_type == "String" => Ok(Some(text.as_str().into())),
        _ => Err(Error::invalid(
            "Message system attribute 'AWSTraceHeader' must be a String.",
        )),
    }
}
