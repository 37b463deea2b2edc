#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const BASE: &str = "https://gateway.example/proxy/conn_1/";

fn gateway() -> Gateway {
    Gateway::new("https://gateway.example", "conn_1")
}

fn called(path: &str) -> Address {
    let allowed = ["mycompany".parse().unwrap()];
    Address::parse("dev.azure.com", path, None, &allowed).unwrap()
}

#[test]
fn addresses_of_azure_devops_point_back() {
    for (url, expected) in [
        (
            "https://vssps.dev.azure.com/mycompany/_apis/x?a=b#c",
            "vssps.dev.azure.com/mycompany/_apis/x?a=b#c",
        ),
        (
            "https://dev.azure.com/mycompany/a%20b/$c?d='e'&f=%2F",
            "dev.azure.com/mycompany/a%20b/$c?d='e'&f=%2F",
        ),
        ("HTTPS://Dev.Azure.Com:443/mycompany", "dev.azure.com/mycompany"),
        ("https://mycompany.visualstudio.com/_apis", "mycompany.visualstudio.com/_apis"),
        ("https://app.vssps.visualstudio.com", "app.vssps.visualstudio.com/"),
        ("https://dev.azure.com?x", "dev.azure.com/?x"),
        // A client that resolved it would leave the proxy.
        ("https://dev.azure.com/../../../connections", "dev.azure.com/connections"),
        ("https://dev.azure.com/%2e%2e/%2e%2e\\..\\..", "dev.azure.com/"),
    ] {
        assert_eq!(gateway().address(url).unwrap(), format!("{BASE}{expected}"));
    }
}

#[test]
fn other_addresses_stay() {
    for other in [
        "",
        "https:",
        "https://",
        "https://evil.example/",
        "https://dev.azure.com.evil.example/",
        "http://dev.azure.com/",
        "/relative",
        "//dev.azure.com/x",
        "https:/dev.azure.com/",
        "https:\\\\dev.azure.com/",
        "https://dev.azure.com:8443/",
        "https://u@dev.azure.com/",
        "https://dev.azure.com\\@evil.example/",
        "https://dev.azure.com@evil.example/",
        "https://\tdev.azure.com/",
        "https://spsprodcin2.vssps.visualstudio.com.evil/",
        "https://mycompany.blob.core.windows.net/x?sig=1",
        "éhttps://dev.azure.com/",
        "httpsé//dev.azure.com/",
    ] {
        assert_eq!(gateway().address(other), None, "{other}");
    }
}

#[test]
fn location_and_link_are_rewritten() {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, "https://dev.azure.com/mycompany/x".parse().unwrap());
    headers.append(
        LINK,
        r#"<https://dev.azure.com/mycompany/next>; rel="next", <https://evil.example/>; rel="x""#
            .parse()
            .unwrap(),
    );
    headers.append(LINK, "<https://dev.azure.com/mycompany/unclosed".parse().unwrap());
    headers.append(LINK, "<https://vsrm.dev.azure.com/mycompany/>".parse().unwrap());
    headers.insert("content-location", "https://dev.azure.com/".parse().unwrap());
    gateway().rewrite_headers(&mut headers);
    assert_eq!(headers[LOCATION], format!("{BASE}dev.azure.com/mycompany/x"));
    let links: Vec<_> = headers.get_all(LINK).iter().collect();
    assert_eq!(
        links[0],
        &format!(
            r#"<{BASE}dev.azure.com/mycompany/next>; rel="next", <https://evil.example/>; rel="x""#
        )
    );
    assert_eq!(links[1], "<https://dev.azure.com/mycompany/unclosed");
    assert_eq!(links[2], &format!("<{BASE}vsrm.dev.azure.com/mycompany/>"));
    assert_eq!(headers["content-location"], "https://dev.azure.com/");
}

#[test]
fn relative_locations_are_rewritten_when_the_call_is_known() {
    let gateway = gateway().answering(&called("/mycompany/p/_git/repo"), Vec::new());
    for (location, expected) in [
        ("/mycompany/x?a", format!("{BASE}dev.azure.com/mycompany/x?a")),
        ("info/refs", format!("{BASE}dev.azure.com/mycompany/p/_git/info/refs")),
        ("../../../../../../connections", format!("{BASE}dev.azure.com/connections")),
        ("//vsrm.dev.azure.com/mycompany", format!("{BASE}vsrm.dev.azure.com/mycompany")),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        gateway.rewrite_headers(&mut headers);
        assert_eq!(headers[LOCATION], expected);
    }
}

#[test]
fn a_redirect_to_a_stranger_loses_its_location_and_one_to_storage_keeps_it() {
    let location = |location: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        gateway().answering(&called("/mycompany/p"), Vec::new()).rewrite_headers(&mut headers);
        headers.get(LOCATION).map(|location| location.to_str().unwrap().to_owned())
    };
    for dropped in [
        "https://evil.example/x",
        "//evil.example/x",
        "\\\\evil.example/x",
        "/\\evil.example/x",
        "http://dev.azure.com/mycompany",
        "https://dev.azure.com@evil.example/",
        "https://dev.azure.com.evil.example/",
        "https://u:p@account.blob.core.windows.net/x",
        "https://account.blob.core.windows.net:8443/x",
        "http://account.blob.core.windows.net/x",
        "https://blob.core.windows.net.evil.example/x",
        "https://evilvisualstudio.com/x",
        "javascript:alert(1)",
        "mailto:ada@mycompany.example",
        "https://[::1]/",
    ] {
        assert_eq!(location(dropped), None, "{dropped}");
    }
    for kept in [
        "https://account.blob.core.windows.net/x?sig=a%2Bb",
        "https://vsblobprodcus3.vsblob.vsassets.io/x",
        "https://spsprodweu1.vssps.visualstudio.com/A1/x",
    ] {
        assert_eq!(location(kept).as_deref(), Some(kept));
    }
}

#[test]
fn a_redirect_to_a_host_of_no_reachable_organization_stays() {
    let reachable = vec!["mycompany".parse().unwrap()];
    let gateway =
        gateway().answering(&called("/mycompany/p/_apis/build/builds/1/artifacts"), reachable);
    let id = "A0f2ca920-f269-4545-b1f4-5b4173aa784e";
    for stays in [
        &format!(
            "https://artprodcus3.artifacts.visualstudio.com/{id}/{id}/_apis/artifact/x/content?format=zip"
        ),
        &format!("https://ArtProdEus21.artifacts.visualstudio.com:443/{id}"),
        &format!("https://vsblobprodcus3.vsblob.visualstudio.com/{id}/_apis/dedup/urls"),
        "https://fabrikam.visualstudio.com/_apis",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, stays.parse().unwrap());
        gateway.rewrite_headers(&mut headers);
        assert_eq!(headers[LOCATION], *stays);
    }
    for rewritten in
        ["https://MyCompany.artifacts.visualstudio.com/x", "https://pkgs.dev.azure.com/mycompany/x"]
    {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, rewritten.parse().unwrap());
        gateway.rewrite_headers(&mut headers);
        assert!(headers[LOCATION].to_str().unwrap().starts_with(BASE), "{rewritten}");
    }
}

#[test]
fn discovery_is_recognised_by_its_path() {
    for path in [
        "/mycompany/_apis/resourceAreas",
        "/mycompany/_apis/ResourceAreas/4e080c62-fa21-4fbc-8fef-2a10a2b38049",
        "/MyCompany/_apis/ConnectionData",
        "/mycompany/_APIS/servicedefinitions/LocationService2/951917ac-a960-4999-8464-e3f0aa25b381",
        // As a server reads it.
        "/mycompany/_apis%2FresourceAreas",
        "/mycompany/%5Fapis/%72esourceAreas/",
        "/mycompany//_apis//connectionData",
        "/mycompany/p/_git/r%2Finfo/lfs/objects%5Cbatch",
    ] {
        assert!(is_discovery(&called(path)), "{path}");
    }
    for path in [
        "/mycompany",
        "/mycompany/_apis",
        "/mycompany/resourceAreas",
        "/mycompany/_apis/resourceAreasOfMine",
        "/mycompany/_apis/build/resourceAreas",
        "/mycompany/_git/_apis2/connectionData",
    ] {
        assert!(!is_discovery(&called(path)), "{path}");
    }
}

#[test]
fn the_addresses_in_discovery_documents_are_rewritten() {
    let areas = r#"{"count":3,"value":[{"id":"1","name":"Licensing","locationUrl":"https://vssps.dev.azure.com/mycompany/"},{"id":"2","locationUrl":"https://other.example/"},{"id":"3","locationUrl":null}]}"#;
    let data = r#"{"authenticatedUser":{"id":"1","location":"https://dev.azure.com/"},"locationServiceData":{"lastChangeId64":424239147,"accessMappings":[{"moniker":"PublicAccessMapping","accessPoint":"https://dev.azure.com/mycompany/"}],"serviceDefinitions":[{"serviceType":"LocationService2","locationMappings":[{"accessMappingMoniker":"x","location":"https://vssps.dev.azure.com/mycompany/"}]}]}}"#;
    let definition = r#"{"serviceType":"LocationService2","locationMappings":[{"location":"https://mycompany.vssps.visualstudio.com/"}]}"#;
    let batch = r#"{"objects":[{"oid":"1","actions":{"download":{"href":"https://dev.azure.com/mycompany/p/_git/r/info/lfs/objects/1"}}}]}"#;
    for (path, body, hosts) in [
        ("/mycompany/_apis/ResourceAreas/3", areas, &["vssps.dev.azure.com"][..]),
        ("/mycompany/p/_git/r/info/lfs/objects/batch", batch, &["dev.azure.com/mycompany"]),
        (
            "/mycompany/_apis/connectionData",
            data,
            &["dev.azure.com/mycompany", "vssps.dev.azure.com"],
        ),
        (
            "/mycompany/_apis/ServiceDefinitions/LocationService2/1",
            definition,
            &["mycompany.vssps.visualstudio.com"],
        ),
    ] {
        let mut expected = body.to_owned();
        for host in hosts {
            expected = expected.replace(&format!("https://{host}"), &format!("{BASE}{host}"));
        }
        let rewritten = gateway().rewrite_body(&called(path), &HeaderMap::new(), body.into());
        assert_eq!(rewritten, expected);
    }
}

#[test]
fn the_list_of_areas_leads_every_client_back_to_the_proxy() {
    let areas = r#"{"count":1,"value":[{"id":"1","name":"Licensing","locationUrl":"https://vssps.dev.azure.com/mycompany/"}]}"#;
    let rewritten = gateway().rewrite_body(
        &called("/mycompany/_apis/ResourceAreas"),
        &HeaderMap::new(),
        areas.into(),
    );
    let rewritten: serde_json::Value = serde_json::from_slice(&rewritten).unwrap();
    let areas = rewritten["value"].as_array().unwrap();
    assert!(areas.len() > 30);
    assert!(areas.iter().all(|area| area["locationUrl"].as_str().unwrap().starts_with(BASE)));
}

#[test]
fn every_other_body_stays() {
    let body =
        Bytes::from_static(br#"{"value":[{"locationUrl":"https://dev.azure.com/mycompany/"}]}"#);
    let mut headers = HeaderMap::new();
    let untouched =
        gateway().rewrite_body(&called("/mycompany/_apis/projects"), &headers, body.clone());
    assert_eq!(untouched, body);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let compressed =
        gateway().rewrite_body(&called("/mycompany/_apis/resourceAreas"), &headers, body.clone());
    assert_eq!(compressed, body);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_rewritten_address_stays_within_the_proxy_and_names_the_same_target(
        authority in prop_oneof![Just("dev.azure.com".to_owned()), Just("VSRM.dev.azure.com:443".to_owned()), ".{0,20}"],
        rest in "([/?#\\\\.]|\\.\\.|%2e|[a-z ]|.){0,12}",
    ) {
        let url = format!("https://{authority}{rest}");
        let Some(rewritten) = gateway().address(&url) else { return Ok(()) };
        let below = rewritten.strip_prefix(BASE).unwrap();
        let (original, read) = (Url::parse(&url).unwrap(), Url::parse(&rewritten).unwrap());
        prop_assert!(read.as_str().starts_with(BASE));
        prop_assert_eq!(Url::parse(&format!("https://{below}")).unwrap(), original);
    }
}
