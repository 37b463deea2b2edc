//! Query and body of a request, read strictly: each parameter once (S-10), no unknown field, sizes
//! limited, and no value repeated in an error.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::gateway::Request;
use ground::fields::{Fault, shown_name};
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::problem::{Code, Problem};

/// The largest JSON body that our own routes take, in bytes.
pub const JSON_LIMIT: usize = 64 * 1024;
/// The longest query string, in bytes; API Gateway has about the same limit for the request line
/// and all headers.
pub const QUERY_LIMIT: usize = 10 * 1024;

/// The query parameters of a request, each sent once.
#[derive(Debug, Clone, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the query string of a request.
    ///
    /// # Errors
    /// [`Code::DuplicateParameter`] for a name that occurs twice, [`Code::RequestTooLarge`] beyond
    /// [`QUERY_LIMIT`], [`Code::InvalidRequest`] for a name or value that does not decode to text.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        Self::parse(request.uri().query().unwrap_or(""))
    }

    /// Reads a query string (`application/x-www-form-urlencoded`, without `?`).
    ///
    /// # Errors
    /// As [`Query::of`].
    pub fn parse(query: &str) -> Result<Self, Problem> {
        Self::parse_as(query, |_| true)
    }

    /// Reads the authorization response of another server (RFC 6749 section 4.1.2). The parameters `read` are read
    /// strictly. Others, such as a description in words, are read as far as they can be, and of repeated ones the first
    /// counts: they cannot make the response invalid.
    ///
    /// # Errors
    /// As [`Query::of`].
    pub fn of_answer(request: &Request, read: &[&str]) -> Result<Self, Problem> {
        Self::parse_as(request.uri().query().unwrap_or(""), |name| read.contains(&name))
    }

    fn parse_as(query: &str, is_strict: impl Fn(&str) -> bool) -> Result<Self, Problem> {
        if query.len() > QUERY_LIMIT {
            return Err(Problem::new(Code::RequestTooLarge).detail("The query string is too long."));
        }
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).filter(|name| !has_controls(name));
            let name = name.ok_or_else(|| not_text("query"))?;
            if !is_strict(&name) {
                parameters.entry(name).or_insert_with(|| decode_what_decodes(value));
                continue;
            }
            let shown = shown_name(&name);
            let value = decode(value).ok_or_else(|| not_text(&shown))?;
            if parameters.insert(name, value).is_some() {
                return Err(
                    Problem::new(Code::DuplicateParameter).error(shown, "was sent more than once")
                );
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter's value, if it was sent. It may contain control characters: Entra's descriptions
    /// have several lines.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required parameter; an empty one is missing.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] naming the parameter.
    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Problem::field(name, "is missing"))
            .and_then(|value| if has_controls(value) { Err(not_text(name)) } else { Ok(value) })
    }

    /// A parameter as a `T`, if it was sent.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] with the message of `T`, which must not repeat the value.
    pub fn parsed<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|error: T::Err| Problem::field(name, error.to_string()))
            })
            .transpose()
    }

    /// Refuses parameters that this route does not have. Not for the callback: Entra adds its own.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] naming each unknown parameter.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let mut unknown = self.0.keys().filter(|name| !known.contains(&name.as_str())).peekable();
        if unknown.peek().is_none() {
            return Ok(());
        }
        Err(unknown.fold(Problem::new(Code::InvalidRequest), |problem, name| {
            problem.error(shown_name(name), "is not a parameter of this route")
        }))
    }
}

/// Reads a JSON body of at most `limit` bytes as a `T`, which may be an [`Object`](ground::fields::Object). Unknown
/// fields are refused where `T` says `deny_unknown_fields`, repeated ones always.
///
/// # Errors
/// [`Code::RequestTooLarge`], [`Code::UnsupportedMediaType`], [`Code::MalformedJson`] with line and
/// column, or [`Code::InvalidRequest`] naming the field. No error repeats a value.
pub fn json_body<'a, T: Deserialize<'a>>(request: &'a Request, limit: usize) -> Result<T, Problem> {
    let body = request.body();
    if body.len() > limit {
        return Err(Problem::new(Code::RequestTooLarge)
            .detail(format!("The body may have at most {limit} bytes.")));
    }
    if !is_json(request) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    // First the syntax: a wrong field before a syntax error would hide it.
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| json_problem("", &error))?;
    // Derived types take an array for an object, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::field("body", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| json_problem(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| json_problem("", &error))?;
    Ok(value)
}

/// `application/json`, with UTF-8 or no charset (RFC 8259 §8.1).
fn is_json(request: &Request) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset")
                || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

fn json_problem(path: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        let place = format!("line {}, column {}", error.line(), error.column());
        return Problem::new(Code::MalformedJson)
            .detail(format!("The body stops being JSON at {place}."));
    }
    let Fault { field, message } = Fault::of_json(path, error);
    let field = if field.is_empty() { "body".to_owned() } else { field };
    Problem::field(field, message)
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn not_text(field: &str) -> Problem {
    Problem::field(field, "is not percent-encoded text, or has control characters")
}

/// Decodes one name or value. Lenient decoders keep a malformed `%`; here it is refused, so that a
/// query has one meaning only.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Decodes a value that is for people: a malformed `%` stays as it is.
fn decode_what_decodes(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl oauth::Parameters for Query {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

#[cfg(test)]
mod tests;
