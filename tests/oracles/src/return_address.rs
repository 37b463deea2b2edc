//! A second opinion on the addresses to which browsers are sent back: parts that the `url` crate reads, and a reader of
//! RFC 3986 that knows nothing of WHATWG's rules.

use url::Url;
use vault::integrations::{ReturnOrigin, return_address};

/// Judges `origin SEPARATOR address`. Returns whether the address is accepted.
pub fn judge(input: &[u8]) -> bool {
    let Some([origin, address]) = crate::parts(input) else { return false };
    let Some(origin) = judge_origin(origin) else { return false };
    let also = ReturnOrigin::try_from("https://app.example".to_owned()).unwrap();
    let accepted = return_address(&[also, origin.clone()], address);
    let read = Url::parse(address).ok();
    if let Some(read) = &read {
        let is_covered = is_plain(read)
            && [own_origin(&origin), own_origin_of("https://app.example")].contains(&triple(read));
        let is_clear =
            !address.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\');
        let is_whole = address.contains("://") && address.len() <= 2048;
        assert_eq!(
            accepted.is_some(),
            is_covered && is_clear && is_whole,
            "{address:?} under {origin:?}"
        );
    }
    let Some(accepted) = accepted else { return false };
    assert_eq!(Some(&accepted), read.as_ref());
    judge_sent(accepted, &origin);
    true
}

type Triple = (String, Option<String>, Option<u16>);

fn triple(url: &Url) -> Triple {
    (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default())
}

fn own_origin_of(text: &str) -> Triple {
    triple(&Url::parse(text).unwrap())
}

fn own_origin(origin: &ReturnOrigin) -> Triple {
    own_origin_of(&String::from(origin.clone()))
}

fn is_plain(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// Asserts that an origin is nothing but one, and safe. Returns it if it is accepted.
fn judge_origin(text: &str) -> Option<ReturnOrigin> {
    let origin = ReturnOrigin::try_from(text.to_owned()).ok()?;
    let written = String::from(origin.clone());
    assert_eq!(ReturnOrigin::try_from(written.clone()).as_ref(), Ok(&origin), "{written}");
    let (read, again) = (Url::parse(text).unwrap(), Url::parse(&written).unwrap());
    assert_eq!(triple(&read), triple(&again), "{text:?} became {written}");
    assert_eq!((read.path(), read.query(), read.fragment()), ("/", None, None), "{text:?}");
    assert!(is_plain(&read), "{text:?}");
    let host = read.host_str().unwrap_or_default();
    let is_loopback = host == "localhost"
        || host == "[::1]"
        || host.parse().is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback());
    let is_safe = read.scheme() == "https" || (read.scheme() == "http" && is_loopback);
    assert!(is_safe, "{text:?} is an origin");
    Some(origin)
}

/// Asserts that the address leads to the same origin with the result in its query, also for a reader that splits it as
/// RFC 3986 appendix B does.
fn judge_sent(mut address: Url, origin: &ReturnOrigin) {
    address.query_pairs_mut().append_pair("connection_id", "conn_1");
    let sent = edge::respond::see_other(&address).unwrap();
    let location = sent.headers()[http::header::LOCATION].to_str().unwrap();
    let (scheme, rest) = location.split_once("://").unwrap();
    let authority = rest.split(['/', '?', '#']).next().unwrap();
    let read = format!("{scheme}://{authority}");
    let origins = [String::from(origin.clone()), "https://app.example".to_owned()];
    assert!(origins.contains(&read), "{location} leads to {read} instead of {origins:?}");
    let again = Url::parse(location).unwrap();
    let given = again.query_pairs().filter(|(name, _)| name == "connection_id").last();
    assert_eq!(given.unwrap().1, "conn_1", "{location}");
}
