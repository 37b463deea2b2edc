#![allow(clippy::unwrap_used)]

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::host::Family;

fn allowed() -> Vec<OrganizationName> {
    vec!["mycompany".parse().unwrap()]
}

fn parse(host: &str, path: &str) -> Result<Address, AddressError> {
    Address::parse(host, path, None, &allowed())
}

#[test]
fn what_comes_encoded_is_sent_byte_for_byte() {
    for path in [
        "/mycompany",
        "/mycompany/",
        "/mycompany/_apis/projects",
        "/mycompany/_apis/projects/",
        "/MyCompany/_apis/projects",
        "/mycompany/My%20Project/_apis/wit/workitems/$Task",
        "/mycompany/p/_apis/wit/workitems/$Product%20Backlog%20Item",
        "/mycompany/p/_apis/git/repositories/r(1)/items",
        "/mycompany/p/_git/repo/info/refs",
        "/mycompany/p/_git/repo.name/info/lfs/objects/batch",
        "/mycompany/%C3%BCber/_apis/build/builds",
        "/mycompany/%c3%bcber/_apis/build/builds",
        "/mycompany/%E3%83%97%E3%83%AD%E3%82%B8%E3%82%A7%E3%82%AF%E3%83%88%E3%80%82/_apis/wiki",
        "/mycompany/p/_apis/x/a+b,c=e:f@g!h*i'j~k_l-m.n&o",
        "/mycompany/p/.hidden/..name/na..me/name..",
        "/mycompany/DefaultCollection/_apis/projects",
        "/mycompany/b810b0b0-a954-403b-9795-f0c9d0c9cfe9/My%20Team/_apis/wit/wiql",
    ] {
        let address = parse("dev.azure.com", path).unwrap();
        assert_eq!(address.path(), path);
        assert_eq!(address.path_and_query(), path);
        assert_eq!(address.url().as_str(), format!("https://dev.azure.com{path}"));
        assert_eq!(address.organization(), allowed().first());
    }
}

#[test]
fn what_comes_decoded_is_encoded_once() {
    for (decoded, sent) in [
        ("/mycompany/My Project/_apis/über", "/mycompany/My%20Project/_apis/%C3%BCber"),
        ("/mycompany/a\"b<c>d[e]f^g`h{i|j}", "/mycompany/a%22b%3Cc%3Ed%5Be%5Df%5Eg%60h%7Bi%7Cj%7D"),
        ("/mycompany/プ 。", "/mycompany/%E3%83%97%20%E3%80%82"),
        ("/mycompany/a%20b c", "/mycompany/a%20b%20c"),
    ] {
        assert_eq!(parse("dev.azure.com", decoded).unwrap().path(), sent);
        assert_eq!(parse("dev.azure.com", sent).unwrap().path(), sent);
    }
}

#[test]
fn the_query_passes_byte_for_byte() {
    let parse =
        |query| Address::parse("dev.azure.com", "/mycompany/_apis/x", Some(query), &allowed());
    for query in ["", "path=%2Fa%2F..%2Fb&x=%zz&$top=1&a=b=c&&;?/@:[]{}|\\^`%00%0d%0a"] {
        let address = parse(query).unwrap();
        assert_eq!(address.path_and_query(), format!("/mycompany/_apis/x?{query}"));
        assert_eq!(address.url().query(), Some(query));
    }
    // What the URL standard has encoded.
    let address = parse("$filter=Name+eq+'ü'").unwrap();
    assert_eq!(address.url().query(), Some("$filter=Name+eq+%27%C3%BC%27"));
    for query in ["a b", "a\nb", "a\tb", "a#b", "\0", "\u{7f}"] {
        assert!(matches!(parse(query), Err(AddressError::AmbiguousPath(_))), "{query:?}");
    }
}

#[test]
fn legacy_hosts_count_as_their_twins() {
    for (host, path, sent) in [
        ("MyCompany.visualstudio.com", "/_apis/projects", "dev.azure.com/mycompany/_apis/projects"),
        ("mycompany.visualstudio.com", "", "dev.azure.com/mycompany"),
        ("mycompany.visualstudio.com", "/", "dev.azure.com/mycompany/"),
        ("mycompany.visualstudio.com", "/a/", "dev.azure.com/mycompany/a/"),
        (
            "mycompany.visualstudio.com",
            "/DefaultCollection/_apis",
            "dev.azure.com/mycompany/DefaultCollection/_apis",
        ),
        ("mycompany.visualstudio.com", "/fabrikam/_apis", "dev.azure.com/mycompany/fabrikam/_apis"),
        (
            "mycompany.vsrm.visualstudio.com",
            "/p/_apis/release",
            "vsrm.dev.azure.com/mycompany/p/_apis/release",
        ),
    ] {
        let address = parse(host, path).unwrap();
        assert_eq!(address.url().as_str(), format!("https://{sent}"));
        assert_eq!(address.organization().unwrap().as_str(), "mycompany");
        assert_eq!(address.url().host_str(), Some(address.host()));
    }
    for host in [
        "fabrikam.visualstudio.com",
        "fabrikam.vsrm.visualstudio.com",
        "spsprodcin2.vssps.visualstudio.com",
    ] {
        assert_eq!(parse(host, "/mycompany/_apis"), Err(AddressError::OrganizationNotAllowed));
    }
}

#[test]
fn hosts_without_organization_serve_what_concerns_none() {
    for (host, path) in [
        ("app.vssps.visualstudio.com", "/_apis/profile/profiles/me"),
        ("APP.VSSPS.visualstudio.com", "/_apis/accounts"),
        ("app.vssps.visualstudio.com", "/_apis"),
        ("app.vssps.visualstudio.com", "/_APIS/ResourceAreas/8ccfef3d-2b87-4e99-8ccb-66e343d2daa8"),
        ("app.vssps.visualstudio.com", "/_apis/connectionData"),
        ("status.dev.azure.com", "/_apis/status/health"),
    ] {
        assert_eq!(parse(host, path).unwrap().organization(), None, "{path}");
    }
    for (host, path) in [
        ("app.vssps.visualstudio.com", ""),
        ("app.vssps.visualstudio.com", "/"),
        ("app.vssps.visualstudio.com", "/fabrikam/_apis/graph/users"),
        ("app.vssps.visualstudio.com", "/mycompany/_apis/graph/users"),
        ("app.vssps.visualstudio.com", "/A20cda608-32f0-4e6e-9b7c-8def7b38d15a/_apis/identities"),
        ("app.vssps.visualstudio.com", "/_apis/token/sessiontokens"),
        ("app.vssps.visualstudio.com", "/_apis/tokens/pats"),
        ("app.vssps.visualstudio.com", "/_apis/%70rofile"),
        ("app.vssps.visualstudio.com", "/%5Fapis/profile"),
        ("app.vssps.visualstudio.com", "/oauth2/token"),
        ("app.vssps.visualstudio.com", "/_signin"),
        ("status.dev.azure.com", "/_apis/profile/profiles/me"),
        ("status.dev.azure.com", "/mycompany"),
    ] {
        assert_eq!(parse(host, path), Err(AddressError::OrganizationNotAllowed), "{path}");
    }
}

#[test]
fn other_hosts_are_unknown() {
    for host in
        ["evil.example", "dev.azure.com.evil.example", "", "dev.azure.com:8080", "u@dev.azure.com"]
    {
        assert_eq!(parse(host, "/mycompany/_apis"), Err(AddressError::UnknownHost), "{host}");
    }
}

#[test]
fn other_organizations_are_not_reached() {
    for family in Family::ALL {
        for path in [
            "/fabrikam/_apis",
            "/",
            "",
            "/_apis/projects",
            "/mycompany.evil/_apis",
            "/mycompany%20/_apis",
            "/%20mycompany/_apis",
            "/mycompany-/_apis",
            "/mycompany2/_apis",
            "/%6Dycompany/_apis",
            "/mycompany@fabrikam/_apis",
            "/mycompany:443/_apis",
            "/(S(1))/mycompany/_apis",
            "/A20cda608-32f0-4e6e-9b7c-8def7b38d15a/mycompany",
            "/m\u{443}company/_apis",
            "/\u{ff4d}ycompany/_apis",
            "/mycompany\u{200b}/_apis",
        ] {
            let refused = parse(family.host(), path);
            assert_eq!(refused, Err(AddressError::OrganizationNotAllowed), "{path}");
        }
    }
    let none = Address::parse("dev.azure.com", "/mycompany/_apis", None, &[]);
    assert_eq!(none, Err(AddressError::OrganizationNotAllowed));
}

#[test]
fn whatever_could_be_read_otherwise_is_refused() {
    let hostile = [
        "/mycompany/../fabrikam",
        "/mycompany/./_apis",
        "/mycompany/..",
        "/mycompany/.",
        "/../fabrikam",
        "/mycompany/.../fabrikam",
        "/mycompany/%2e%2e/fabrikam",
        "/mycompany/%2E./fabrikam",
        "/mycompany/.%2e/fabrikam",
        "/mycompany/%2e/x",
        "/mycompany/a%2Eb",
        "/mycompany/..;/fabrikam",
        "/mycompany/..;a=b/fabrikam",
        "/mycompany/%2e%2e;/fabrikam",
        "/mycompany/..%3b/fabrikam",
        "/mycompany;x/_apis",
        "/mycompany/a;b",
        "/mycompany/a%3Bb",
        "/mycompany/.. /fabrikam",
        "/mycompany/..%20/fabrikam",
        "/mycompany/%20../fabrikam",
        "/mycompany/.%20./fabrikam",
        "/mycompany/ /fabrikam",
        "/mycompany/%20",
        "/mycompany/%C2%A0/x",
        "/mycompany/.\u{200b}./fabrikam",
        "/mycompany/%E2%80%8B/fabrikam",
        "/mycompany/\u{feff}..",
        "/mycompany//_apis",
        "//mycompany/_apis",
        "//evil.example/",
        "///evil.example/mycompany",
        "/mycompany/_apis//",
        "//",
        "///",
        "/mycompany%2f..%2ffabrikam",
        "/mycompany/a%2Fb",
        "/mycompany/%2f",
        "/mycompany/a%5cb",
        "/mycompany/a%5Cb",
        "/mycompany/a\\b",
        "/\\evil.example/mycompany",
        "\\\\evil.example\\x",
        "/mycompany\\..\\fabrikam",
        "/mycompany/%252e%252e/fabrikam",
        "/mycompany/%252f",
        "/mycompany/a%25b",
        "/mycompany/%25%32%65",
        "/mycompany/a%00b",
        "/mycompany/a\u{0}b",
        "/mycompany/a%0d%0ab",
        "/mycompany/a%0Ahost:%20evil",
        "/mycompany/a\r\nb",
        "/mycompany/a\tb",
        "/mycompany/..\t/fabrikam",
        "/mycompany/%09",
        "/mycompany/%7f",
        "/mycompany/%C2%85",
        "/mycompany/%",
        "/mycompany/%4",
        "/mycompany/%zz",
        "/mycompany/%u002e%u002e",
        "/mycompany/a%",
        "/mycompany/%+1",
        "/mycompany/%ff",
        "/mycompany/%c0%af",
        "/mycompany/%c0%ae",
        "/mycompany/%e0%80%af",
        "/mycompany/%f0%80%80%af",
        "/mycompany/%ed%a0%80",
        "/mycompany/a%3fb",
        "/mycompany/a?b",
        "/mycompany/a#b",
        "/mycompany/a%23b",
        "/mycompany/\u{ff0e}\u{ff0e}/fabrikam",
        "/mycompany/.\u{ff0e}/fabrikam",
        "/mycompany/\u{2025}/fabrikam",
        "/mycompany/\u{2026}/fabrikam",
        "/mycompany/%E2%80%A5/x",
        "/mycompany/\u{3002}",
        "/mycompany/a\u{ff0f}b",
        "/mycompany/a\u{2215}b",
        "/mycompany/a\u{2044}b",
        "/mycompany/%ef%bc%8f",
        "/mycompany/a\u{ff3c}b",
        "/mycompany/a\u{85}b",
        "mycompany/_apis",
        "https://evil.example/mycompany",
        "@evil.example/",
        ":8080/",
        ".evil.example/",
        "?x",
        "#x",
        " /mycompany",
    ];
    assert!(hostile.len() >= 60);
    let legacy = "mycompany.visualstudio.com";
    for path in hostile {
        for host in ["dev.azure.com", legacy, "app.vssps.visualstudio.com"] {
            let refused = parse(host, path);
            assert!(
                matches!(refused, Err(AddressError::AmbiguousPath(_))),
                "{path:?}: {refused:?}"
            );
        }
    }
}

/// Names that nobody reads in two ways, as people give them to projects, teams and repositories.
fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_$(][a-zA-Z0-9 ._()$@!,'+=&~äöüßéłж漢字カ。！-]{0,12}[a-zA-Z0-9é字]"
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(Family::ALL).prop_map(|family| family.host().to_owned()),
        2 => proptest::sample::select(SharedHost::ALL).prop_map(|shared| shared.host().to_owned()),
        2 => Just("MyCompany.visualstudio.com".to_owned()),
        1 => Just("mycompany.vssps.visualstudio.com".to_owned()),
        2 => "[a-z.]{1,12}(\\.visualstudio\\.com|\\.dev\\.azure\\.com)?",
        1 => ".{0,30}",
    ]
}

const PIECES: &[&str] = &[
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "%5c",
    "\\",
    "%25",
    "%00",
    "%",
    "@",
    ":",
    "?",
    "#",
    ";",
    "über",
    "%20",
    " ",
    "\u{ff0f}",
    "\u{200b}",
    "_apis",
    "profile",
    "fabrikam",
    "A20cda608-32f0-4e6e-9b7c-8def7b38d15a",
];

fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9_$ .;-]{0,8}",
        3 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => ".{0,6}",
        1 => (".{0,3}", proptest::sample::select(PIECES)).prop_map(|(a, b)| format!("{a}{b}")),
    ];
    let pieces = proptest::collection::vec(piece, 0..6);
    prop_oneof![
        3 => pieces.clone().prop_map(|pieces| format!("/mycompany/{}", pieces.join("/"))),
        2 => pieces.clone().prop_map(|pieces| format!("/{}", pieces.join("/"))),
        1 => pieces.prop_map(|pieces| pieces.join("/")),
    ]
}

/// RFC 3986's `path-absolute`, read strictly: the segments, decoded.
fn strictly(path: &str) -> Option<Vec<String>> {
    let segments = path.strip_prefix('/')?.split('/').map(|segment| {
        let mut rest = segment.bytes();
        while let Some(byte) = rest.next() {
            let pchar = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
            let encoded = byte == b'%'
                && rest.next().is_some_and(|b| b.is_ascii_hexdigit())
                && rest.next().is_some_and(|b| b.is_ascii_hexdigit());
            if !pchar && !encoded {
                return None;
            }
        }
        Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
    });
    segments.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_goes_where_it_may_and_nowhere_else(
        host in hosts(), path in paths(), query in proptest::option::of("[ -~ü]{0,30}"),
    ) {
        let Ok(address) = Address::parse(&host, &path, query.as_deref(), &allowed()) else { return Ok(()) };
        let url = address.url();
        prop_assert_eq!(url.scheme(), "https");
        prop_assert_eq!((url.port(), url.port_or_known_default()), (None, Some(443)));
        prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        let name = url.host_str().unwrap();
        prop_assert_eq!(name, address.host());
        let shared = SharedHost::ALL.iter().any(|shared| shared.host() == name);
        prop_assert!(shared || Family::ALL.iter().any(|family| family.host() == name));
        // Two further readers see the same segments, and the first one is the organization.
        let segments = strictly(address.path()).unwrap();
        let theirs = url.path_segments().unwrap().map(|s| percent_decode_str(s).decode_utf8().unwrap().into_owned());
        prop_assert_eq!(&segments, &theirs.collect::<Vec<_>>());
        prop_assert!(segments.iter().all(|s| !matches!(s.as_str(), "." | "..") && !s.contains(['/', '\\', ';', '%'])));
        prop_assert!(segments.split_last().unwrap().1.iter().all(|segment| !segment.is_empty()));
        if shared {
            prop_assert_eq!(address.organization(), None);
            prop_assert!(segments[0].eq_ignore_ascii_case("_apis"));
        } else {
            prop_assert!(segments[0].eq_ignore_ascii_case("mycompany"));
            prop_assert!(allowed().contains(address.organization().unwrap()));
        }
        // What is sent is accepted again, as itself.
        let again = Address::parse(name, address.path(), url.query(), &allowed());
        prop_assert_eq!(again.as_ref(), Ok(&address));
        prop_assert!(address.url().as_str().ends_with(&address.path_and_query()));
    }

    #[test]
    fn the_segments_that_came_are_the_segments_that_are_sent(names in proptest::collection::vec(names(), 0..5)) {
        let decoded = format!("/mycompany/{}", names.join("/"));
        let encoded: Vec<_> = names.iter().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string().replace("%2E", ".")).collect();
        let encoded = format!("/mycompany/{}", encoded.join("/"));
        let from_decoded = parse("dev.azure.com", &decoded).unwrap();
        let from_encoded = parse("dev.azure.com", &encoded).unwrap();
        prop_assert_eq!(from_encoded.path(), encoded);
        prop_assert_eq!(percent_decode_str(from_decoded.path()).decode_utf8().unwrap(), decoded);
        prop_assert_eq!(strictly(from_decoded.path()), strictly(from_encoded.path()));
    }

    #[test]
    fn a_query_that_is_an_rfc_3986_query_passes_byte_for_byte(query in "([a-zA-Z0-9._~!$&()*+,;=:@/?-]|%[0-9a-fA-F]{2}){0,40}") {
        let address = Address::parse("dev.azure.com", "/mycompany/_apis", Some(&query), &allowed()).unwrap();
        prop_assert_eq!(address.path_and_query(), format!("/mycompany/_apis?{query}"));
    }

    #[test]
    fn no_input_panics(host in ".{0,40}", path in ".{0,60}", query in proptest::option::of(".{0,30}")) {
        let _ = Address::parse(&host, &path, query.as_deref(), &allowed());
        let _ = Address::parse("dev.azure.com", &path, query.as_deref(), &allowed());
    }
}
