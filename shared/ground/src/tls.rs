//! TLS of the process's HTTP clients.
//!
//! The certificate authorities are Mozilla's, compiled in: reading and parsing an operating system's file of them was half
//! the work of a start. A release has the list of its `webpki-roots`.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Returns the client's part of TLS: versions 1.2 and 1.3, by aws-lc-rs, for HTTP/1.1.
///
/// # Errors
/// If the cryptographic provider lacks a protocol version.
pub(crate) fn client_config() -> Result<ClientConfig, rustls::Error> {
    trusting(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

fn trusting(authorities: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server on this machine with a certificate of its own: its port, and the certificate.
    async fn server() -> (u16, CertificateDer<'static>) {
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
        (port, own.cert.der().clone())
    }

    async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> std::io::Result<()> {
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).await?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
        stream.shutdown().await
    }

    #[expect(clippy::disallowed_methods, reason = "a client with other certificate authorities")]
    async fn answer_to(config: ClientConfig, port: u16) -> reqwest::Result<reqwest::Response> {
        let client = reqwest::Client::builder().tls_backend_preconfigured(config).build()?;
        client.get(format!("https://localhost:{port}/")).send().await
    }

    #[tokio::test]
    async fn a_server_is_trusted_by_its_authority_alone() {
        let (port, certificate) = server().await;
        assert!(answer_to(client_config().unwrap(), port).await.is_err());
        let mut own = RootCertStore::empty();
        own.add(certificate).unwrap();
        assert_eq!(answer_to(trusting(own).unwrap(), port).await.unwrap().status(), 204);
    }
}
