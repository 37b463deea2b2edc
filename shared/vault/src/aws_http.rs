//! The SDK's requests through the process's one HTTP client: one pool of connections, one TLS stack, and trust roots that
//! are read once. Reading them is most of the work of a cold start.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use ground::transport::Transport;
use http::Request;

/// The most bytes of an answer: those of DynamoDB's largest one.
const LARGEST: usize = 16 * 1024 * 1024;

/// Returns an HTTP client for the SDK that sends by this transport. Retries and the time of an attempt are the SDK's own;
/// the time to connect is that of the transport.
pub(crate) fn client(transport: Transport) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(AwsHttp(transport));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug, Clone)]
struct AwsHttp(Transport);

impl AwsHttp {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x();
        let (parts, body) = request.map_err(|e| ConnectorError::user(e.into()))?.into_parts();
        let body =
            body.bytes().ok_or_else(|| ConnectorError::user("a body that streams".into()))?;
        let sent = self.0.send(Request::from_parts(parts, body.to_vec()), LARGEST).await;
        let answer = sent.map_err(|e| ConnectorError::io(e.into()))?.map(SdkBody::from);
        HttpResponse::try_from(answer).map_err(|e| ConnectorError::other(e.into(), None))
    }
}

impl HttpConnector for AwsHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}
