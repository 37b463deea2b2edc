//! A browser without a screen: cookies, redirects, and Entra's sign-in page.

use std::collections::BTreeMap;
use std::sync::Mutex;

use url::Url;

use crate::{Answer, World, portal};

/// One browser with its cookies for the service.
pub struct Browser<'w> {
    world: &'w World,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, cookies: Mutex::default() }
    }

    /// Opens an address of the service.
    pub async fn open(&self, url: &str) -> Answer {
        self.open_accepting(url, "*/*").await
    }

    /// Opens an address of the service with `Accept: text/html`.
    pub async fn open_page(&self, url: &str) -> Answer {
        self.open_accepting(url, "text/html,application/xhtml+xml;q=0.9").await
    }

    async fn open_accepting(&self, url: &str, accept: &str) -> Answer {
        self.send(self.world.http().get(url).header("accept", accept)).await
    }

    /// Sends a form with `Accept: text/html`.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.world.http().post(url).header("accept", "text/html");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(portal::encoded(fields))).await
    }

    /// Sends a request with the cookies and keeps those of the answer.
    pub async fn send(&self, mut request: reqwest::RequestBuilder) -> Answer {
        let cookies = self.cookies();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let answer = self.world.send(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            self.store(cookie.to_str().unwrap());
        }
        answer
    }

    /// Returns the `Cookie` header.
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn store(&self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        assert!(name.starts_with("__Host-"), "{cookie}");
        let mut cookies = self.cookies.lock().unwrap();
        if attributes.contains("Max-Age=0") {
            cookies.remove(name);
        } else {
            self.world.secret(value);
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Opens a connect link. Returns the authorize URL of Entra that it leads to.
    pub async fn start(&self, connect_url: &str) -> Url {
        let location = self.open(connect_url).await.expect(302).location();
        let state =
            location.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        self.world.secret(&state);
        location
    }

    /// Sends a decision on Entra's page. Returns the URL of the callback.
    pub async fn decide(&self, authorize_url: &Url, form: &[(&str, &str)]) -> Url {
        let mut decision = authorize_url.clone();
        decision.set_path(&format!("{}/decision", authorize_url.path()));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .world
            .http()
            .post(decision)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        Answer::of(request.send().await.unwrap()).await.expect(302).location()
    }

    /// Lets an MCP client in that has sent the browser here, with all that it asks for. Returns the authorize URL of Entra.
    pub async fn let_in(&self, url: &str) -> Url {
        let page = self.open_page(url).await.expect(200).text();
        let (_, token) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        let token = token.split_once('"').unwrap().0;
        self.submit(url, &[("csrf", token), ("write", "on")]).await.expect(303).location()
    }

    /// Goes from the connect link to Entra's redirect. Returns the URL of the callback.
    pub async fn sign_in(&self, connect_url: &str, account: &str) -> Url {
        let authorize_url = self.start(connect_url).await;
        self.decide(&authorize_url, &[("account", account), ("action", "approve")]).await
    }

    /// Goes from the connect link to the callback. Returns the callback's answer.
    pub async fn finish(&self, connect_url: &str, account: &str) -> Answer {
        let callback = self.sign_in(connect_url, account).await;
        self.open(callback.as_str()).await
    }
}
