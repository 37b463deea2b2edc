#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::host::{FAMILIES, WITHOUT_ORGANIZATION};

fn allowed() -> Vec<OrganizationName> {
    vec!["mycompany".parse().unwrap()]
}

fn parse(host: &str, path: &str) -> Result<Address, AddressError> {
    Address::parse(host, path, None, &allowed())
}

#[test]
fn ordinary_addresses_stay_byte_for_byte() {
    for path in [
        "/mycompany/_apis/projects",
        "/mycompany/_apis/projects/",
        "/MyCompany/_apis/projects",
        "/mycompany/My%20Project/_apis/wit/workitems/$Task",
        "/mycompany/p/_apis/git/repositories/r(1)/items",
        "/mycompany/p/_git/repo/info/refs",
        "/mycompany/%C3%BCber/_apis/build/builds",
        "/mycompany/p/_apis/x/a+b,c;d=e:f@g!h*i'j",
        "/mycompany/DefaultCollection/_apis/projects",
        "/mycompany",
    ] {
        let address = parse("dev.azure.com", path).unwrap();
        assert_eq!(address.path(), path);
        assert_eq!(address.url().path(), path);
    }
}

#[test]
fn decoded_paths_are_encoded_once() {
    let address = parse("dev.azure.com", "/mycompany/My Project/_apis/über").unwrap();
    assert_eq!(address.path(), "/mycompany/My%20Project/_apis/%C3%BCber");
}

#[test]
fn the_query_passes_byte_for_byte() {
    let query = "path=%2Fa%2F..%2Fb&x=%zz&$top=1&a=b=c&&;";
    let address =
        Address::parse("dev.azure.com", "/mycompany/_apis/x", Some(query), &allowed()).unwrap();
    assert_eq!(address.path_and_query(), format!("/mycompany/_apis/x?{query}"));
    assert_eq!(address.url().query(), Some(query));
}

#[test]
fn legacy_hosts_count_as_their_twins() {
    let address = parse("MyCompany.visualstudio.com", "/_apis/projects").unwrap();
    assert_eq!(address.url().as_str(), "https://dev.azure.com/mycompany/_apis/projects");
    let address = parse("mycompany.vsrm.visualstudio.com", "/p/_apis/release/releases").unwrap();
    assert_eq!(
        address.url().as_str(),
        "https://vsrm.dev.azure.com/mycompany/p/_apis/release/releases"
    );
    let refused = parse("fabrikam.visualstudio.com", "/_apis/projects");
    assert_eq!(refused, Err(AddressError::OrganizationNotAllowed));
}

#[test]
fn hosts_without_organization_need_none() {
    let address = parse("app.vssps.visualstudio.com", "/_apis/profile/profiles/me").unwrap();
    assert_eq!(address.organization(), None);
}

#[test]
fn other_hosts_are_unknown() {
    for host in [
        "evil.example",
        "dev.azure.com.evil.example",
        "169.254.169.254",
        "localhost",
        "",
        "dev.azure.com:8080",
        "u@dev.azure.com",
        "graph.microsoft.com",
    ] {
        assert_eq!(parse(host, "/mycompany/_apis"), Err(AddressError::UnknownHost), "{host}");
    }
}

#[test]
fn other_organizations_are_not_reached() {
    for path in [
        "/fabrikam/_apis",
        "/",
        "",
        "/_apis/projects",
        "/mycompany.evil/_apis",
        "/mycompany%20/_apis",
        "/mycompany-/_apis",
        "/%6Dycompany/_apis",
        "/mycompany;x/_apis",
    ] {
        let refused = parse("dev.azure.com", path);
        assert_eq!(refused, Err(AddressError::OrganizationNotAllowed), "{path}");
    }
}

#[test]
fn whatever_could_be_read_otherwise_is_refused() {
    for path in [
        "/mycompany/../fabrikam",
        "/mycompany/./_apis",
        "/mycompany/..",
        "/mycompany/.",
        "/../fabrikam",
        "/mycompany/%2e%2e/fabrikam",
        "/mycompany/%2E./fabrikam",
        "/mycompany/.%2e/fabrikam",
        "/mycompany/%2e/x",
        "/mycompany/..;/fabrikam",
        "/mycompany/..;a=b/fabrikam",
        "/mycompany/%2e%2e;/fabrikam",
        "/mycompany//_apis",
        "//mycompany/_apis",
        "//evil.example/",
        "/mycompany/_apis//",
        "//",
        "/mycompany%2f..%2ffabrikam",
        "/mycompany/a%2Fb",
        "/mycompany/a%5cb",
        "/mycompany/a\\b",
        "\\\\evil.example\\x",
        "/mycompany\\..\\fabrikam",
        "/mycompany/%252e%252e/fabrikam",
        "/mycompany/%252f",
        "/mycompany/a%25b",
        "/mycompany/a%00b",
        "/mycompany/a\u{0}b",
        "/mycompany/a%0d%0ab",
        "/mycompany/a\r\nb",
        "/mycompany/a\tb",
        "/mycompany/%7f",
        "/mycompany/%",
        "/mycompany/%4",
        "/mycompany/%zz",
        "/mycompany/a%",
        "/mycompany/%ff",
        "/mycompany/%c0%af",
        "/mycompany/%c0%ae",
        "/mycompany/%e0%80%af",
        "/mycompany/a%3fb",
        "/mycompany/a?b",
        "/mycompany/a#b",
        "/mycompany/a%23b",
        "/mycompany/\u{ff0e}\u{ff0e}/fabrikam",
        "/mycompany/\u{2025}/fabrikam",
        "/mycompany/a\u{ff0f}b",
        "/mycompany/a\u{2215}b",
        "/mycompany/%ef%bc%8f",
        "/mycompany/%E2%80%A5/x",
        "/mycompany/a\u{ff3c}b",
        "/mycompany/\u{3002}",
        "/mycompany/a\u{85}b",
        "mycompany/_apis",
        "@evil.example/",
        ":8080/",
        ".evil.example/",
        "?x",
        "#x",
    ] {
        let refused = parse("dev.azure.com", path);
        assert!(matches!(refused, Err(AddressError::AmbiguousPath(_))), "{path:?}: {refused:?}");
    }
    for query in ["a b", "a\nb", "a#b", "\u{0}"] {
        let refused = Address::parse("dev.azure.com", "/mycompany", Some(query), &allowed());
        assert!(matches!(refused, Err(AddressError::AmbiguousPath(_))), "{query:?}");
    }
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("dev.azure.com".to_owned()),
        proptest::sample::select(FAMILIES).prop_map(|family| format!("{family}.dev.azure.com")),
        proptest::sample::select(WITHOUT_ORGANIZATION).prop_map(str::to_owned),
        "[a-z.]{1,12}(\\.visualstudio\\.com|\\.dev\\.azure\\.com)?",
        ".{0,30}",
    ]
}

fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9_$ .;-]{0,8}",
        2 => Just("mycompany".to_owned()),
        2 => proptest::sample::select(vec!["..", ".", "%2e%2e", "%2f", "%5c", "\\", "%25", "%00", "%", "@", ":", "?", "#", "über", "\u{ff0f}"]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_goes_where_it_may_and_nowhere_else(
        host in hosts(), path in paths(), query in proptest::option::of("[!$-&(-;=?-~]{0,30}"),
    ) {
        let Ok(address) = Address::parse(&host, &path, query.as_deref(), &allowed()) else { return Ok(()) };
        let url = address.url();
        prop_assert_eq!(url.scheme(), "https");
        prop_assert_eq!(url.port_or_known_default(), Some(443));
        prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        let name = url.host_str().unwrap();
        let family = name.strip_suffix(".dev.azure.com").is_some_and(|f| FAMILIES.contains(&f));
        let without = WITHOUT_ORGANIZATION.contains(&name);
        prop_assert!(family || without || name == "dev.azure.com");
        // The `url` crate reads the same segments, and the first one is the organization.
        prop_assert_eq!(url.path(), address.path());
        let mut segments = url.path_segments().unwrap();
        prop_assert!(segments.clone().all(|s| !matches!(s, "." | "..")));
        if !without {
            prop_assert!(segments.next().unwrap().eq_ignore_ascii_case("mycompany"));
        }
        prop_assert_eq!(url.query(), query.as_deref());
        prop_assert_eq!(&Address::parse(name, address.path(), query.as_deref(), &allowed()).unwrap().path, &address.path);
    }
}
