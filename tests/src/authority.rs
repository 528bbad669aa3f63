//! An authority that signs certificates, good ones and bad ones.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// How far from now a certificate begins and ends.
const DAY: Duration = Duration::from_secs(86_400);

/// An authority, and the file that names it as a root.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Yesterday to tomorrow.
    Now,
    /// It ended yesterday.
    Over,
    /// It begins tomorrow.
    Ahead,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// Makes one that nobody has heard of.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = "An authority of the tests";
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, a_key());
        let authority = Self {
            issuer: issuer.expect("the parameters are those of an authority"),
            directory: TempDir::new().expect("a directory can be made"),
        };
        let written = std::fs::write(authority.file(), authority.issuer.pem());
        written.expect("the directory is writable");
        authority
    }

    /// Returns the file that trusts it.
    pub fn file(&self) -> PathBuf {
        self.path().join("roots.pem")
    }

    /// Returns a directory for files of the test.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Signs a certificate for a host.
    pub fn sign(&self, host: &str, validity: Validity) -> Identity {
        let key = a_key();
        let certificate = params(host, validity).signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("the parameters are legal").pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Authority {
    /// Returns its own certificate, as careless people use it for a server.
    pub fn posing_as_server(&self) -> Identity {
        Identity {
            certificate: self.issuer.pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Makes one that signs itself.
    pub fn of_its_own(host: &str) -> Self {
        let key = a_key();
        let certificate = params(host, Validity::Now).self_signed(&key);
        Self {
            certificate: certificate.expect("the parameters are legal").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn a_key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

fn params(host: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::new([host.to_owned()]).expect("the host has a legal name");
    let now = SystemTime::now();
    let (begin, end) = match validity {
        Validity::Now => (now - DAY, now + DAY),
        Validity::Over => (now - 2 * DAY, now - DAY),
        Validity::Ahead => (now + DAY, now + 2 * DAY),
    };
    params.not_before = begin.into();
    params.not_after = end.into();
    params
}
