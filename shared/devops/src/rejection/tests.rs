#![allow(clippy::unwrap_used)]
use http::header::CONTENT_TYPE;

use super::*;

const API: &str = "/mycompany/_apis/projects";
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8; api-version=7.1");

/// The caller's part of a call.
#[derive(Clone)]
struct Case {
    method: Method,
    path: &'static str,
    wants_html: bool,
}

const READ: Case = Case { method: Method::GET, path: API, wants_html: false };

fn detect_in(case: &Case, status: u16, pairs: &[(&str, &str)], body: &[u8]) -> Option<Rejection> {
    let allowed = ["mycompany".parse().unwrap()];
    let address = Address::parse("dev.azure.com", case.path, None, &allowed).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let asked = Asked { method: &case.method, address: &address, wants_html: case.wants_html };
    Rejection::detect(&asked, StatusCode::from_u16(status).unwrap(), &headers, body)
}

fn detect(
    path: &'static str,
    wants_html: bool,
    status: u16,
    pairs: &[(&str, &str)],
) -> Option<Rejection> {
    detect_in(&Case { path, wants_html, ..READ }, status, pairs, b"")
}

#[test]
fn sign_in_pages_in_disguise_are_rejections() {
    let rejected = |status, header| {
        assert!(detect(API, false, status, &[header]).is_some(), "{status} {header:?}");
    };
    rejected(401, JSON);
    rejected(401, HTML);
    rejected(203, HTML);
    rejected(203, ("content-type", "Text/HTML"));
    rejected(200, HTML);
    for location in [
        "https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com",
        "https://login.microsoftonline.com/common/oauth2/authorize?x",
        "https://login.windows.net",
        "https://app.vssps.visualstudio.com/_signin",
        "https://app.vssps.visualstudio.com/signin?x",
        "https://dev.azure.com/_signin",
        "/_signin?reply_to=x",
    ] {
        for status in [301, 302, 303, 307, 308] {
            rejected(status, ("location", location));
        }
    }
    assert!(detect("/mycompany/p/_git/repo/info/refs", true, 203, &[HTML]).is_some());
    assert!(detect("/mycompany/p/_git/repo/info/refs", false, 401, &[]).is_some());
}

#[test]
fn a_401_that_names_the_user_is_no_rejection() {
    let is_rejection = |challenge: &str, body: &[u8]| {
        let pairs = [("www-authenticate", "TFS-Federated"), ("www-authenticate", challenge)];
        detect_in(&READ, 401, &pairs, body).is_some()
    };
    let nobody =
        br#"{"message":"TF400813: The user '' is not authorized to access this resource."}"#;
    let anonymous = br#"{"message":"TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource."}"#;
    let ada =
        br#"{"message":"TF400813: The user 'ada' is not authorized to access this resource."}"#;
    assert!(is_rejection("Bearer", b""));
    assert!(is_rejection("Bearer", b"TF400813: The user '"));
    assert!(is_rejection("Bearer", nobody));
    assert!(is_rejection("Bearer", anonymous));
    assert!(!is_rejection("Bearer", ada));
    // Only new claims help here, even if the user is named.
    assert!(is_rejection(r#"Bearer error="insufficient_claims", claims="e30=""#, ada));
}

#[test]
fn a_refusal_of_the_anonymous_identity_is_a_rejection_for_calls_that_change_nothing() {
    let anonymous = br#"{"message":"TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource."}"#;
    for status in [403, 404] {
        assert!(detect_in(&READ, status, &[JSON], anonymous).is_some());
        let write = Case { method: Method::POST, ..READ };
        assert!(detect_in(&write, status, &[JSON], anonymous).is_none());
        assert!(detect_in(&READ, status, &[JSON], b"{}").is_none());
    }
    let write = Case { method: Method::POST, ..READ };
    assert!(detect_in(&write, 401, &[JSON], anonymous).is_some());
}

#[test]
fn words_of_the_request_in_an_answer_refuse_nobody() {
    const NIL: &str = "00000000-0000-0000-0000-000000000000";
    const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
    let message = |text: &str| format!(r#"{{"$id":"1","message":"{text}","errorCode":0}}"#);
    for id in [NIL, ANONYMOUS] {
        for text in [
            format!(
                "VS800075: The project with id 'vstfs:///Classification/TeamProject/{id}' does not exist."
            ),
            format!("TF401019: The Git repository with name or identifier {id} does not exist."),
            format!("VS403283: The identity '{id}' was not found."),
            format!("The feed '{id}' doesn't exist."),
            id.to_owned(),
        ] {
            for status in [403, 404] {
                let refused = detect_in(&READ, status, &[JSON], message(&text).as_bytes());
                assert!(refused.is_none(), "{status} {text}");
            }
            // A 401 names nobody with it, either.
            assert!(detect_in(&READ, 401, &[JSON], message(&text).as_bytes()).is_some(), "{text}");
        }
        let data = ("x-vss-userdata", format!("{id}:"));
        let data = [JSON, (data.0, data.1.as_str())];
        assert!(
            detect_in(&READ, 404, &data, message("The feed 'x' doesn't exist.").as_bytes())
                .is_some()
        );
    }
    // A sentence about the caller counts only if the request did not bring it along.
    let refusal = message("TF400813: The user '' is not authorized to access this resource.");
    let denied =
        message("Access denied. aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa needs View permissions.");
    for refusal in [refusal, denied] {
        assert!(detect_in(&READ, 404, &[JSON], refusal.as_bytes()).is_some());
        for path in [
            "/mycompany/p/_apis/wiki/pages/TF400813:%20The%20user%20''%20is",
            "/mycompany/p/_apis/wiki/pages/tf%34%300813/Access%20Denied.%20x%20needs",
        ] {
            let asked = Case { path, ..READ };
            assert!(detect_in(&asked, 404, &[JSON], refusal.as_bytes()).is_none(), "{path}");
        }
    }
}

#[test]
fn refusals_from_public_reports_are_read() {
    // Azure/azure-cli #29250.
    let anonymous = br#"{"$id":"1","innerException":null,"message":"TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource.","typeName":"Microsoft.TeamFoundation.Framework.Server.UnauthorizedRequestException, Microsoft.TeamFoundation.Framework.Server","typeKey":"UnauthorizedRequestException","errorCode":0,"eventId":3000}"#;
    assert!(detect_in(&READ, 401, &[JSON], anonymous).is_some());
    // Azure/azure-devops-cli-extension #833.
    let guest = br#"{"message":"TF400813: The user '11111111-2222-3333-4444-555555555555\\\\ada@mycompany.example' is not authorized to access this resource."}"#;
    assert!(detect_in(&READ, 401, &[JSON], guest).is_none());
    // git-lfs/git-lfs #1858.
    let resource =
        b"TF400813: Resource not available for anonymous access. Client authentication required.";
    assert!(detect_in(&READ, 401, &[], resource).is_some());
    // microsoft/azure-devops-python-api #253.
    let access = br#"{"$id":"1","customProperties":{"Descriptor":"Microsoft.IdentityModel.Claims.ClaimsIdentity;1\\ada@mycompany.example","Token":null},"message":"Access Denied: Ada needs the following permission(s)","typeKey":"AccessCheckException"}"#;
    assert!(detect_in(&READ, 403, &[JSON], access).is_none());
    // MicrosoftDocs/azure-devops-docs #13661.
    let moved = [
        HTML,
        (
            "location",
            "https://spsprodsin2.vssps.visualstudio.com/_signin?realm=vssps.dev.azure.com&reply_to=https%3A%2F%2Fdev.azure.com",
        ),
    ];
    assert!(detect_in(&READ, 302, &moved, b"<h2>Object moved").is_some());
    // curl/curl #13899: the only place of the name for HEAD, and where the compression is not known.
    let error = "TF400813%3A%20The%20user%20%27d291b0c4-a05c-6ea6-8df1-4b41d5f39eff%27%20is%20not%20authorized";
    let head = Case { method: Method::HEAD, ..READ };
    assert!(detect_in(&head, 401, &[("x-tfs-serviceerror", error)], b"").is_none());
    let unknown = [("x-tfs-serviceerror", error), ("content-encoding", "zstd")];
    assert!(detect_in(&READ, 401, &unknown, b"\x28\xb5\x2f\xfd").is_none());
    // Java's default `Accept` has HTML first; a sign-in page is no page that was asked for.
    let java = Case { wants_html: true, ..READ };
    assert!(
        detect_in(&java, 200, &[HTML], b"<title>Azure DevOps Services | Sign In</title>").is_some()
    );
}

const SIGN_IN: &[u8] =
    b"<html><head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title></head></html>";

#[test]
fn a_write_that_is_answered_with_a_page_may_be_processed_whatever_the_page_is() {
    let forms: [&[u8]; 4] = [
        b"<html><title>Created</title><p>Sign In</p></html>",
        b"<form action='https://app.vssps.visualstudio.com/_signout'>",
        b"<form action='https://login.microsoftonline.com/common/oauth2/authorize'>",
        b"<meta http-equiv=refresh content='0; url=https://login.microsoftonline.com/x'>",
    ];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in [API, "/mycompany/p/_git/repo/git-receive-pack"] {
            for wants_html in [true, false] {
                let write = Case { method: method.clone(), path, wants_html };
                for status in [200, 201, 202, 203] {
                    let context = format!("{method} {path} {status}");
                    let rejected = detect_in(&write, status, &[HTML], SIGN_IN);
                    assert_eq!(rejected.is_some(), matches!(status, 200 | 203), "{context}");
                    assert!(rejected.is_none_or(|rejected| {
                        rejected.is_sign_in() && rejected.may_be_processed()
                    }));
                    assert!(detect_in(&write, status, &[HTML], b"").is_none(), "{context}");
                    for done in forms {
                        assert!(detect_in(&write, status, &[HTML], done).is_none(), "{context}");
                    }
                }
                let redirect = detect_in(&write, 302, &[("location", "/_signin")], b"").unwrap();
                assert!(!redirect.may_be_processed());
                assert!(!detect_in(&write, 401, &[], b"").unwrap().may_be_processed());
            }
        }
    }
}

#[test]
fn a_read_may_be_sent_again_for_a_page_that_is_only_probably_a_sign_in_page() {
    assert!(!detect_in(&READ, 200, &[HTML], b"<html>").unwrap().is_certain());
    for status in [200, 203] {
        let rejected = detect_in(&READ, status, &[HTML], SIGN_IN).unwrap();
        assert!(rejected.is_sign_in() && !rejected.may_be_processed());
    }
    let view = Case { path: "/mycompany/p/_wiki/x", wants_html: true, ..READ };
    assert!(detect_in(&view, 200, &[HTML], SIGN_IN).unwrap().is_certain());
    let file = ("content-disposition", "attachment");
    assert!(detect_in(&view, 200, &[HTML, file], SIGN_IN).is_none());
}

#[test]
fn a_sign_in_page_and_the_way_to_one_are_neither_a_refusal_nor_a_page() {
    let is_sign_in = |case: &Case, status, pairs: &[_], body: &[u8]| {
        detect_in(case, status, pairs, body).unwrap().is_sign_in()
    };
    assert!(is_sign_in(&READ, 401, &[HTML], SIGN_IN));
    assert!(is_sign_in(&READ, 302, &[("location", "/_signin")], b""));
    // Nothing but the sign-in page is sent with 203 where data is expected.
    assert!(is_sign_in(&READ, 203, &[HTML], b"<html>"));
    assert!(detect_in(&READ, 203, &[HTML], b"<html>").unwrap().is_certain());
    let view = Case { path: "/mycompany/p/_wiki/x", wants_html: true, ..READ };
    assert!(!is_sign_in(&view, 203, &[HTML], b"<html>"));
    assert!(!detect_in(&view, 203, &[HTML], b"<html>").unwrap().is_certain());
    assert!(!is_sign_in(&READ, 200, &[HTML], b"<html>"));
    assert!(!is_sign_in(&READ, 401, &[HTML], b"<html><title>TF400813</title>"));
}

#[test]
fn a_refusal_is_silent_if_it_has_neither_a_word_nor_a_name() {
    let is_silent =
        |pairs: &[_], body: &[u8]| detect_in(&READ, 401, pairs, body).unwrap().is_silent();
    assert!(is_silent(&[], b"") && is_silent(&[HTML], b""));
    assert!(!is_silent(&[JSON], br#"{"message":"TF400813: The user '' is not authorized."}"#));
    assert!(!is_silent(&[HTML], SIGN_IN));
    assert!(!is_silent(&[("x-tfs-serviceerror", "TF400813%3A%20Resource%20not%20available")], b""));
    assert!(!is_silent(&[("x-vss-userdata", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:")], b""));
}

#[test]
fn a_body_decides_only_refusals_and_pages() {
    let is_read = |status: u16, kind: &str| {
        let headers = [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
        is_read_in_body(StatusCode::from_u16(status).unwrap(), &headers)
    };
    assert!(is_read(401, "application/json") && is_read(403, "") && is_read(404, "text/plain"));
    assert!(is_read(200, "text/html") && is_read(203, "Text/HTML ; charset=utf-8"));
    assert!(is_read(201, "application/xhtml+xml"));
    assert!(!is_read(200, "application/json") && !is_read(206, "application/octet-stream"));
    assert!(!is_read(302, "text/html") && !is_read(500, "text/html") && !is_read(429, ""));
}

#[test]
fn other_answers_pass_to_the_caller() {
    let passed = |path, wants_html, status, pairs: &[_]| {
        assert_eq!(detect(path, wants_html, status, pairs), None, "{status} {path} {pairs:?}");
    };
    let challenge =
        ("www-authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/x");
    passed(API, false, 200, &[JSON, challenge]);
    passed(API, false, 200, &[]);
    passed(API, false, 204, &[]);
    passed(API, false, 203, &[JSON]);
    passed(API, true, 200, &[HTML]);
    passed("/mycompany/p/_wiki/x", false, 200, &[HTML]);
    passed(
        "/mycompany/p/_apis/git/repositories/r/items",
        false,
        200,
        &[HTML, ("content-disposition", "attachment")],
    );
    for status in [400, 403, 404, 409, 429, 500, 503] {
        passed(API, false, status, &[HTML, challenge]);
    }
    for location in [
        "https://dev.azure.com/mycompany/other?u=https://login.x/_signin",
        "https://dev.azure.com/mycompany/p#/_signin",
        "https://mycompany.blob.core.windows.net/login.html?sig=1",
        "https://dev.azure.com/mycompany/login.microsoftonline.com",
        "/mycompany/_signing",
        "",
    ] {
        passed(API, false, 302, &[("location", location)]);
    }
    passed(API, false, 304, &[]);
}

#[test]
fn all_challenges_are_handed_on_together() {
    let challenge = |pairs| detect(API, false, 401, pairs).unwrap().challenge().map(str::to_owned);
    let claims = r#"Bearer realm="", error="insufficient_claims", claims="e30=""#;
    let pairs = [("www-authenticate", claims), ("www-authenticate", "TFS-Federated")];
    assert_eq!(challenge(&pairs).unwrap(), format!("{claims}, TFS-Federated"));
    assert_eq!(challenge(&[]), None);
}
