//! Properties of every input, tested with generated ones.
#![allow(clippy::unwrap_used)]

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::host::{Family, SharedHost};

fn allowed() -> Vec<OrganizationName> {
    vec!["mycompany".parse().unwrap()]
}

/// Names, as people give them to projects, teams, repositories, area nodes, queries and wiki pages.
fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_$(][a-zA-Z0-9 ._()$@!,'+=&~;?#äöüßéłж漢字カ。！／-]{0,12}[a-zA-Z0-9é字]"
}

/// Route values as Microsoft's clients encode them: whole, with slashes and percent signs in them.
fn route_values() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9][a-zA-Z0-9/ ._()%?#é字]{0,12}[a-zA-Z0-9é字]"
        .prop_filter("a name", |value| {
            !value.split('/').any(|part| part.trim_matches([' ', '.']).is_empty())
        })
        .prop_map(|value| utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string())
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
    "%252f",
    "%252e",
    "%2520",
    "a%2Fb",
    "%2F..%2f",
    "%3F",
    "%23",
    "%3b",
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
    "(S(x))",
    "%28A(x)F%28y%29)",
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

/// Returns the decoded segments of RFC 3986's `path-absolute`, read strictly.
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
    fn an_accepted_address_goes_only_where_it_may(
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
        // A server that decodes the path before it splits stays where it is.
        let decoded = percent_decode_str(address.path()).decode_utf8().unwrap();
        prop_assert!(decoded.split(['/', '\\']).all(|s| !matches!(s, "." | ".." | "(S(x))" | "(A(x)F(y))")));
        prop_assert_eq!(decoded.split(['/', '\\']).nth(1), segments.first().map(String::as_str));
        if shared {
            prop_assert_eq!(address.organization(), None);
            prop_assert!(segments[0].eq_ignore_ascii_case("_apis"));
        } else if let Some(organization) = address.organization() {
            prop_assert!(segments[0].eq_ignore_ascii_case("mycompany"));
            prop_assert!(allowed().contains(organization));
        } else {
            // Above the organizations only discovery is allowed, which is public.
            let area = segments.get(1).filter(|area| !area.is_empty());
            prop_assert!(segments[0].eq_ignore_ascii_case("_apis"));
            prop_assert!(area.is_none_or(|area| area.eq_ignore_ascii_case("resourceAreas")));
        }
        // An address that was sent is accepted again, unchanged.
        let again = Address::parse(name, address.path(), url.query(), &allowed());
        prop_assert_eq!(again.as_ref(), Ok(&address));
        prop_assert!(address.url().as_str().ends_with(&address.path_and_query()));
    }

    #[test]
    fn the_segments_that_came_are_the_segments_that_are_sent(names in proptest::collection::vec(names(), 0..5)) {
        let decoded = format!("/mycompany/{}", names.join("/"));
        let encoded: Vec<_> = names.iter().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()).collect();
        let encoded = format!("/mycompany/{}", encoded.join("/"));
        let parse = |path: &str| Address::parse("dev.azure.com", path, None, &allowed()).unwrap();
        let from_decoded = parse(&decoded);
        let from_encoded = parse(&encoded);
        prop_assert_eq!(from_encoded.path(), encoded);
        prop_assert_eq!(from_encoded.below_organization(), from_decoded.below_organization());
        prop_assert_eq!(percent_decode_str(from_decoded.path()).decode_utf8().unwrap(), decoded);
        prop_assert_eq!(strictly(from_decoded.path()), strictly(from_encoded.path()));
    }

    #[test]
    fn route_values_pass_byte_for_byte_and_are_judged_as_a_server_decodes_them(
        values in proptest::collection::vec(route_values(), 1..4),
    ) {
        let path = format!("/mycompany/{}", values.join("/"));
        let parsed = Address::parse("dev.azure.com", &path, None, &allowed());
        // A name with a percent sign before `2F` is refused, because it could be a slash that is encoded twice.
        let Ok(address) = parsed else {
            prop_assert!(path.contains("%25"), "{path}");
            return Ok(());
        };
        prop_assert_eq!(address.path(), path);
        let decoded = percent_decode_str(&values.join("/")).decode_utf8().unwrap().into_owned();
        let judged: Vec<_> = decoded.split('/').map(str::to_owned).collect();
        prop_assert_eq!(&address.below_organization()[0], &judged);
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
