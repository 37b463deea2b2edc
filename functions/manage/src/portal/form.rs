//! A form as a browser sends it, and the refusal that a page shows beside it.

use std::str::FromStr;

use edge::gateway::Request;
use edge::parameters::JSON_LIMIT;
use edge::problem::{Code, FieldError, Problem};
use ground::media_type;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use url::form_urlencoded;
use vault::ids::InvalidId;
use zeroize::Zeroize as _;

/// Returns names and values of the fields of a search that are set.
pub(super) fn filled_in<'a, const N: usize>(
    fields: [(&'static str, &'a String); N],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let fields = fields.into_iter().map(|(name, value)| (name, value.as_str()));
    fields.filter(|(_, value)| !value.is_empty())
}

/// Returns the address of the page of a search that begins after `cursor`.
pub(super) fn page_after<'a>(
    path: &str,
    fields: impl Iterator<Item = (&'static str, &'a str)>,
    cursor: &str,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields).append_pair("cursor", cursor);
    format!("{path}?{}", query.finish())
}

/// Fields that hold credentials.
const SECRETS: [&str; 3] =
    ["key", "client_credential.client_secret", "client_credential.private_key_pem"];

/// The fields of a form, in order; a name can occur several times. Wiped on drop, because some hold secrets.
#[derive(Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Drop for Form {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl Form {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Code::RequestTooLarge`] and [`Code::UnsupportedMediaType`].
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        let body = request.body();
        if body.len() > JSON_LIMIT {
            return Err(Problem::new(Code::RequestTooLarge)
                .detail(format!("The form may have at most {JSON_LIMIT} bytes.")));
        }
        if media_type::of(request.headers()) != "application/x-www-form-urlencoded" {
            return Err(Problem::new(Code::UnsupportedMediaType)
                .detail("The portal takes forms as browsers send them."));
        }
        Ok(Self::parsed(body))
    }

    /// Names and values.
    pub(super) fn of_pairs<T: Into<String>>(pairs: impl IntoIterator<Item = (T, T)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Reads fields as a browser sends them.
    pub(super) fn parsed(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Fields as a browser sends them.
    pub(super) fn encoded(fields: &[(String, String)]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }

    /// Returns a trimmed field; empty if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// Returns a trimmed field as a secret, or `None` if it is empty.
    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.filled(name).map(|text| SecretString::from(text.to_owned()))
    }

    /// Returns a trimmed field, or `None` if it is empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Returns the fields that a page may carry along: no credentials, and no private key in any other field.
    pub(super) fn without_secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fields.filter(|(name, value)| !SECRETS.contains(name) && !holds_private_key(value))
    }

    /// Returns every value of a name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// Returns the entries of a field, separated by line breaks, blanks or commas.
    pub(super) fn entries(&self, name: &str) -> Vec<String> {
        self.raw(name)
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Returns whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Returns whether a text contains a private key. A PEM file may contain one beside the certificate.
pub(super) fn holds_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

/// Parses a day as its beginning in UTC, or `None` if the text is empty.
///
/// # Errors
/// The expected form, if it is no day.
pub(super) fn day(text: &str) -> Result<Option<Timestamp>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let zoned = text.parse::<Date>().and_then(|date| date.to_zoned(TimeZone::UTC));
    zoned.map(|zoned| Some(zoned.timestamp())).map_err(|_| "a day, such as 2027-05-01")
}

/// Parses the id in a field, or `None` if the text is empty.
///
/// # Errors
/// [`Code::InvalidRequest`] naming the field.
pub(super) fn id<T: FromStr<Err = InvalidId>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, Problem> {
    let chosen = Some(text).filter(|text| !text.is_empty());
    let id = chosen.map(str::parse).transpose();
    id.map_err(|error: InvalidId| Problem::field(field, error.to_string()))
}

/// A refusal as a page shows it.
pub(super) struct Refusal {
    pub(super) title: String,
    pub(super) advice: String,
    pub(super) errors: Vec<FieldError>,
}

impl Refusal {
    /// Describes a problem that the entries caused. Returns `None` for a failure of the service.
    pub(super) fn of(problem: &Problem) -> Option<Self> {
        problem.code().status().is_client_error().then(|| Self {
            title: problem.code().title().to_owned(),
            advice: problem.detail_text().unwrap_or(problem.code().advice()).to_owned(),
            errors: problem.errors().to_vec(),
        })
    }

    /// Returns a field's error.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| error.field == name)?;
        Some(error.message.as_str())
    }
}

/// Returns the status of a page that shows a form, perhaps again because it was refused.
pub(super) fn status_with(refusal: Option<&Refusal>) -> StatusCode {
    match refusal {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_in_utc() {
        assert_eq!(day("2027-05-01").unwrap().unwrap().to_string(), "2027-05-01T00:00:00Z");
        assert!(day("").unwrap().is_none());
        assert!(day("tomorrow").is_err());
    }
}
