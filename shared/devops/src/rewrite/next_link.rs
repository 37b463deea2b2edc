//! The links of Analytics to the next page, `@odata.nextLink`, also of expanded members
//! (`OData` JSON Format 4.01, section 4.5.5).
//!
//! Pages may be larger than the gateway's limit, so the body is rewritten as it comes. Inside a JSON string the quote after
//! such a name has a backslash before it. So each match is the end of a member's name or of a whole string, and only a
//! name has a colon behind it.

use bytes::Bytes;

use super::Gateway;
use super::discovery::{end_of_string, replaced};

/// The end of a member's name.
const NAME: &[u8] = b"@odata.nextLink\"";
/// The longest link that is rewritten, in bytes. As much is held back.
const LONGEST: usize = 16 * 1024;

/// A body in which the links are rewritten.
#[derive(Debug)]
pub struct NextLinks {
    gateway: Gateway,
    held: Vec<u8>,
}

/// The value of a member whose name has been found.
enum Value {
    /// A string from the first to the second index.
    Text(usize, usize),
    Other,
    /// The rest has not come.
    Incomplete,
}

impl NextLinks {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self { gateway, held: Vec::new() }
    }

    /// Takes the next bytes of the body. Returns those that may leave.
    pub fn push(&mut self, chunk: &[u8]) -> Bytes {
        self.held.extend_from_slice(chunk);
        let mut leaving = Vec::with_capacity(self.held.len());
        let left = rewrite(&self.held, &self.gateway, &mut leaving);
        // The only move of held bytes, whatever the number of links: at most `LONGEST` stay.
        self.held.drain(..left);
        leaving.into()
    }

    /// Returns the bytes that were held back at the end of the body.
    pub fn end(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }
}

/// Copies a body with its links rewritten. Returns how many of its bytes were read; the others are held back, because a
/// name or a link in them is incomplete. Reads forward only, so that the work does not grow with the number of links.
fn rewrite(body: &[u8], gateway: &Gateway, out: &mut Vec<u8>) -> usize {
    let mut read = 0;
    while let Some(name) = find(&body[read..], NAME) {
        let (at, after) = (read + name, read + name + NAME.len());
        let end = body.len().min(at + LONGEST);
        let (from, to) = match value(&body[after..end]) {
            Value::Incomplete if end == body.len() => {
                out.extend_from_slice(&body[read..at]);
                return at;
            }
            Value::Text(start, end) => (after + start, after + end),
            Value::Incomplete | Value::Other => (after, after),
        };
        out.extend_from_slice(&body[read..from]);
        match link(&body[from..to], gateway) {
            Some(link) => out.extend_from_slice(link.as_bytes()),
            None => out.extend_from_slice(&body[from..to]),
        }
        read = to;
    }
    // The beginning of a name may be at the end.
    let rest = &body[read..];
    let kept = (1..NAME.len()).rev().find(|kept| rest.ends_with(&NAME[..*kept]));
    let left = body.len() - kept.unwrap_or_default();
    out.extend_from_slice(&body[read..left]);
    left
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Returns a link in its quotes that leads back to the proxy, or `None` if the text stays as it is.
fn link(text: &[u8], gateway: &Gateway) -> Option<String> {
    replaced(std::str::from_utf8(text).ok()?, |url| gateway.address(url))
}

/// Returns the value behind a name.
fn value(text: &[u8]) -> Value {
    let blanks_from = |at: usize| text[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let colon = blanks_from(0);
    match text.get(colon) {
        None => return Value::Incomplete,
        Some(b':') => {}
        Some(_) => return Value::Other,
    }
    let start = colon + 1 + blanks_from(colon + 1);
    match text.get(start) {
        None => Value::Incomplete,
        Some(b'"') => {
            end_of_string(text, start).map_or(Value::Incomplete, |end| Value::Text(start, end))
        }
        Some(_) => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = r#"{"@odata.context":"https://analytics.dev.azure.com/mycompany/_odata/v4.0-preview/$metadata#WorkItems","value":[{"Title":"\"@odata.nextLink\":\"https://analytics.dev.azure.com/a\"","Kids@odata.nextLink": "https://analytics.dev.azure.com/mycompany/_odata/k"},{"x":"@odata.nextLink"}],"@odata.nextLink":"https:\/\/analytics.dev.azure.com/mycompany/_odata/v4.0-preview/WorkItems?$skiptoken=Id%20gt%205","y":{"@odata.nextLink":null}}"#;

    fn gateway() -> Gateway {
        Gateway::new("https://gateway.example", "conn_1")
    }

    fn rewritten<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut links = NextLinks::new(gateway());
        let mut all: Vec<u8> = chunks.into_iter().flat_map(|chunk| links.push(chunk)).collect();
        all.extend(links.end());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn links_to_the_next_page_and_nothing_else_lead_back_to_the_proxy() {
        let proxy =
            "https://gateway.example/proxy/conn_1/analytics.dev.azure.com/mycompany/_odata/";
        let expected = PAGE
            .replace(
                r#" "https://analytics.dev.azure.com/mycompany/_odata/k"#,
                &format!(" \"{proxy}k"),
            )
            .replace(r"https:\/\/analytics.dev.azure.com/mycompany/_odata/", proxy);
        assert_eq!(rewritten([PAGE.as_bytes()]), expected);
    }

    #[test]
    fn a_body_of_many_links_is_held_back_from_an_unfinished_one_only() {
        let link = r#"{"@odata.nextLink":"https://analytics.dev.azure.com/mycompany/_odata/x"},"#;
        let open = r#"{"@odata.nextLink":"https://analytics.dev.azure.com/"#;
        let mut links = NextLinks::new(gateway());
        links.push(format!("[{}{open}", link.repeat(1000)).as_bytes());
        assert_eq!(links.held, &open.as_bytes()[2..]);
        let mut links = NextLinks::new(gateway());
        for chunk in link.repeat(1000).as_bytes().chunks(7) {
            links.push(chunk);
            assert!(links.held.len() < link.len());
        }
    }

    #[test]
    fn a_body_that_ends_in_a_link_or_has_an_endless_one_stays() {
        let endless =
            format!("{{\"@odata.nextLink\":\"https://dev.azure.com/{}\"}}", "x".repeat(40_000));
        for body in [
            "\"@odata.nextLink\":\"https://dev.azure.com/x",
            "\"@odata.nex",
            "@odata.nextLink\"",
            &endless,
        ] {
            assert_eq!(rewritten(body.as_bytes().chunks(1000)), *body);
        }
    }

    proptest! {
        #[test]
        fn the_cuts_between_chunks_change_nothing(sizes in proptest::collection::vec(1..60_usize, 1..30)) {
            let (mut chunks, mut rest) = (Vec::new(), PAGE.as_bytes());
            for size in sizes {
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            prop_assert_eq!(rewritten(chunks), rewritten([PAGE.as_bytes()]));
        }
    }
}
