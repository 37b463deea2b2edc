//! A second opinion on `devops::address`, from the `url` crate and from the requests of the HTTP client.
//!
//! It shares nothing with the parser that it judges: it has its own list of hosts and its own decoding of segments, and
//! does not depend on how the parser works. The fuzz target `address` and the test that replays its corpus both call
//! [`judge`].

use std::sync::OnceLock;

use devops::address::Address;
use devops::client::DevopsClient;
use devops::organization::OrganizationName;
use devops::policy::{CallPolicy, CallRule};
use http::Method;
use url::{Host, Url};

/// Separates host, path and query in an input.
pub const SEPARATOR: char = '\u{1e}';
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

/// Parses `host SEPARATOR path [SEPARATOR query]`, and panics if the authorized address differs from the one that would
/// be sent. Returns whether the address was authorized.
pub fn judge(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut parts = text.splitn(3, SEPARATOR);
    let (host, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let query = parts.next();
    let allowed: Vec<OrganizationName> = ALLOWED.iter().map(|name| name.parse().unwrap()).collect();
    let Ok(address) = Address::parse(host, path, query, &allowed) else { return false };
    let sent = sent(&address);
    judge_host(&address, &sent);
    judge_path(&sent);
    judge_organization(&address, &sent);
    judge_against_url(host, path, query, &sent);
    judge_policy(&address, &sent);
    true
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

/// Asserts that the path cannot be resolved, split or decoded to another one.
fn judge_path(sent: &Url) {
    assert!(sent.path().is_ascii());
    for segment in sent.path().split('/').skip(1) {
        let once = decoded(segment);
        for reading in [segment, once.as_str(), decoded(&once).as_str()] {
            let trimmed = reading.trim_matches(|c: char| c.is_whitespace() || c == '.');
            assert!(
                reading.is_empty() || !trimmed.is_empty(),
                "{segment:?} reads as dots or blanks"
            );
            assert!(
                !reading.contains(['/', '\\', '?', '#', ';']),
                "{segment:?} reads as {reading:?}"
            );
            assert!(!reading.chars().any(char::is_control), "{segment:?} has a control character");
        }
        assert_eq!(decoded(&once), once, "{segment:?} is encoded twice");
    }
    let inner = sent.path().strip_suffix('/').unwrap_or(sent.path());
    assert!(!inner.contains("//"), "an empty segment in {inner}");
}

/// Percent-decodes a text, and keeps percent signs that encode nothing.
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let code = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(out).expect("a path that is not UTF-8")
}

/// Asserts that a server reads the organization that was authorized.
fn judge_organization(address: &Address, sent: &Url) {
    let segments: Vec<String> =
        sent.path().split('/').skip(1).map(|segment| decoded(segment).to_lowercase()).collect();
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
    // The `url` crate drops blanks at the end, as the location bar of a browser does.
    let path = path.replace(' ', "%20");
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
    let same =
        |a: &str, b: &str| decoded(a.trim_end_matches('/')) == decoded(b.trim_end_matches('/'));
    assert!(same(naive.path(), below), "{naive} is authorized and {sent} is sent");
}

/// Asserts that policies see the path that is sent.
fn judge_policy(address: &Address, sent: &Url) {
    let mut segments = sent.path().split('/').skip(1).map(decoded).filter(|s| !s.is_empty());
    if address.organization().is_some() {
        segments.next();
    }
    let mut segments = segments.peekable();
    segments.next_if(|first| first.eq_ignore_ascii_case("DefaultCollection"));
    let first = segments.next().unwrap_or_default();
    let Ok(prefix) = format!("/{first}").parse() else { return };
    let only =
        |prefix| CallPolicy::from(vec![CallRule { methods: Vec::new(), paths: vec![prefix] }]);
    if first != "*" {
        assert!(only(prefix).allows(&Method::GET, address), "{sent} is not below /{first}");
    }
    let other = if first.eq_ignore_ascii_case("_apis") { "/_git" } else { "/_apis" };
    assert!(!only(other.parse().unwrap()).allows(&Method::GET, address), "{sent} is below {other}");
}
