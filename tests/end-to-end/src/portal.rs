//! An operator in the portal, with a browser that runs no scripts.

use url::form_urlencoded;

use crate::{Answer, Browser, World};

/// An operator who is signed in.
pub struct Operator<'w> {
    world: &'w World,
    browser: Browser<'w>,
}

impl<'w> Operator<'w> {
    /// Signs an operator in with this key.
    pub async fn sign_in(world: &'w World, key: &str) -> Self {
        let browser = world.browser();
        let sent = browser.submit(&world.url("/portal/sign-in"), &[("key", key)]).await;
        assert_eq!(sent.expect(303).header("location"), Some("/"));
        Self { world, browser }
    }

    /// Returns the browser.
    pub fn browser(&self) -> &Browser<'w> {
        &self.browser
    }

    /// Opens a page of the portal.
    pub async fn open(&self, path: &str) -> Answer {
        self.browser.open_page(&self.world.url(path)).await
    }

    /// Returns the token in the forms of a page.
    pub async fn form_token(&self) -> String {
        let page = self.open("/portal/health").await.expect(200).text();
        field(&page, "csrf").expect("a page of the portal has a form")
    }

    /// Sends a form with the token of a page.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token().await;
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.browser.submit(&self.world.url(path), &all).await
    }

    /// Sends a form and follows its redirect.
    pub async fn submit_and_follow(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let sent = self.submit(path, fields).await.expect(303);
        let location = sent.header("location").expect("a redirect leads somewhere");
        self.open(location).await
    }
}

/// Returns the value of an input on a page, or `None` if there is no such input.
pub fn field(page: &str, name: &str) -> Option<String> {
    let input = page.split("<input").find(|input| {
        let tag = input.split('>').next().unwrap_or_default();
        tag.contains(&format!("name=\"{name}\"")) || tag.contains(&format!("id=\"{name}\""))
    })?;
    let value = input.split("value=\"").nth(1)?.split('"').next()?;
    Some(unescaped(value))
}

/// Returns the fields of an untouched form, as a browser would send them.
pub fn untouched(page: &str) -> Vec<(String, String)> {
    let form = page.split("<form method=\"post\" autocomplete").nth(1).unwrap();
    let form = form.split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        Some(unescaped(tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?))
    };
    let mut fields = Vec::new();
    for rest in form.split('<').skip(1) {
        let (tag, text) = rest.split_once('>').unwrap_or((rest, ""));
        let Some(name) = attribute(tag, "name") else { continue };
        let is_choice = tag.contains("type=\"radio\"") || tag.contains("type=\"checkbox\"");
        if tag.starts_with("input") && (!is_choice || tag.contains(" checked")) {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        } else if tag.starts_with("textarea") {
            fields.push((name, unescaped(text.trim_start_matches('\n'))));
        }
    }
    fields
}

/// Returns the hidden fields of a page's only form.
pub fn hidden(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input type=\"hidden\" name=\"").skip(1);
    let pairs = inputs.filter_map(|input| {
        let (name, rest) = input.split_once("\" value=\"")?;
        Some((unescaped(name), unescaped(rest.split('"').next()?)))
    });
    pairs.collect()
}

/// Borrows fields for [`Operator::submit`].
pub fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Decodes the character references of a text.
pub fn unescaped(html: &str) -> String {
    let read = html.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"");
    read.replace("&#39;", "'").replace("&#38;", "&")
}

/// Encodes the body of a form.
pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
