//! Clients: programs that ask for a user's permission. Nothing about them is stored.
//!
//! A client id is either the `https` address of the client's own metadata document (Client ID Metadata Documents), or a
//! registration that contains itself: `dcr.` and the registered metadata in base64url. The latter is as strong as open
//! registration (RFC 7591) ever is, and no table can be filled with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use crate::error::{ErrorCode, OAuthError};
use crate::redirect_uri::{Destination, RedirectUri};

/// The most bytes of a metadata document.
pub const DOCUMENT_LIMIT: usize = 10_000;
/// The most bytes of a client id.
const LONGEST_ID: usize = 2_000;
/// The most characters of a name.
const LONGEST_NAME: usize = 80;
/// The most redirect URIs of a client.
const MOST_REDIRECT_URIS: usize = 20;
const REGISTERED: &str = "dcr.";
const NO_REDIRECT_URI: &str =
    "redirect_uris has no address that can be used: https, or http on localhost.";

/// A client id whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientId {
    /// The address of a metadata document, which is to be fetched.
    Document(Url),
    /// A registration.
    Registered(Client),
}

/// A client, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its name, which nobody has checked; without control characters. Empty if it has none.
    pub name: String,
    /// The host that vouches for it by its metadata document; none of a registered client.
    pub host: Option<String>,
    redirect_uris: Vec<RedirectUri>,
}

impl ClientId {
    /// Reads a client id, or returns `None` if it has neither form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_ID {
            return None;
        }
        match text.strip_prefix(REGISTERED) {
            Some(encoded) => registered(text, encoded).map(Self::Registered),
            None => document_address(text).map(Self::Document),
        }
    }
}

/// Reads the address of a metadata document in its one canonical spelling: `https` at a named host and the default port,
/// with a path, without user and fragment. An address in numbers is refused, because it would not be resolved and so not
/// be checked.
fn document_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_named = match url.host() {
        Some(Host::Domain(name)) => name.contains('.') && !name.ends_with('.'),
        _ => false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let is_address = url.scheme() == "https"
        && is_named
        && is_bare
        && !text.contains('#')
        && url.path() != "/"
        && url.as_str() == text;
    is_address.then_some(url)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    client_name: String,
    redirect_uris: Vec<String>,
}

fn registered(id: &str, encoded: &str) -> Option<Client> {
    let text = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let Registration { client_name, redirect_uris } = serde_json::from_slice(&text).ok()?;
    let client =
        Client::new(id.to_owned(), &client_name, redirect_uris.iter().map(String::as_str))?;
    // One client has one id.
    (client.registration_id()? == id).then_some(client)
}

impl Client {
    /// Makes the client of a registration request (RFC 7591 section 2), whose other metadata are ignored. Redirect URIs
    /// that cannot be used are left out.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRedirectUri`], [`ErrorCode::InvalidClientMetadata`].
    pub fn register(request: &[u8]) -> Result<Self, OAuthError> {
        let metadata = |description| OAuthError::new(ErrorCode::InvalidClientMetadata, description);
        let request: Value = serde_json::from_slice(request)
            .map_err(|_| metadata("The body is not a JSON object with redirect_uris."))?;
        let name = request.get("client_name").and_then(Value::as_str).unwrap_or_default();
        let client = Self::new(String::new(), name, texts(&request))
            .ok_or(OAuthError::new(ErrorCode::InvalidRedirectUri, NO_REDIRECT_URI))?;
        let id = client.registration_id().filter(|id| id.len() <= LONGEST_ID);
        let id = id.ok_or(metadata("The metadata are too long."))?;
        Ok(Self { id, ..client })
    }

    /// Reads the metadata document at an address.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidClient`] if it is not the document of this client, or of a client with a secret.
    pub fn of_document(address: &Url, document: &[u8]) -> Result<Self, OAuthError> {
        let invalid = |description| OAuthError::new(ErrorCode::InvalidClient, description);
        let document: Value = serde_json::from_slice(document)
            .map_err(|_| invalid("The client's metadata document is not JSON."))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("client_id") != Some(address.as_str()) {
            return Err(invalid("The client's metadata document has another client_id."));
        }
        let method = document.get("token_endpoint_auth_method");
        if document.get("client_secret").is_some() || method.is_some_and(|method| method != "none")
        {
            return Err(invalid(
                "The client authenticates with a secret or key; only `none` is served.",
            ));
        }
        let host = address.host_str().map(str::to_owned);
        let name = text("client_name").unwrap_or_default();
        let client = Self::new(address.as_str().to_owned(), name, texts(&document))
            .filter(|client| !client.name.is_empty());
        let client = client
            .ok_or(invalid("The client's metadata document lacks client_name or redirect_uris."))?;
        Ok(Self { host, ..client })
    }

    fn new<'a>(
        id: String,
        name: &str,
        redirect_uris: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let redirect_uris: Vec<_> =
            redirect_uris.take(MOST_REDIRECT_URIS).filter_map(RedirectUri::parse).collect();
        let client = Self { id, name: shown(name), host: None, redirect_uris };
        (!client.redirect_uris.is_empty()).then_some(client)
    }

    fn registration_id(&self) -> Option<String> {
        let registration = Registration {
            client_name: self.name.clone(),
            redirect_uris: self.redirect_uris().map(str::to_owned).collect(),
        };
        let text = serde_json::to_vec(&registration).ok()?;
        Some(format!("{REGISTERED}{}", URL_SAFE_NO_PAD.encode(text)))
    }

    /// Returns the redirect URI of a request, if the client has it.
    pub fn redirect_uri(&self, presented: &str) -> Option<RedirectUri> {
        let presented = RedirectUri::parse(presented)?;
        self.redirect_uris.iter().any(|own| own.allows(&presented)).then_some(presented)
    }

    /// Returns the redirect URIs that the client has.
    pub fn redirect_uris(&self) -> impl Iterator<Item = &str> {
        self.redirect_uris.iter().map(RedirectUri::as_str)
    }

    /// Returns the place that answers for a client, by which operators allow it: the host of its document, or the
    /// destination of its codes.
    pub fn place(&self, redirect_uri: &RedirectUri) -> Destination {
        match &self.host {
            Some(host) => Destination::Host(host.clone()),
            None => redirect_uri.destination(),
        }
    }
}

fn texts(metadata: &Value) -> impl Iterator<Item = &str> {
    let list = metadata.get("redirect_uris").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Returns a name as it is shown: one line of bounded length, without characters that reorder or hide text.
fn shown(name: &str) -> String {
    let is_visible = |character: &char| {
        let is_format = matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
        !character.is_control() && !is_format
    };
    let name: String = name.chars().filter(is_visible).collect();
    name.trim().chars().take(LONGEST_NAME).collect::<String>().trim_end().to_owned()
}

/// The answer to a registration (RFC 7591 section 3.2.1).
#[derive(Debug, Serialize)]
pub struct Registered<'a> {
    client_id: &'a str,
    client_name: &'a str,
    redirect_uris: Vec<&'a str>,
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
}

impl<'a> From<&'a Client> for Registered<'a> {
    fn from(client: &'a Client) -> Self {
        Self {
            client_id: &client.id,
            client_name: &client.name,
            redirect_uris: client.redirect_uris().collect(),
            grant_types: ["authorization_code", "refresh_token"],
            response_types: ["code"],
            token_endpoint_auth_method: "none",
        }
    }
}

#[cfg(test)]
mod tests;
