use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::closed::ClosedArea;
use crate::organization::OrganizationName;

const WORK_ITEMS: &str = "/mycompany/_apis/wit/$batch";
const ANALYTICS: &str = "/mycompany/Website/_odata/v4.0/$batch";

fn mycompany() -> [OrganizationName; 1] {
    ["mycompany".parse().unwrap()]
}

fn address(host: &str, path: &str) -> Address {
    Address::parse(host, path, None, &mycompany()).unwrap()
}

fn headers(kind: &str) -> HeaderMap {
    [(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())].into_iter().collect()
}

fn read(
    host: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> Result<Vec<(String, Vec<String>)>, BatchError> {
    let address = address(host, path);
    let calls = calls(&Method::POST, &address, &headers(kind), body.as_bytes())?;
    let shown = |call: BatchedCall| {
        let readings = call.readings.iter().map(|reading| reading.url().to_string()).collect();
        (call.method.to_string(), readings)
    };
    Ok(calls.expect("a batch").into_iter().map(shown).collect())
}

fn work_items(body: &Value) -> Result<Vec<(String, Vec<String>)>, BatchError> {
    read("dev.azure.com", WORK_ITEMS, "application/json", &body.to_string())
}

fn analytics(body: &str) -> Result<Vec<(String, Vec<String>)>, BatchError> {
    read("analytics.dev.azure.com", ANALYTICS, "multipart/mixed; boundary=b", body)
}

#[test]
fn calls_of_work_items_are_read_below_the_organization() {
    let body = json!([
        {"method": "PATCH", "uri": "/_apis/wit/workItems/1?api-version=7.1",
         "headers": {"Content-Type": "application/json-patch+json"}, "body": [{"op": "add"}]},
        {"method": "patch", "uri": "/My Project/_apis/wit/workItems/$User Story"},
        {"method": "GET", "uri": "/mycompany/_apis/projects"},
        {"method": "GET", "uri": "https://mycompany.visualstudio.com/_apis/projects"},
        {"method": "GET", "uri": "/_apis"},
    ]);
    let url = |path: &str| format!("https://dev.azure.com/mycompany{path}");
    let expected = [
        ("PATCH", vec![url("/_apis/wit/workItems/1?api-version=7.1")]),
        ("PATCH", vec![url("/My%20Project/_apis/wit/workItems/$User%20Story")]),
        ("GET", vec![url("/mycompany/_apis/projects"), url("/_apis/projects")]),
        ("GET", vec![url("/_apis/projects")]),
        ("GET", vec![url("/_apis")]),
    ];
    let expected: Vec<_> = expected.map(|(method, urls)| (method.to_owned(), urls)).into();
    assert_eq!(work_items(&body).unwrap(), expected);
    assert_eq!(work_items(&json!([])).unwrap(), []);
}

#[test]
fn a_batch_of_analytics_is_read_as_multipart_and_as_json() {
    let body = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        GET WorkItems?$select=Title HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n\
        --b\r\ncontent-type: multipart/mixed; boundary=\"inner\"\r\n\r\n\
        --inner\r\nContent-Type: application/http\r\n\r\n\
        PATCH /mycompany/_odata/v4.0/Views(1) HTTP/1.1\r\nHost: analytics.dev.azure.com\r\n\r\n{\"a\":1}\r\n\
        --inner--\r\n\
        --b--\r\n";
    let expected = [
        (
            "GET",
            "https://analytics.dev.azure.com/mycompany/Website/_odata/v4.0/WorkItems?$select=Title",
        ),
        ("PATCH", "https://analytics.dev.azure.com/mycompany/_odata/v4.0/Views(1)"),
    ];
    let expected: Vec<_> =
        expected.map(|(method, url)| (method.to_owned(), vec![url.to_owned()])).into();
    assert_eq!(analytics(body).unwrap(), expected);
    assert_eq!(analytics(&body.replace("\r\n", "\n")).unwrap(), expected);
    let json = json!({"requests": [
        {"id": "1", "method": "get", "url": "WorkItems?$select=Title"},
        {"id": "2", "atomicityGroup": "a", "method": "PATCH", "url": "/mycompany/_odata/v4.0/Views(1)", "body": {"a": 1}},
    ]});
    let host = "analytics.dev.azure.com";
    assert_eq!(read(host, ANALYTICS, "application/json", &json.to_string()).unwrap(), expected);
}

#[test]
fn a_batch_within_a_batch_is_refused_because_its_calls_are_not_judged() {
    for uri in [
        "/_apis/wit/$batch",
        "/_apis/wit/%24Batch/",
        "/mycompany/_apis/wit/$batch;x?api-version=7.1",
        "/Website/_odata/v4.0/$batch",
        "https://analytics.dev.azure.com/mycompany/_odata/v4.0/$batch",
    ] {
        let inner = json!([{"method": "DELETE", "uri": "/_apis/projects/1"}]);
        let body = json!([{"method": "POST", "uri": uri, "body": inner}]);
        assert!(work_items(&body).is_err(), "{uri}");
    }
    let is_refused = |target: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/http\r\n\r\nPOST {target} HTTP/1.1\r\n\
             Content-Type: application/json\r\n\r\n{{\"requests\":[]}}\r\n--b--\r\n"
        );
        analytics(&body).is_err()
    };
    assert!(is_refused("$batch") && is_refused("./$batch") && is_refused("x/../$batch"));
    // A query alone is an address of the batch itself.
    assert!(is_refused("?") && is_refused("?a=b") && is_refused("?a=https://dev.azure.com/b"));
    assert!(!is_refused("WorkItems"));
}

#[test]
fn every_spelling_of_a_batch_is_one_and_a_look_at_it_is_not() {
    let of = |method: &Method, path: &str, body: &[u8]| {
        let address = address("dev.azure.com", path);
        calls(method, &address, &HeaderMap::new(), body)
    };
    for path in [
        WORK_ITEMS,
        "/mycompany/_apis/wit/%24BATCH",
        "/mycompany/_apis/wit/$batch/",
        "/mycompany/_apis/wit/$batch;x",
        "/mycompany/_apis/wit%2F$batch%20",
        "/mycompany/DefaultCollection/_apis/wit/$Batch",
    ] {
        for method in [Method::POST, Method::PATCH, Method::GET] {
            assert_eq!(of(&method, path, b"[]"), Ok(Some(Vec::new())), "{method} {path}");
        }
    }
    assert_eq!(of(&Method::OPTIONS, WORK_ITEMS, b""), Ok(None));
    assert!(of(&Method::POST, WORK_ITEMS, b"").is_err());
    assert_eq!(of(&Method::POST, "/mycompany/_apis/wit/workitemsbatch", b"x"), Ok(None));
}

#[test]
fn a_json_batch_that_servers_could_read_differently_is_refused() {
    let call = r#""method":"GET","uri":"/_apis/projects""#;
    for body in [
        "",
        "{}",
        "null",
        "[",
        "[1]",
        "[{}]",
        "[[]]",
        &format!("[{{{call},\"method\":\"PATCH\"}}]"),
        &format!("[{{{call},\"METHOD\":\"PATCH\"}}]"),
        &format!("[{{{call},\"Uri\":\"/_apis/tokens/pats\"}}]"),
        &format!("[{{{call},\"$type\":\"x\"}}]"),
        &format!("[{{{call}}}] []"),
        &format!("[{{{call}}}/**/]"),
        "[{'method':'GET','uri':'/_apis/projects'}]",
        r#"[{"method":"TRACE","uri":"/_apis/projects"}]"#,
        r#"[{"method":"GET ","uri":"/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"//fabrikam/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":" /_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"/_apis/projects\u00a0"}]"#,
        r#"[{"method":"GET","uri":"https://dev.azure.com/mycompany/_apis/projects "}]"#,
        r#"{"requests":[{"method":"GET","url":" /fabrikam/_odata/v4.0/WorkItems"}]}"#,
        r#"[{"method":"GET","uri":"/..\/fabrikam/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"/\\..\\fabrikam/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"/_apis/projects#"}]"#,
        r#"[{"method":"GET","uri":"http://dev.azure.com/mycompany/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"https://evil.example/mycompany/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"https://dev.azure.com/fabrikam/_apis/projects"}]"#,
        r#"[{"method":"GET","uri":"https://dev.azure.com/_apis/resourceAreas"}]"#,
        r#"[{"method":"GET","uri":"https://app.vssps.visualstudio.com/_apis/profile/profiles/me"}]"#,
        r#"[{"method":"GET","uri":"https://u@dev.azure.com/mycompany/_apis/projects"}]"#,
    ] {
        let host = "dev.azure.com";
        assert!(read(host, WORK_ITEMS, "application/json", body).is_err(), "{body}");
    }
    let one = format!("[{{{call}}}]");
    for kind in [
        "application/json; charset=utf-16",
        "text/plain",
        "multipart/form-data; boundary=b",
        "multipart/json; boundary=b",
        "multipart/mixed/json; boundary=b",
        "application/x/json",
        "application/notjson",
        "json",
    ] {
        assert!(read("dev.azure.com", WORK_ITEMS, kind, &one).is_err(), "{kind}");
    }
    for kind in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json; api-version=7.1",
        "text/json",
        "application/x+json",
    ] {
        assert!(read("dev.azure.com", WORK_ITEMS, kind, &one).is_ok(), "{kind}");
    }
    let address = address("dev.azure.com", WORK_ITEMS);
    let mut compressed = headers("application/json");
    compressed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert!(calls(&Method::POST, &address, &compressed, one.as_bytes()).is_err());
    let mut two = headers("application/json");
    two.append(CONTENT_TYPE, HeaderValue::from_static("multipart/mixed; boundary=b"));
    assert!(calls(&Method::POST, &address, &two, one.as_bytes()).is_err());
    let utf_16: Vec<u8> = one.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(calls(&Method::POST, &address, &headers("application/json"), &utf_16).is_err());
}

#[test]
fn a_batch_has_at_most_200_calls() {
    let calls = |count| json!(vec![json!({"method": "GET", "uri": "/_apis/projects"}); count]);
    assert_eq!(work_items(&calls(200)).map(|calls| calls.len()), Ok(200));
    assert!(work_items(&calls(201)).is_err());
}

#[test]
fn a_multipart_batch_that_servers_could_read_differently_is_refused() {
    let good = "--b\r\nContent-Type: application/http\r\n\r\nGET WorkItems HTTP/1.1\r\nAccept: a\r\n\r\n--b--\r\n";
    assert_eq!(analytics(good).unwrap().len(), 1);
    let framed = [
        String::new(),
        format!("preamble\r\n{good}"),
        format!("{good}epilogue"),
        format!("{good}{good}"),
        good.replacen("--b", " --b", 1),
        good.replacen("--b\r", "--bc\r", 1),
    ];
    let host = "Host: analytics.dev.azure.com";
    let replaced = [
        ("--b--\r\n", ""),
        ("application/http", "application/json"),
        ("Content-Type:", "Content-Type :"),
        ("Content-Type", "Content-Type: x\r\nContent-Type"),
        ("Accept: a", "Accept: a\r\n folded: b"),
        ("Accept: a", "Host: dev.azure.com"),
        ("Accept: a", &format!("{host}\r\n{host}")),
        ("Accept: a", "a\rPATCH: b"),
        ("GET ", "GET  "),
        ("GET", "TRACE"),
        (" HTTP/1.1", ""),
        ("WorkItems", "../../../fabrikam/_odata/v4.0/WorkItems"),
        ("WorkItems", "/fabrikam/_odata/v4.0/WorkItems"),
        ("WorkItems", "https://evil.example/WorkItems"),
    ];
    let replaced = replaced.map(|(text, by)| good.replace(text, by));
    for bad in framed.into_iter().chain(replaced) {
        assert!(analytics(&bad).is_err(), "{bad:?}");
    }
    for parameters in [
        "",
        "x=b",
        "boundary=",
        "boundary=a b",
        "boundary=b; boundary=c",
        "boundary=b; charset=utf-7",
    ] {
        let kind = format!("multipart/mixed; {parameters}");
        assert!(read("analytics.dev.azure.com", ANALYTICS, &kind, good).is_err(), "{kind}");
    }
}

#[test]
fn an_override_inside_a_batch_is_refused_by_name() {
    let overridden = Err(BatchError::MethodOverride(MethodOverride("x-http-method-override")));
    let with_header = |name: &str| {
        let headers = json!({name: "DELETE"});
        work_items(
            &json!([{"method": "POST", "uri": "/_apis/wit/workItems/1", "headers": headers}]),
        )
    };
    assert_eq!(with_header("X-HTTP-Method-Override"), overridden);
    for name in ["Host", "Authorization", "X-Original-URL", "x_http_method_override", "Cookie"] {
        assert!(matches!(with_header(name), Err(BatchError::Unreadable(_))), "{name}");
    }
    let query =
        json!([{"method": "POST", "uri": "/_apis/wit/workItems/1?X-HTTP-Method-Override=DELETE"}]);
    let named = MethodOverride("x-http-method-override");
    assert_eq!(work_items(&query), Err(AddressError::MethodOverride(named).into()));
    let part = "--b\r\nContent-Type: application/http\r\n\r\nPOST WorkItems HTTP/1.1\r\nx-http-method-override: PATCH\r\n\r\n--b--";
    assert_eq!(analytics(part), overridden);
}

proptest! {
    /// Every reading of a call that passes is within the organization, and a closed area stays one.
    #[test]
    fn no_call_of_a_batch_leaves_the_organization_or_hides_its_area(
        uri in "(https://(dev.azure.com|evil.example|[a-z@.]{1,12}))?(/|%2f|\\\\|\\.\\.|//|mycompany|fabrikam|_apis|tokens|wit|\\?|#){0,8}",
        method in "(GET|PATCH|get|TRACE|X)",
    ) {
        let body = json!([{"method": method, "uri": uri}]);
        let address = address("dev.azure.com", WORK_ITEMS);
        let body = body.to_string();
        if let Ok(calls) = calls(&Method::POST, &address, &headers("application/json"), body.as_bytes()) {
            for call in calls.unwrap() {
                prop_assert!(!call.readings.is_empty());
                for reading in call.readings {
                    let organization = reading.organization().cloned();
                    prop_assert_eq!(organization, mycompany().into_iter().next());
                    if uri.split('?').next().unwrap_or_default().ends_with("/_apis/tokens") {
                        prop_assert_eq!(reading.closed_area(), Some(ClosedArea::Credentials));
                    }
                }
            }
        }
    }

    #[test]
    fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200), kind in "(application/json|multipart/mixed; boundary=[a-c-]{0,2})") {
        let address = address("dev.azure.com", WORK_ITEMS);
        let _ = calls(&Method::POST, &address, &headers(&kind), &body);
    }
}
