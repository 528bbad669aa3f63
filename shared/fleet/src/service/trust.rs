//! Whose signature on a server's certificate counts.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Why there are no root certificates; the end of a sentence that begins with who named them.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file is not to be read.
    #[error("names {}, which cannot be read ({reason}); give a file of root certificates in PEM", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: io::ErrorKind,
    },
    /// The file holds something else.
    #[error("names {}, which is no list of certificates in PEM; give one that begins with -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificates(PathBuf),
    /// This machine has none of its own.
    #[error(
        "needs root certificates, and this machine has none; install ca-certificates, or name a file with DATABASE_CA_FILE"
    )]
    NoneHere,
}

/// Reads the root certificates of a file in PEM.
///
/// A file that holds a certificate which is none is refused as a whole.
///
/// # Errors
///
/// It cannot be read, or is no list of certificates.
pub fn roots_of(file: &Path) -> Result<RootCertStore, TrustError> {
    let pem = std::fs::read(file).map_err(|error| TrustError::Unreadable {
        file: file.to_owned(),
        reason: error.kind(),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.ok().and_then(|der| roots.add(der).ok());
        added.ok_or_else(|| TrustError::NoCertificates(file.to_owned()))?;
    }
    match roots.is_empty() {
        true => Err(TrustError::NoCertificates(file.to_owned())),
        false => Ok(roots),
    }
}

/// Reads the root certificates of this machine: those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where
/// they are set, else the ones of the system.
///
/// # Errors
///
/// There are none.
pub fn roots_of_the_system() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // A machine's list may hold relics that nothing can read; the rest counts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(TrustError::NoneHere),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_its_name() {
        let refused = |file: &Path| roots_of(file).expect_err("no roots").to_string();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(refused(&here.join("missing.pem")).contains("missing.pem, which cannot be read"));
        assert!(refused(here).contains("cannot be read"));
        assert!(refused(&here.join("Cargo.toml")).contains("Cargo.toml, which is no list"));
    }
}
