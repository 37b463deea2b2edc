//! The metadata documents of clients, fetched from the hosts that the clients name.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::http::{ClientError, client_for_strangers, read};
use ground::media_type;
use ground::public_addresses::PublicAddresses;
use ground::remembered::Remembered;
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL};
use jiff::SignedDuration;
use oauth::client::{Client, DOCUMENT_LIMIT};
use reqwest::RequestBuilder;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

/// The limits of the time for which a document is believed.
const BELIEVED_AT_LEAST: SignedDuration = SignedDuration::from_mins(5);
const BELIEVED_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// The way to the hosts of documents.
enum Reach {
    /// The public Internet. The client is made when the first document is fetched.
    Public(OnceCell<reqwest::Client>),
    /// A stand-in for all of them, on this machine.
    Instead(reqwest::Client, Url),
}

/// The metadata documents of clients.
pub(crate) struct ClientDocuments {
    reach: Reach,
    clock: Arc<dyn Clock>,
    known: Remembered<Url, Client>,
    /// A host has one of them: so many documents are fetched at once, and one of each host.
    lanes: [Mutex<()>; 4],
}

impl ClientDocuments {
    /// Fetches from the hosts themselves, or with the client from the stand-in.
    pub(crate) fn new(instead: Option<(reqwest::Client, Url)>, clock: Arc<dyn Clock>) -> Self {
        let known = Remembered::new(Arc::clone(&clock), BELIEVED_AT_MOST);
        let reach = match instead {
            Some((http, url)) => Reach::Instead(http, url),
            None => Reach::Public(OnceCell::new()),
        };
        Self { reach, clock, known, lanes: Default::default() }
    }

    /// Returns the client whose metadata document is at an address.
    ///
    /// # Errors
    /// [`Code::ClientUnknown`] if there is none, or it is another client's. A failure is not remembered.
    pub(crate) async fn client(&self, address: &Url) -> Result<Client, Problem> {
        if let Some(client) = self.known.known(address).await {
            return Ok(client);
        }
        let _lane = self.lane(address).lock().await;
        // Another request may have fetched it meanwhile.
        if let Some(client) = self.known.known(address).await {
            return Ok(client);
        }
        let (client, lifetime) = self.fetch(address).await?;
        // A document with a shorter life is as old as one of the longest life that ends with it.
        let had_at = self.clock.now() + lifetime - BELIEVED_AT_MOST;
        self.known.put_as_of(address, client.clone(), had_at).await;
        Ok(client)
    }

    fn lane(&self, address: &Url) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        address.host_str().hash(&mut hasher);
        let [first, second, third, fourth] = &self.lanes;
        match hasher.finish() % 4 {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    async fn fetch(&self, address: &Url) -> Result<(Client, SignedDuration), Problem> {
        let unknown = |detail: &str| Problem::new(Code::ClientUnknown).detail(detail);
        let no_answer = |cause: &dyn std::fmt::Display| {
            unknown("The program's description could not be fetched from its own website.")
                .cause(cause)
        };
        let request = self.request(address).await.map_err(|error| no_answer(&error))?;
        let response = request
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(|error| no_answer(&error.without_url()))?;
        let headers = response.headers();
        let essence = media_type::of(headers);
        let is_json = essence == "application/json" || essence.ends_with("+json");
        if response.status() != StatusCode::OK || !is_json {
            return Err(no_answer(&format!("status {}, {essence}", response.status())));
        }
        let lifetime = lifetime(headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
        let body = read(response, DOCUMENT_LIMIT).await.map_err(|error| no_answer(&error))?;
        let client = Client::of_document(address, &body);
        Ok((client.map_err(|error| unknown(error.description))?, lifetime))
    }

    /// Returns the request for a document: to its own address, or below that of the stand-in, after the host's name.
    async fn request(&self, address: &Url) -> Result<RequestBuilder, ClientError> {
        match &self.reach {
            Reach::Public(http) => {
                let made = || async { client_for_strangers(PublicAddresses::of_system()) };
                Ok(http.get_or_try_init(made).await?.get(address.clone()))
            }
            Reach::Instead(http, instead) => {
                let mut url = instead.clone();
                let host = address.host_str().unwrap_or_default();
                url.set_path(&format!("/{host}{}", address.path()));
                url.set_query(address.query());
                Ok(http.get(url))
            }
        }
    }
}

/// Returns how long an answer is believed (RFC 9111 section 5.2.2.1).
fn lifetime(cache_control: Option<&str>) -> SignedDuration {
    let mut directives = cache_control.unwrap_or_default().split(',').map(str::trim);
    let max_age = directives.find_map(|one| one.strip_prefix("max-age=")?.parse().ok());
    let max_age = SignedDuration::from_secs(max_age.unwrap_or(0));
    max_age.clamp(BELIEVED_AT_LEAST, BELIEVED_AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_believed_for_its_own_time_within_five_minutes_and_a_day() {
        for (header, minutes) in [
            (None, 5),
            (Some("no-store"), 5),
            (Some("max-age=0"), 5),
            (Some("public, max-age=3600"), 60),
            (Some("max-age=31536000"), 24 * 60),
            (Some("max-age=-1"), 5),
            (Some("max-age=soon"), 5),
        ] {
            assert_eq!(lifetime(header), SignedDuration::from_mins(minutes), "{header:?}");
        }
    }
}
