//! A second opinion on `devops::address`, from the `url` crate and from the requests of the HTTP client.
//!
//! It shares nothing with the parser that it judges: it has its own list of hosts and its own decoding, works on the whole
//! path instead of its segments, and expects exactly one outcome for every input.

use std::sync::OnceLock;

use devops::address::Address;
use devops::client::DevopsClient;
use devops::organization::OrganizationName;
use devops::policy::{CallPolicy, CallRule, PathPrefix};
use devops::rewrite::is_discovery;
use http::Method;
use url::{Host, Url};

/// The organizations of the calling connection.
const ALLOWED: [&str; 2] = ["mycompany", "my-other"];
/// The labels before `.dev.azure.com`.
const FAMILIES: &str = "advsec almsearch analytics artifacts auditservice azchatops codelens commvtwo dataimport \
    dpdbot entreq extmgmt feeds gdprdel governance pkgs vsaex vsblob vscommerce vsdscops vslicense vsrm vssh vssps \
    vstmr vstoken vstskalypso";
/// The areas that may be called without naming an organization, below `/_apis` on the host.
const SHARED: [(&str, &str); 2] = [
    (
        "app.vssps.visualstudio.com",
        "account accounts connectiondata location profile resourceareas servicedefinitions",
    ),
    ("status.dev.azure.com", "status"),
];

/// Characters that some reader treats as a full stop, a blank or nothing; and the first of them by themselves.
const STOPS: &str = ".\u{2024}\u{2025}\u{2026}\u{3002}\u{fe19}\u{fe30}\u{fe52}\u{ff0e}\u{ff61}";

/// Judges `host SEPARATOR path [SEPARATOR query]` without the parser, and panics if the parser authorizes another set of
/// addresses, or sends another address than the authorized one. Returns whether the address was authorized.
pub fn judge(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut parts = text.splitn(3, crate::SEPARATOR);
    let (host, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let query = parts.next();
    let allowed: Vec<OrganizationName> = ALLOWED.iter().map(|name| name.parse().unwrap()).collect();
    let parsed = Address::parse(host, path, query, &allowed);
    let expected = expected(host, path, query);
    assert_eq!(
        parsed.as_ref().ok().map(|address| address.url().as_str()),
        expected.as_deref(),
        "{host:?} {path:?} {query:?}: {parsed:?}"
    );
    let Ok(address) = parsed else { return false };
    let sent = sent(&address);
    judge_host(&address, &sent);
    judge_organization(&address, &sent);
    judge_against_url(host, path, query, &sent);
    judge_policy(&address, &sent);
    judge_discovery(&address, &sent);
    true
}

/// Returns the address that is sent, or `None` if it is refused.
fn expected(host: &str, path: &str, query: Option<&str>) -> Option<String> {
    let written = encode_unless(path, |byte| {
        byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
    });
    let rooted = written.is_empty() || written.starts_with('/');
    if !rooted || !is_read_in_one_way(&written) {
        return None;
    }
    let query = match query {
        Some(query) if query.bytes().any(|byte| byte <= b' ' || byte == b'#' || byte == 0x7f) => {
            return None;
        }
        Some(query) => {
            format!(
                "?{}",
                encode_unless(query, |byte| byte.is_ascii() && !b"\"'<>".contains(&byte))
            )
        }
        None => String::new(),
    };
    let host = host.to_lowercase();
    let heads: Vec<String> =
        written.split('/').skip(1).map(|raw| decoded(raw).to_lowercase()).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let below = |organization: &str, host: &str| {
        ALLOWED
            .contains(&organization)
            .then(|| format!("https://{host}/{organization}{written}{query}"))
    };
    if let Some((_, areas)) = SHARED.iter().find(|(name, _)| *name == host) {
        let open = matches!(heads[..], ["_apis"] | ["_apis", ""])
            || matches!(heads[..], ["_apis", area, ..] if areas.split(' ').any(|known| known == area));
        return open.then(|| format!("https://{host}{written}{query}"));
    }
    let of_family = |label: &str| FAMILIES.split_whitespace().any(|family| family == label);
    if let Some(labels) = host.strip_suffix(".visualstudio.com") {
        return match labels.split_once('.') {
            None => below(labels, "dev.azure.com"),
            Some((organization, label)) if of_family(label) => {
                below(organization, &format!("{label}.dev.azure.com"))
            }
            Some(_) => None,
        };
    }
    if host != "dev.azure.com" && !host.strip_suffix(".dev.azure.com").is_some_and(of_family) {
        return None;
    }
    let is_id = |id: &str| uuid::Uuid::parse_str(id).is_ok();
    let authorized = match heads[..] {
        ["_apis"] | ["_apis", "" | "resourceareas"] | ["_apis", "resourceareas", ""] => true,
        ["_apis", "resourceareas", id] | ["_apis", "resourceareas", id, ""] => is_id(id),
        [first, ..] => ALLOWED.contains(&first),
        [] => false,
    };
    authorized.then(|| format!("https://{host}{written}{query}"))
}

/// Returns a path or query with everything encoded that it must not contain; bytes that are encoded stay.
fn encode_unless(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut written = String::new();
    for (at, byte) in text.bytes().enumerate() {
        let digits = text.as_bytes().get(at + 1..at + 3);
        let encodes =
            byte == b'%' && digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if encodes || stays(byte) {
            written.push(char::from(byte));
        } else {
            written.extend(encoded(byte));
        }
    }
    written
}

fn encoded(byte: u8) -> [char; 3] {
    let digit = |value| char::from_digit(u32::from(value), 16).unwrap().to_ascii_uppercase();
    ['%', digit(byte >> 4), digit(byte & 15)]
}

/// Returns whether every server reads the same segments, none of which leads elsewhere, however often it decodes.
fn is_read_in_one_way(written: &str) -> bool {
    let mut bytes = decoded_bytes(written.as_bytes(), &[b"%"]);
    let Ok(once) = String::from_utf8(bytes.clone()) else { return false };
    if once.chars().any(|c| c.is_control() || c == '\u{fffd}') {
        return false;
    }
    let named = |text: &str| {
        let parts: Vec<_> = text.split(['/', '\\']).map(str::to_owned).collect();
        parts
    };
    let base = |part: &str| part.split_once(';').map_or(part, |(base, _)| base).to_owned();
    if named(&once)
        .iter()
        .any(|part| !part.is_empty() && base(part).trim_matches(is_nothing).is_empty())
    {
        return false;
    }
    if named(&once).iter().any(|part| is_left_out_by_asp_net(part)) {
        return false;
    }
    loop {
        // Web servers of Windows also decode `%u002f`.
        let again = decoded_bytes(&bytes, &[b"%u00", b"%U00", b"%"]);
        if again == bytes {
            break;
        }
        bytes = again;
    }
    let last = String::from_utf8_lossy(&bytes);
    let dotted = |part: &String| {
        base(part).contains(|c| STOPS.contains(c)) && base(part).trim_matches(is_nothing).is_empty()
    };
    named(&last).len() == named(&once).len() && !named(&last).iter().any(dotted)
}

/// Returns whether a segment is in the form `([A-Za-z]\([^)]*\))+`, in parentheses.
fn is_left_out_by_asp_net(part: &str) -> bool {
    let inner = part.strip_prefix('(').filter(|rest| rest.ends_with("))"));
    inner.is_some_and(|inner| {
        inner[..inner.len() - 1].split_inclusive(')').all(|value| {
            value.ends_with(')')
                && matches!(value.as_bytes(), [letter, b'(', ..] if letter.is_ascii_alphabetic())
        })
    })
}

fn is_nothing(c: char) -> bool {
    let without_width = "\u{ad}\u{180e}\u{feff}".contains(c)
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{2064}').contains(&c)
        || ('\u{fe00}'..='\u{fe0f}').contains(&c);
    without_width || c.is_whitespace() || STOPS.contains(c)
}

/// Returns the URL that the HTTP client sends to Microsoft. The same path must go to a stand-in.
fn sent(address: &Address) -> Url {
    static CLIENTS: OnceLock<[DevopsClient; 2]> = OnceLock::new();
    let clients = CLIENTS.get_or_init(|| {
        let http = ground::http::client().unwrap();
        let stand_in = Url::parse("http://127.0.0.1:9").unwrap();
        [DevopsClient::new(http.clone(), None), DevopsClient::new(http, Some(stand_in))]
    });
    let [to_microsoft, to_stand_in] =
        clients.each_ref().map(|client| client.request(address, Method::GET).build().unwrap());
    assert_eq!(to_microsoft.url(), address.url(), "something else is sent");
    let path_and_query = |url: &Url| (url.path().to_owned(), url.query().map(str::to_owned));
    assert_eq!(path_and_query(to_stand_in.url()), path_and_query(to_microsoft.url()));
    let read_again = Url::parse(to_microsoft.url().as_str()).unwrap();
    assert_eq!(&read_again, to_microsoft.url(), "a second reader reads something else");
    assert_eq!(address.path(), read_again.path());
    read_again
}

fn judge_host(address: &Address, sent: &Url) {
    assert_eq!((sent.scheme(), sent.username(), sent.password()), ("https", "", None));
    assert_eq!((sent.port(), sent.fragment()), (None, None));
    let Some(Host::Domain(host)) = sent.host() else { panic!("no name: {sent}") };
    assert_eq!(host, address.host());
    let label = host.strip_suffix(".dev.azure.com");
    let of_family = label.is_some_and(|label| FAMILIES.split_whitespace().any(|f| f == label));
    let shared = SHARED.iter().any(|(name, _)| *name == host);
    assert!(host == "dev.azure.com" || of_family || shared, "{host} is not on the list");
}

/// Percent-decodes a text once, and keeps percent signs that encode nothing.
fn decoded(text: &str) -> String {
    let bytes = decoded_bytes(text.as_bytes(), &[b"%"]);
    String::from_utf8(bytes).unwrap_or_else(|_| "not UTF-8".to_owned())
}

/// Decodes the bytes behind these introductions, such as `%` in `%2f`.
fn decoded_bytes(text: &[u8], introductions: &[&[u8]]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (mut out, mut rest) = (Vec::new(), text);
    while let [first, after @ ..] = rest {
        let encoded = introductions.iter().find_map(|introduction| {
            let [high, low, after @ ..] = rest.strip_prefix(*introduction)? else { return None };
            Some((u8::try_from(digit(high)? * 16 + digit(low)?).ok()?, after))
        });
        let (byte, after) = encoded.unwrap_or((*first, after));
        out.push(byte);
        rest = after;
    }
    out
}

/// Returns the segments that a server reads, with empty ones and without.
fn read_by_servers(sent: &Url) -> [Vec<String>; 2] {
    let path = sent.path().strip_suffix('/').unwrap_or(sent.path());
    let kept: Vec<_> =
        decoded(path).replace('\\', "/").split('/').skip(1).map(str::to_lowercase).collect();
    let merged = kept.iter().filter(|segment| !segment.is_empty()).cloned().collect();
    [kept, merged]
}

/// Asserts that a server reads the organization that was authorized.
fn judge_organization(address: &Address, sent: &Url) {
    let [segments, _] = read_by_servers(sent);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let shared = SHARED.iter().find(|(name, _)| sent.host_str() == Some(name));
    let authorized = address.organization().map(OrganizationName::as_str);
    match (shared, authorized) {
        (Some((_, areas)), authorized) => {
            assert_eq!(authorized, None);
            let listed = |area: &str| areas.split(' ').any(|known| known == area);
            match segments[..] {
                ["_apis"] | ["_apis", ""] => {}
                ["_apis", area, ..] => assert!(listed(area), "{sent}"),
                _ => panic!("{sent} is authorized without an organization"),
            }
        }
        (None, Some(organization)) => {
            assert!(ALLOWED.contains(&organization), "{organization}");
            assert_eq!(segments.first(), Some(&organization), "{sent}");
        }
        (None, None) => match segments[..] {
            ["_apis"] | ["_apis", "" | "resourceareas"] | ["_apis", "resourceareas", ""] => {}
            ["_apis", "resourceareas", id] | ["_apis", "resourceareas", id, ""] => {
                assert!(id.bytes().filter(u8::is_ascii_hexdigit).count() == 32, "{sent}");
            }
            _ => panic!("{sent} is authorized without an organization"),
        },
    }
}

/// Asserts that the `url` crate reads the input as the same address. Only the encoding may differ, and a legacy name
/// moves its organization into the path.
fn judge_against_url(host: &str, path: &str, query: Option<&str>, sent: &Url) {
    // The `url` crate drops blanks at the end, as the location bar of a browser does, and these delimit.
    let path =
        path.replace(' ', "%20").replace('\\', "%5C").replace('?', "%3F").replace('#', "%23");
    let naive = match query {
        Some(query) => format!("https://{host}{path}?{query}"),
        None => format!("https://{host}{path}"),
    };
    let Ok(naive) = Url::parse(&naive) else { panic!("{naive:?} is authorized and no address") };
    assert_eq!(naive.query(), sent.query());
    assert_eq!((naive.username(), naive.password(), naive.port()), ("", None, None));
    let name = naive.host_str().unwrap_or_default();
    let below = match name.strip_suffix(".visualstudio.com") {
        // The organization moves from the name into the path.
        Some(labels) if labels != "app.vssps" => {
            let organization = labels.split('.').next().unwrap_or_default();
            let below = sent.path().strip_prefix(&format!("/{organization}"));
            below.unwrap_or_else(|| panic!("{sent} is not of {organization}"))
        }
        _ => {
            assert_eq!(Some(name), sent.host_str());
            sent.path()
        }
    };
    // An address without a path gets a slash.
    let same =
        |a: &str, b: &str| decoded(a.trim_end_matches('/')) == decoded(b.trim_end_matches('/'));
    assert!(same(naive.path(), below), "{naive} is authorized and {sent} is sent");
}

/// Asserts that policies judge the path as servers read it.
fn judge_policy(address: &Address, sent: &Url) {
    let readings = read_by_servers(sent).map(|segments| {
        let mut segments =
            segments.into_iter().skip(usize::from(address.organization().is_some())).peekable();
        segments.next_if(|first| first == "defaultcollection");
        segments.collect::<Vec<_>>()
    });
    let only = |prefix: &str| {
        let paths = vec![prefix.parse().unwrap()];
        CallPolicy::from(vec![CallRule { methods: Vec::new(), paths }])
            .allows(&Method::GET, address)
    };
    let all = |covered: fn(&[&str]) -> bool| {
        readings
            .iter()
            .all(|segments| covered(&segments.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let is_name = |first: &str| !first.is_empty() && !first.starts_with('_');
    assert_eq!(only("/_apis"), all(|segments| matches!(segments, ["_apis", ..])), "{sent}");
    let of_git = all(|segments| matches!(segments, [_, "_apis", "git", ..]));
    let names_one =
        readings.iter().all(|segments| segments.first().is_some_and(|first| is_name(first)));
    assert_eq!(only("/*/_apis/git"), of_git && names_one, "{sent}");
    let first = readings[1].first().map(String::as_str).unwrap_or_default();
    let prefix = format!("/{}", first.replace('%', "%25"));
    if first != "*"
        && readings[0].first() == readings[1].first()
        && prefix.parse::<PathPrefix>().is_ok()
    {
        assert!(only(&prefix), "{sent} is not below {prefix}");
    }
}

/// Asserts that the answers whose addresses are rewritten are those that a server gives with addresses.
fn judge_discovery(address: &Address, sent: &Url) {
    let [_, segments] = read_by_servers(sent);
    let area = segments.iter().skip_while(|segment| *segment != "_apis").nth(1).map(String::as_str);
    let expected = matches!(area, Some("resourceareas" | "connectiondata" | "servicedefinitions"))
        || segments.join("/").ends_with("/info/lfs/objects/batch");
    assert_eq!(is_discovery(address), expected, "{sent}");
}
