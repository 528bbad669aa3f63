//! MD5 digests as SQS computes them, so that clients can tell what arrived.

use std::fmt;

use md5::{Digest, Md5 as Hasher};
use serde::{Serialize, Serializer};

use super::MessageAttributes;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// An MD5 digest, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5([u8; 16]);

impl Md5 {
    /// Digests bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Hasher::digest(bytes).into())
    }

    /// Digests attributes by the algorithm of the developer guide: sorted by name, each of
    /// name, data type and value preceded by its length, the kind of value by one byte.
    pub fn of_attributes(attributes: &MessageAttributes) -> Self {
        let mut hasher = Hasher::new();
        for (name, value) in attributes {
            update_sized(&mut hasher, name.as_bytes());
            update_sized(&mut hasher, value.data_type.as_bytes());
            let kind = if value.binary_value.is_some() { 2 } else { 1 };
            hasher.update([kind]);
            update_sized(&mut hasher, value.bytes());
        }
        Self(hasher.finalize().into())
    }

    fn hex(&self) -> [u8; 32] {
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.hex();
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5({self})")
    }
}

impl Serialize for Md5 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = self.hex();
        serializer.serialize_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

fn update_sized(hasher: &mut Hasher, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hasher.update(len.to_be_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageAttributeValue;

    #[test]
    fn a_body_has_its_md5() {
        assert_eq!(
            Md5::of(b"test").to_string(),
            "098f6bcd4621d373cade4e832627b4f6"
        );
    }

    #[test]
    fn attributes_have_the_digest_that_sqs_computes() {
        let traceparent = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
        let hello = ("Hello", MessageAttributeValue::string("There"));
        let general = ("General", MessageAttributeValue::string("Kenobi"));
        let binary = ("attr1", MessageAttributeValue::binary(traceparent.to_vec()));
        // Digests that were recorded from the service by others.
        let cases = [
            (vec![hello.clone()], "a311262e065454b75da111d535b8dacd"),
            (vec![hello, general], "fca026605781cb4126a1e9044df24232"),
            (vec![binary], "8cbe4db156db8a94db8b801b7addb984"),
        ];
        for (attributes, digest) in cases {
            let attributes: MessageAttributes = attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            assert_eq!(
                Md5::of_attributes(&attributes).to_string(),
                digest,
                "{attributes:?}"
            );
        }
    }
}
