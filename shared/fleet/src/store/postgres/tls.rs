/// Which server a connection is bound to.
mod channel_binding;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Stream;

use channel_binding::end_point;

/// The protocol's registered name: a certificate that also serves another protocol cannot be
/// talked into this one.
const PROTOCOL: &[u8] = b"postgresql";

/// Encrypts connections, and lets no server pass that it does not know.
///
/// The chain of certificates, their dates and the host's name are always checked: there is no way
/// to ask for less. Revocation lists are not looked at.
#[derive(Clone)]
pub(super) struct Tls(Option<TlsConnector>);

/// One connection that is about to be encrypted.
pub(super) struct Handshake {
    connector: Option<TlsConnector>,
    host: String,
}

/// A connection to a server that is who it should be.
pub(super) struct Encrypted(Box<Stream<Socket>>);

/// Why a server is not talked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Distrust {
    #[error("the server's certificate is not for {0}")]
    OtherHost(String),
    #[error("the server's certificate has expired")]
    Expired,
    #[error("the server's certificate is not valid yet")]
    NotValidYet,
    #[error(
        "the server's certificate is not signed by an authority that is trusted here; name the authority's file with DATABASE_CA_FILE"
    )]
    UnknownAuthority,
    #[error(
        "the server's certificate is that of an authority, and cannot stand for a server as well"
    )]
    Authority,
    #[error("the server's certificate is refused: {0}")]
    Refused(CertificateError),
    #[error("{0:?} is not a host's name that a certificate could be for")]
    NoName(String),
    #[error("no encrypted connection: {0}")]
    Failed(io::Error),
    #[error("no encryption was set up for this connection")]
    Plain,
}

impl Tls {
    /// Encrypts nothing, for servers on this machine.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Trusts servers whose certificates lead to one of these.
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Self(Some(Arc::new(config).into()))
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = Distrust;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Distrust> {
        // Called for connections in the clear as well: whatever is wrong shows when it shakes hands.
        Ok(Handshake {
            connector: self.0.clone(),
            host: host.to_owned(),
        })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = Distrust;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, Distrust>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let Self { connector, host } = self;
            let connector = connector.ok_or(Distrust::Plain)?;
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|_| Distrust::NoName(host.clone()))?;
            match connector.connect(name, socket).await {
                Ok(stream) => Ok(Encrypted(Box::new(stream))),
                Err(error) => Err(Distrust::of(error, host)),
            }
        })
    }
}

impl Distrust {
    fn of(error: io::Error, host: String) -> Self {
        let reason = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(reason)) = reason else {
            return Self::Failed(error);
        };
        match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherHost(host)
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet
            }
            // The second: by another authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::Authority
            }
            other => Self::Refused(other.clone()),
        }
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        certificate
            .and_then(|certificate| end_point(certificate))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
