//! Addresses in answers that must point back at the proxy, so that no client leaves it without noticing:
//! `location` and `link` headers, and the addresses by which Microsoft's SDKs discover other hosts.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue, LINK, LOCATION};
use serde_json::Value;
use url::Url;

use crate::address::Address;
use crate::host::Host;

/// The proxy, as one connection's callers see it.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// `https://<gateway>/proxy/<connection>/`
    base: String,
}

impl Gateway {
    /// For the gateway's origin (without a slash at the end) and a connection.
    pub fn new(public_url: &str, connection: &str) -> Self {
        Self { base: format!("{public_url}/proxy/{connection}/") }
    }

    /// An absolute address of Azure DevOps, as an address of the proxy; `None` for all others.
    pub fn address(&self, url: &str) -> Option<String> {
        let rest = url
            .get(..8)
            .filter(|scheme| scheme.eq_ignore_ascii_case("https://"))
            .and(url.get(8..))?;
        let parsed = Url::parse(url).ok()?;
        let plain = parsed.username().is_empty() && parsed.port().is_none();
        let known = parsed.host_str().and_then(Host::parse).is_some();
        (plain && known).then(|| format!("{}{rest}", self.base))
    }

    /// Rewrites `location` and `link`.
    pub fn rewrite_headers(&self, headers: &mut HeaderMap) {
        let location = headers.get(LOCATION).and_then(|value| self.address(value.to_str().ok()?));
        if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(LOCATION, location);
        }
        let links: Vec<HeaderValue> = headers
            .get_all(LINK)
            .iter()
            .map(|value| {
                let rewritten = value.to_str().ok().map(|text| self.links(text));
                rewritten
                    .and_then(|text| HeaderValue::from_str(&text).ok())
                    .unwrap_or_else(|| value.clone())
            })
            .collect();
        headers.remove(LINK);
        for link in links {
            headers.append(LINK, link);
        }
    }

    /// The targets of a `Link` header (RFC 8288), each between angle brackets.
    fn links(&self, text: &str) -> String {
        let mut parts = text.split('<');
        let mut rewritten = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (target, rest) = part.split_once('>').unwrap_or((part, ""));
            let target = self.address(target).unwrap_or_else(|| target.to_owned());
            rewritten.extend(["<", &target, ">", rest]);
        }
        rewritten
    }

    /// Rewrites the answers by which SDKs discover hosts; every other body stays byte for byte.
    pub fn rewrite_body(&self, address: &Address, headers: &HeaderMap, body: Bytes) -> Bytes {
        // The proxy does not ask for compression on these routes; an answer that is compressed all the
        // same is not ours to open.
        if !is_discovery(address) || headers.contains_key(CONTENT_ENCODING) {
            return body;
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
        self.rewrite_value(&mut value);
        serde_json::to_vec(&value).map_or(body, Bytes::from)
    }

    fn rewrite_value(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite_value(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(text) if is_location(name) => {
                            if let Some(rewritten) = self.address(text) {
                                *text = rewritten;
                            }
                        }
                        member => self.rewrite_value(member),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether an answer to this path is rewritten, so that it must come uncompressed.
pub fn is_discovery(address: &Address) -> bool {
    let path = address.path().to_ascii_lowercase();
    ["/_apis/resourceareas", "/_apis/connectiondata", "/_apis/servicedefinitions"]
        .iter()
        .any(|end| path.contains(end))
}

fn is_location(name: &str) -> bool {
    ["locationUrl", "accessPoint", "location", "publicAccessMapping"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gateway() -> Gateway {
        Gateway::new("https://gateway.example", "conn_1")
    }

    #[test]
    fn addresses_of_azure_devops_point_back_and_others_stay() {
        let gateway = gateway();
        assert_eq!(
            gateway.address("https://vssps.dev.azure.com/mycompany/_apis/x?a=b").unwrap(),
            "https://gateway.example/proxy/conn_1/vssps.dev.azure.com/mycompany/_apis/x?a=b",
        );
        for other in [
            "https://evil.example/",
            "http://dev.azure.com/",
            "/relative",
            "https://dev.azure.com:8443/",
            "https://u@dev.azure.com/",
            "https://spsprodcin2.vssps.visualstudio.com.evil/",
        ] {
            assert_eq!(gateway.address(other), None, "{other}");
        }
    }

    #[test]
    fn location_and_link_are_rewritten() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "https://dev.azure.com/mycompany/x".parse().unwrap());
        headers.insert(LINK, r#"<https://dev.azure.com/mycompany/next>; rel="next", <https://evil.example/>; rel="x""#.parse().unwrap());
        gateway().rewrite_headers(&mut headers);
        assert_eq!(
            headers[LOCATION],
            "https://gateway.example/proxy/conn_1/dev.azure.com/mycompany/x"
        );
        assert_eq!(
            headers[LINK],
            r#"<https://gateway.example/proxy/conn_1/dev.azure.com/mycompany/next>; rel="next", <https://evil.example/>; rel="x""#
        );
    }

    #[test]
    fn discovery_answers_are_rewritten_and_nothing_else_is() {
        let allowed = ["mycompany".parse().unwrap()];
        let parse = |path| Address::parse("dev.azure.com", path, None, &allowed).unwrap();
        let body = Bytes::from_static(br#"{"count":1,"value":[{"id":"1","locationUrl":"https://vssps.dev.azure.com/mycompany/"}]}"#);
        let rewritten = gateway().rewrite_body(
            &parse("/mycompany/_apis/ResourceAreas"),
            &HeaderMap::new(),
            body.clone(),
        );
        let value: Value = serde_json::from_slice(&rewritten).unwrap();
        assert_eq!(
            value["value"][0]["locationUrl"],
            "https://gateway.example/proxy/conn_1/vssps.dev.azure.com/mycompany/"
        );
        let untouched = gateway().rewrite_body(
            &parse("/mycompany/_apis/projects"),
            &HeaderMap::new(),
            body.clone(),
        );
        assert_eq!(untouched, body);
    }
}
