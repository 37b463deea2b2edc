//! A request as an emulator received it, body read.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;

/// One received request.
#[derive(Clone)]
pub(crate) struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// The request target as it came over the wire (without a fragment, which clients never send).
    pub fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    pub fn path(&self) -> &str {
        self.uri.path()
    }

    pub fn query(&self) -> Parameters {
        Parameters::parse(self.uri.query().unwrap_or_default().as_bytes())
    }

    pub fn form(&self) -> Parameters {
        Parameters::parse(&self.body)
    }

    /// Host name, lower case, with the port if one was sent.
    pub fn host(&self) -> String {
        self.header(header::HOST.as_str())
            .map(str::to_owned)
            .or_else(|| self.uri.authority().map(ToString::to_string))
            .unwrap_or_default()
            .to_ascii_lowercase()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Path segments as Microsoft's web server reads them: the path is decoded once and then split, a backslash is a
    /// slash, and dot segments lead away. Empty segments are left out.
    pub fn segments(&self) -> Vec<String> {
        let decoded = percent_decode_str(self.path()).decode_utf8_lossy().into_owned();
        let mut segments = Vec::new();
        for segment in decoded.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment.to_owned()),
            }
        }
        segments
    }
}

/// Form or query parameters in the order sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Returns the first value; empty values count as missing, as at Entra.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// As [`get`](Self::get), comparing names without case: query parameters of Azure DevOps are case-insensitive.
    pub fn get_any_case(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Returns the first name that was sent more than once.
    pub fn duplicated(&self) -> Option<&str> {
        self.0.iter().enumerate().find_map(|(index, (name, _))| {
            self.0[..index].iter().any(|(earlier, _)| earlier == name).then_some(name.as_str())
        })
    }

    /// Name and value pairs in the order sent.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}
