//! The certificate authorities that a process trusts.
//!
//! They are Mozilla's, compiled in: reading and parsing an operating system's file was half the work of a start. An operator
//! whose network inspects TLS with an authority of its own puts others in their place.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// The reasons why a text gives no authorities.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The text is not PEM.
    #[error("is not PEM: {0}")]
    Malformed(#[from] PemError),
    /// The text has no certificate that can be used.
    #[error("has no certificate of an authority")]
    Empty,
}

/// Certificate authorities that a client trusts.
#[derive(Debug, Clone)]
pub struct Authorities(RootCertStore);

impl Default for Authorities {
    /// Mozilla's list, as of the release.
    fn default() -> Self {
        Self(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }
}

impl Authorities {
    /// Reads certificates in PEM form. Those of a form that rustls does not know are left out.
    ///
    /// # Errors
    /// If the text is not PEM, or no certificate of it can be used.
    pub fn from_pem(text: &[u8]) -> Result<Self, AuthoritiesError> {
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(text).collect::<Result<_, PemError>>()?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        if store.is_empty() { Err(AuthoritiesError::Empty) } else { Ok(Self(store)) }
    }

    /// The client's part of TLS: versions 1.2 and 1.3, by aws-lc-rs, for HTTP/1.1.
    ///
    /// # Errors
    /// If the cryptographic provider lacks a protocol version.
    pub(crate) fn into_client_config(self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.0)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::http::client_trusting;

    /// A server on this machine with a certificate of its own: its port, and the certificate in PEM form.
    async fn server() -> (u16, String) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(own.key_pair.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that refuses the certificate ends the connection.
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = answer(stream).await;
                }
            }
        });
        (port, own.cert.pem())
    }

    async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> std::io::Result<()> {
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).await?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
        stream.shutdown().await
    }

    #[tokio::test]
    async fn authorities_of_a_file_take_the_place_of_the_built_in_ones() {
        let (port, certificate) = server().await;
        let get = async |authorities| {
            let client = client_trusting(authorities).unwrap();
            client.get(format!("https://localhost:{port}/")).send().await
        };
        assert!(get(Authorities::default()).await.is_err());
        let own = Authorities::from_pem(certificate.as_bytes()).unwrap();
        assert_eq!(get(own.clone()).await.unwrap().status(), 204);

        let (port, _) = server().await;
        let client = client_trusting(own).unwrap();
        let other = client.get(format!("https://localhost:{port}/")).send().await;
        assert!(other.is_err(), "a certificate of the same name, of no authority in the file");
    }

    #[test]
    fn a_text_without_a_usable_certificate_gives_no_authorities() {
        let broken = "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n";
        let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let refused = |text: &str| Authorities::from_pem(text.as_bytes()).unwrap_err();
        assert!(matches!(refused(broken), AuthoritiesError::Malformed(_)));
        for text in ["", "no certificate", other] {
            assert!(matches!(refused(text), AuthoritiesError::Empty), "{text:?}");
        }
    }
}
