//! A second opinion on queries and cookies, from the libraries that decode them leniently.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use edge::cookies::{self, HostCookie};
use edge::parameters::{QUERY_LIMIT, Query};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::form_urlencoded;

/// The shortest value that would be recognised in an error.
const RECOGNISABLE: usize = 6;

/// Judges `query SEPARATOR cookies`. Returns whether one of them has a value.
pub fn judge(input: &[u8]) -> bool {
    let Some([query, cookies]) = crate::parts(input) else { return false };
    let has_parameters = judge_query(query);
    let has_cookie = judge_cookies(cookies);
    has_parameters || has_cookie
}

fn judge_query(query: &str) -> bool {
    let expected = expected(query);
    match (Query::parse(query), &expected) {
        (Ok(read), Some(expected)) => {
            for (name, value) in expected {
                assert_eq!(read.get(name), Some(value.as_str()), "{query:?}");
            }
            let names: Vec<&str> = expected.keys().map(String::as_str).collect();
            assert!(read.only(&names).is_ok(), "{query:?} has more parameters than {names:?}");
            for left_out in 0..names.len() {
                let others = [&names[..left_out], &names[left_out + 1..]].concat();
                assert!(read.only(&others).is_err(), "{query:?} has no {:?}", names[left_out]);
            }
            !expected.is_empty()
        }
        (Err(problem), None) => {
            let shown = format!("{problem:?}");
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            for (_, value) in &pairs {
                // A problem may name a parameter, and has words of its own.
                let names = pairs.iter().map(|(name, _)| &**name);
                let mut allowed = names.chain(OWN_WORDS.iter().map(String::as_str));
                let is_allowed =
                    value.len() < RECOGNISABLE || allowed.any(|text| text.contains(&**value));
                assert!(is_allowed || !shown.contains(&**value), "{shown} repeats {value:?}");
            }
            false
        }
        (read, expected) => panic!("{query:?}: {read:?} instead of {expected:?}"),
    }
}

/// The problems of queries without values.
static OWN_WORDS: LazyLock<[String; 3]> = LazyLock::new(|| {
    let too_long = "a".repeat(QUERY_LIMIT + 1);
    ["a=%zz", "a=&a=", &too_long].map(|query| format!("{:?}", Query::parse(query)))
});

/// Returns the parameters of a query that has one meaning only.
fn expected(query: &str) -> Option<BTreeMap<String, String>> {
    let is_encoded = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if query.len() > QUERY_LIMIT || !query.split('%').skip(1).all(is_encoded) {
        return None;
    }
    let spaced = query.replace('+', " ");
    // The decoder below replaces bytes that are not UTF-8.
    let texts = spaced.split(['&', '=']).all(|text| percent_decode_str(text).decode_utf8().is_ok());
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let named = pairs.iter().all(|(name, _)| !name.chars().any(char::is_control));
    let parameters: BTreeMap<_, _> = pairs.iter().cloned().map(owned).collect();
    (texts && named && parameters.len() == pairs.len()).then_some(parameters)
}

fn owned<'a>((name, value): (impl Into<String> + 'a, impl Into<String> + 'a)) -> (String, String) {
    (name.into(), value.into())
}

fn judge_cookies(sent: &str) -> bool {
    judge_set(sent);
    let Ok(header) = HeaderValue::from_bytes(sent.as_bytes()) else { return false };
    let whole = HeaderMap::from_iter([(COOKIE, header)]);
    let split: HeaderMap = sent
        .split(';')
        .map(|pair| (COOKIE, HeaderValue::from_str(pair).unwrap_or_else(|_| bytes(pair))))
        .collect();
    let mut found = false;
    for cookie in [cookies::portal(), cookies::claims()] {
        let values = values(sent, cookie.name());
        for headers in [&whole, &split] {
            let read = cookie.read(headers);
            match (&values[..], read) {
                ([], Ok(None)) | ([_, _, ..], Err(_)) => {}
                ([value], Ok(Some(read))) => {
                    assert_eq!(read.expose_secret(), *value, "{sent:?}");
                    found = true;
                }
                (values, read) => panic!("{sent:?}: {read:?} instead of {values:?}"),
            }
        }
    }
    found
}

fn bytes(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap()
}

/// Returns the values of a cookie as RFC 6265 section 5.2 reads names and values.
fn values<'a>(sent: &'a str, name: &str) -> Vec<&'a str> {
    let is_blank = |character| matches!(character, ' ' | '\t');
    let mut values = Vec::new();
    for pair in sent.split(';') {
        if let Some(at) = pair.find('=')
            && pair[..at].trim_matches(is_blank) == name
        {
            values.push(pair[at + 1..].trim_matches(is_blank));
        }
    }
    values
}

/// Asserts that a value which is set comes back, and that none sets anything else.
fn judge_set(value: &str) {
    let cookie: HostCookie = cookies::portal();
    let Ok(header) = cookie.set(&SecretString::from(value), Duration::from_mins(1)) else {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        assert!(!value.bytes().all(is_plain), "{value:?} is refused");
        return;
    };
    let text = header.to_str().unwrap();
    let expected =
        format!("{}={value}; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax", cookie.name());
    assert_eq!(text, expected);
    assert_eq!(text.split(';').count(), 6, "{text} has another attribute");
    let sent = HeaderMap::from_iter([(COOKIE, text.split(';').next().unwrap().parse().unwrap())]);
    let read = cookie.read(&sent).unwrap().unwrap();
    assert_eq!(read.expose_secret(), value);
}
