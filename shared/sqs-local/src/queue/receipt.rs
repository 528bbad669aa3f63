//! Receipt handles: which receive of which message of which queue.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use serde::{Serialize, Serializer};

use super::slab::Slot;
use crate::error::{Error, ErrorKind};

const BYTES: usize = 24;
const TEXT_BYTES: usize = 32;

/// What one receive of a message is deleted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReceiptHandle([u8; TEXT_BYTES]);

impl ReceiptHandle {
    /// Reads what may be a handle; only its queue can tell.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = text.as_bytes().try_into().ok()?;
        text.is_ascii().then_some(Self(bytes))
    }

    /// Returns the handle as it travels.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl fmt::Display for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptHandle({self})")
    }
}

impl From<ReceiptHandle> for String {
    fn from(handle: ReceiptHandle) -> Self {
        handle.as_str().to_owned()
    }
}

impl Serialize for ReceiptHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One receive of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: u64,
    pub(crate) slot: Slot,
    pub(crate) receive: u32,
}

/// What makes the receipts of one queue its own: two keys of a hash.
pub(crate) type ReceiptKey = u64;

impl Receipt {
    /// Writes the handle, with a check that no other queue's key fits.
    pub(crate) fn encode(self, key: ReceiptKey) -> ReceiptHandle {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.slot.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.receive.to_be_bytes());
        let check = check(key, &bytes[..16]);
        bytes[16..].copy_from_slice(&check.to_be_bytes());
        let mut text = [b'A'; TEXT_BYTES];
        STANDARD
            .encode_slice(bytes, &mut text)
            .expect("24 bytes are 32 in base64");
        ReceiptHandle(text)
    }

    /// Reads a handle that this queue wrote.
    ///
    /// # Errors
    /// `ReceiptHandleIsInvalid` for everything else.
    pub(crate) fn decode(handle: &str, key: ReceiptKey) -> Result<Self, Error> {
        if handle.is_empty() {
            return Err(Error::missing("ReceiptHandle"));
        }
        Self::try_decode(handle, key).ok_or_else(|| {
            Error::new(
                ErrorKind::ReceiptHandleIsInvalid,
                format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
            )
        })
    }

    fn try_decode(handle: &str, key: ReceiptKey) -> Option<Self> {
        let mut bytes = [0; BYTES];
        let written = STANDARD.decode_slice(handle, &mut bytes).ok()?;
        let (content, sum) = bytes.split_at(16);
        if written != BYTES || sum != check(key, content).to_be_bytes() {
            return None;
        }
        Some(Self {
            seq: u64::from_be_bytes(content[..8].try_into().ok()?),
            slot: Slot::from_be_bytes(content[8..12].try_into().ok()?),
            receive: u32::from_be_bytes(content[12..].try_into().ok()?),
        })
    }
}

fn check(key: ReceiptKey, content: &[u8]) -> u64 {
    let mut hasher =
        std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
    hasher.write_u64(key);
    hasher.write(content);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_by_its_queue_alone() {
        let receipt = Receipt {
            seq: 7,
            slot: 3,
            receive: 2,
        };
        let handle = receipt.encode(42).to_string();
        assert_eq!(Receipt::decode(&handle, 42), Ok(receipt));
        assert_eq!(
            Receipt::decode(&handle, 43).unwrap_err().kind,
            ErrorKind::ReceiptHandleIsInvalid
        );
    }

    #[test]
    fn garbage_is_no_handle() {
        let handle = Receipt {
            seq: 7,
            slot: 3,
            receive: 2,
        }
        .encode(42)
        .to_string();
        let longer = format!("{handle}AAAA");
        for garbage in [
            "garbage",
            "!",
            &handle[..28],
            &longer,
            &handle.to_lowercase(),
            "ü",
        ] {
            assert!(Receipt::decode(garbage, 42).is_err(), "{garbage}");
        }
    }
}
