use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The tag of a sequence and of an object identifier in DER.
const SEQUENCE: u8 = 0x30;
const IDENTIFIER: u8 = 0x06;

/// The algorithms that sign certificates, by the digest that is part of them. MD5 and SHA-1 are
/// replaced by SHA-256; what names no digest, such as Ed25519, has no binding.
///
/// Source: RFC 5929, section 4.1; RFC 8017, appendix C; RFC 5758, section 3.2.
const SHA256_SIGNATURES: [&[u8]; 5] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
];
const SHA384_SIGNATURES: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
];
const SHA512_SIGNATURES: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
];

/// Returns what binds a login to the server that holds this certificate (`tls-server-end-point`):
/// a password's proof that was given to one server is of no use at another.
///
/// None where the certificate's signature names no digest; then the login is not bound.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_algorithm(certificate)?;
    if SHA256_SIGNATURES.contains(&algorithm) {
        Some(Sha256::digest(certificate).to_vec())
    } else if SHA384_SIGNATURES.contains(&algorithm) {
        Some(Sha384::digest(certificate).to_vec())
    } else if SHA512_SIGNATURES.contains(&algorithm) {
        Some(Sha512::digest(certificate).to_vec())
    } else {
        None
    }
}

/// Finds the identifier of the algorithm that signed a certificate: the first value of the second
/// of its three parts.
///
/// Source: RFC 5280, section 4.1.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (parts, _) = value(certificate, SEQUENCE)?;
    let (_to_be_signed, parts) = value(parts, SEQUENCE)?;
    let (algorithm, _) = value(parts, SEQUENCE)?;
    value(algorithm, IDENTIFIER).map(|(identifier, _)| identifier)
}

/// Splits a DER value with this tag into its content and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // Up to 127 the length is the byte itself; above, the byte says how many bytes hold it.
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    (found == tag)
        .then(|| rest.split_at_checked(length))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An outline of a certificate with a long first part, signed by this algorithm.
    fn signed_by(algorithm: &[u8]) -> Vec<u8> {
        let sequence = |content: &[u8]| {
            let length = u16::try_from(content.len()).expect("short").to_be_bytes();
            [&[SEQUENCE, 0x82][..], &length, content].concat()
        };
        let length = u8::try_from(algorithm.len()).expect("short");
        let identifier = [&[IDENTIFIER, length][..], algorithm].concat();
        sequence(&[sequence(&[7; 300]), sequence(&identifier)].concat())
    }

    #[test]
    fn the_digest_is_the_one_of_the_certificates_signature() {
        for (algorithms, length) in [
            (&SHA256_SIGNATURES[..], 32),
            (&SHA384_SIGNATURES[..], 48),
            (&SHA512_SIGNATURES[..], 64),
        ] {
            for algorithm in algorithms {
                let bound = end_point(&signed_by(algorithm)).map(|digest| digest.len());
                assert_eq!(bound, Some(length), "{algorithm:x?}");
            }
        }
        let ed25519 = [0x2b, 0x65, 0x70];
        assert_eq!(end_point(&signed_by(&ed25519)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = end_point(&bytes);
        }
    }
}
