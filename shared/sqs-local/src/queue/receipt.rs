//! Receipt handles: which receive of which message of which queue.

use std::hash::{BuildHasher, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::slab::Slot;
use crate::error::{Error, ErrorKind};

const BYTES: usize = 24;

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
    pub(crate) fn encode(self, key: ReceiptKey) -> String {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.slot.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.receive.to_be_bytes());
        let check = check(key, &bytes[..16]);
        bytes[16..].copy_from_slice(&check.to_be_bytes());
        STANDARD.encode(bytes)
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
        let handle = receipt.encode(42);
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
        .encode(42);
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
