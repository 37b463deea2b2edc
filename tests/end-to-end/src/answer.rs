//! A complete answer of the service.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

/// An answer of the service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// Parses an HTTP/1.1 answer with a `Content-Length`.
    pub(crate) fn of_raw(received: &[u8]) -> Self {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Self { status, headers, body: received[end + 4..].to_vec() }
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Returns the target of a redirect.
    pub fn location(&self) -> Url {
        let location = self.header("location").unwrap_or_else(|| panic!("no location: {self:?}"));
        location.parse().unwrap()
    }

    /// Returns a query parameter of the target of a redirect.
    pub fn location_parameter(&self, name: &str) -> Option<String> {
        let pairs: Vec<_> = self.location().query_pairs().into_owned().collect();
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Asserts the status. Returns the answer.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "checking is enough"
    )]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{} {:?}", self.text(), self.headers);
        self
    }

    /// Asserts a complete problem document with this status and code (RFC 9457).
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "checking is enough"
    )]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect_problem_without_status(status, code);
        assert_eq!(answer.json()["status"], status);
        answer
    }

    /// Returns the code of the problem document; empty if the body is none.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Asserts a complete problem document with this code, whose status is in the answer only.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "checking is enough"
    )]
    pub fn expect_problem_without_status(self, status: u16, code: &str) -> Self {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(
            problem["type"].as_str().unwrap().ends_with(&format!("/problems/{code}")),
            "{problem}"
        );
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["request_id"].as_str().unwrap().is_empty());
        self
    }

    /// Asserts a refusal of API Gateway itself: its JSON with this message, not a problem document.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "checking is enough"
    )]
    pub fn expect_message(self, status: u16, message: &str) -> Self {
        let refusal = self.json();
        assert_eq!(
            (self.status.as_u16(), &refusal),
            (status, &serde_json::json!({"message": message}))
        );
        assert_eq!(self.header("content-type"), Some("application/json"));
        self
    }
}
