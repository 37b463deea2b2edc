//! One message of JSON-RPC 2.0, as a client sends it.

use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{ErrorCode, ProtocolError};

/// A message of a client.
pub(crate) enum Message<'a> {
    /// A request, which is answered.
    Request(Request<'a>),
    /// A notification, or an answer to a request that nobody sent: it is taken, and nothing follows.
    Notification,
}

/// A request.
pub(crate) struct Request<'a> {
    /// A text or a whole number, repeated in the answer.
    pub(crate) id: Value,
    pub(crate) method: String,
    params: Option<&'a RawValue>,
}

/// The parameters that one of the methods has.
#[derive(Default, Deserialize)]
pub(crate) struct Params<'a> {
    #[serde(rename = "_meta")]
    pub(crate) meta: Option<Map<String, Value>>,
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(rename = "protocolVersion")]
    pub(crate) protocol_version: Option<String>,
    #[serde(rename = "clientInfo")]
    pub(crate) client_info: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Reads a member that is there, even if it is `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl<'a> Message<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ErrorCode::Parse`] if it is not JSON, and [`ErrorCode::InvalidRequest`] if it is not one message.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
            let (code, message) = match error.classify() {
                Category::Data => (
                    ErrorCode::InvalidRequest,
                    "The body is not one message of JSON-RPC 2.0. Batches are not taken.",
                ),
                Category::Io | Category::Syntax | Category::Eof => {
                    (ErrorCode::Parse, "The body is not JSON.")
                }
            };
            ProtocolError::new(code, message)
        })?;
        let invalid = |message| ProtocolError::new(ErrorCode::InvalidRequest, message);
        if envelope.jsonrpc != "2.0" {
            return Err(invalid("jsonrpc must be \"2.0\"."));
        }
        match (envelope.id, envelope.method) {
            (Some(id), Some(method)) if id.is_string() || id.is_i64() || id.is_u64() => {
                Ok(Self::Request(Request { id, method, params: envelope.params }))
            }
            (Some(_), Some(_)) => Err(invalid("The id must be a text or a whole number.")),
            (None, None) => Err(invalid("The message has neither a method nor an id.")),
            (None, Some(_)) | (Some(_), None) => Ok(Self::Notification),
        }
    }
}

impl<'a> Request<'a> {
    /// Reads the parameters; there may be none.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidParams`] if they are no object, or one of them has the wrong type.
    pub(crate) fn params(&self) -> Result<Params<'a>, ProtocolError> {
        let Some(params) = self.params else { return Ok(Params::default()) };
        serde_json::from_str(params.get()).map_err(|_| {
            ProtocolError::new(ErrorCode::InvalidParams, "The params are not those of the method.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Option<ErrorCode> {
        Message::read(body.as_bytes()).err().map(|error| error.code)
    }

    #[test]
    fn a_body_is_one_message() {
        for (body, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{}}"#, None),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Some(ErrorCode::InvalidRequest)),
            ("[]", Some(ErrorCode::InvalidRequest)),
            ("1", Some(ErrorCode::InvalidRequest)),
            ("{}", Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Some(ErrorCode::InvalidRequest)),
            (r#"{"jsonrpc":"2.0"}"#, Some(ErrorCode::InvalidRequest)),
            ("", Some(ErrorCode::Parse)),
            ("{", Some(ErrorCode::Parse)),
            ("\u{feff}{}", Some(ErrorCode::Parse)),
        ] {
            assert_eq!(code(body), expected, "{body}");
        }
    }

    #[test]
    fn a_deep_argument_does_not_hide_the_message_around_it() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{{"a":{deep}}}}}}}"#
        );
        let Ok(Message::Request(request)) = Message::read(body.as_bytes()) else {
            panic!("not read");
        };
        assert_eq!(request.params().ok().unwrap().name.unwrap(), "x");
    }
}
