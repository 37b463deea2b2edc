#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const IDS: [&str; 2] =
    ["aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", "00000000-0000-0000-0000-000000000000"];
const ADA: &str = "d291b0c4-a05c-6ea6-8df1-4b41d5f39eff";

fn in_text(text: &str) -> Named {
    named(&HeaderMap::new(), Some(text))
}

fn in_header(name: &'static str, value: &str) -> Named {
    let mut headers = HeaderMap::new();
    headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    named(&headers, None)
}

/// The sentence as Azure DevOps writes it, in JSON.
fn json(sentence: &str) -> String {
    serde_json::json!({"$id": "1", "innerException": null, "message": sentence,
        "typeKey": "UnauthorizedRequestException", "errorCode": 0, "eventId": 3000})
    .to_string()
}

fn english(name: &str) -> String {
    format!("TF400813: The user '{name}' is not authorized to access this resource.")
}

#[test]
fn people_are_named_by_id_address_account_or_name() {
    for name in [
        ADA,
        "D291B0C4A05C6EA68DF14B41D5F39EFF",
        "ada@mycompany.example",
        r"MYCOMPANY\ada",
        "Ada Lovelace",
        "Conor O'Brien",
        "ada",
        r"Windows Live ID\ada@mycompany.example",
        r"00000000-0000-0000-0000-000000000000\ada@mycompany.example",
        r"11111111-2222-3333-4444-555555555555\ada@mycompany.example",
        "Build\\d291b0c4-a05c-6ea6-8df1-4b41d5f39eff",
        "aaron",
        "Åsa",
    ] {
        assert_eq!(in_text(&json(&english(name))), Named::Person, "{name}");
    }
}

#[test]
fn the_anonymous_identity_is_nobody() {
    for name in [
        "",
        " ",
        IDS[0],
        IDS[1],
        "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "{aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa}",
        "System:PublicAccess;aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
        "Microsoft.TeamFoundation.UnauthenticatedIdentity;aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
        r"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa\aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
        "Anonymous",
        r"NT AUTHORITY\ANONYMOUS LOGON",
    ] {
        assert_eq!(in_text(&json(&english(name))), Named::Nobody, "{name}");
    }
}

#[test]
fn a_sentence_is_read_in_every_language() {
    for (sentence, quote) in [
        (
            "TF400813: Der Benutzer \"X\" ist nicht berechtigt, auf diese Ressource zuzugreifen.",
            "\"",
        ),
        ("TF400813: Der Benutzer \u{201e}X\u{201c} ist nicht berechtigt.", "\u{201c}"),
        ("TF400813: L'utilisateur 'X' n'est pas autorisé à accéder à cette ressource.", "'"),
        ("TF400813: L\u{2019}utilisateur \u{ab} X \u{bb} n\u{2019}est pas autorisé.", "\u{bb}"),
        ("TF400813: L'utente 'X' non è autorizzato ad accedere a questa risorsa.", "'"),
        ("TF400813: ユーザー'X'には、このリソースにアクセスする権限がありません。", "'"),
        ("TF400813: ユーザー「X」には権限がありません。", "」"),
        ("TF400813：用户“X”无权访问此资源。", "”"),
        ("TF400813: Użytkownik \u{201e}X\u{201d} nie ma uprawnień.", "\u{201d}"),
    ] {
        for (name, expected) in [
            (ADA, Named::Person),
            ("ada@mycompany.example", Named::Person),
            ("Ada", Named::Person),
            (IDS[0], Named::Nobody),
            ("", Named::Nobody),
        ] {
            let sentence = sentence.replace('X', name);
            assert_eq!(in_text(&json(&sentence)), expected, "{sentence} {quote}");
            assert_eq!(in_text(&sentence), expected, "{sentence} {quote}");
        }
    }
    for sentence in [
        format!("TF400813: Der Benutzer {ADA} ist nicht berechtigt."),
        format!("TF400813: ユーザー{ADA}には権限がありません。"),
        r"TF400813: El usuario MYCOMPANY\ada no está autorizado.".to_owned(),
        "TF400813: El usuario ada@mycompany.example no está autorizado.".to_owned(),
    ] {
        assert_eq!(in_text(&json(&sentence)), Named::Person, "{sentence}");
    }
    let nobody = format!("TF400813: Der Benutzer {} ist nicht berechtigt.", IDS[0]);
    assert_eq!(in_text(&json(&nobody)), Named::Nobody);
}

#[test]
fn a_page_names_the_caller_in_its_sentence_and_nowhere_else() {
    let page = |sentence: &str| {
        format!(
            "<!DOCTYPE html><html><head><title>{sentence}</title><meta content='x'></head>\
             <body class='b'><a href=\"mailto:help@mycompany.example\">help</a><p>{ADA}</p>\
             <script>var x = {{\"user\":\"MYCOMPANY\\\\ada\"}};</script></body></html>"
        )
    };
    let escaped = |name: &str| english(name).replace('\'', "&#39;");
    assert_eq!(in_text(&page(&escaped(ADA))), Named::Person);
    assert_eq!(in_text(&page(&escaped(IDS[0]))), Named::Nobody);
    assert_eq!(in_text(&page(&escaped(""))), Named::Nobody);
    assert_eq!(in_text(&page("Azure DevOps Services | Sign In")), Named::Unnamed);
    let access =
        "TF400813: Resource not available for anonymous access. Client authentication required.";
    assert_eq!(in_text(&page(access)), Named::Unnamed);
    assert_eq!(in_text(&page(&format!("{access} (DevOps Activity Id: {ADA})"))), Named::Unnamed);
    // As a script hands it to the page.
    let script =
        format!("<script>var error = {{\"message\":\"{access}\",\"user\":\"ada\"}}</script>");
    assert_eq!(in_text(&script), Named::Unnamed);
    let script = format!("<script>e({})</script>", json(&english(ADA)).replace('\'', "\\u0027"));
    assert_eq!(in_text(&script), Named::Person);
}

#[test]
fn other_messages_name_people_but_also_projects() {
    let message = |text: &str| in_text(&json(text));
    assert_eq!(message("Access denied. Ada Lovelace needs Use permissions."), Named::Person);
    assert_eq!(
        message("Access Denied: Ada needs the following permission(s): View builds"),
        Named::Person
    );
    assert_eq!(
        message("TF50309: Insufficient permissions for the account: MYCOMPANY\\ada."),
        Named::Person
    );
    assert_eq!(message(&format!("VS403283: The user '{ADA}' was not found.")), Named::Person);
    assert_eq!(message("The request of ada@mycompany.example is refused."), Named::Person);
    assert_eq!(
        message("Access Denied: The Personal Access Token used has expired."),
        Named::Unnamed
    );
    assert_eq!(message(&format!("Denied. (Activity Id: {ADA})")), Named::Unnamed);
    let project = format!(
        "VS800075: The project with id 'vstfs:///Classification/TeamProject/{ADA}' does not exist."
    );
    assert_eq!(message(&project), Named::Unnamed);
    assert_eq!(
        message("TF401019: The Git repository with name Website does not exist."),
        Named::Unnamed
    );
    let anonymous = format!("Access denied. {} needs View permissions.", IDS[0]);
    assert_eq!(message(&anonymous), Named::Nobody);
    assert_eq!(in_text(r#"{"count":0,"value":[]}"#), Named::Unnamed);
    assert_eq!(
        in_text(r#"{"count":1,"value":{"Message":"Refused for ada@mycompany.example."}}"#),
        Named::Person
    );
    assert_eq!(
        in_text(r#"{"innerException":{"message":"Refused for MYCOMPANY\\ada."}}"#),
        Named::Person
    );
    assert_eq!(in_text(""), Named::Unnamed);
}

#[test]
fn headers_name_the_caller_too() {
    let error = |name: &str| {
        in_header("x-tfs-serviceerror", &english(name).replace('\'', "%27").replace(' ', "%20"))
    };
    assert_eq!(error(ADA), Named::Person);
    assert_eq!(error(IDS[0]), Named::Nobody);
    assert_eq!(error(""), Named::Nobody);
    assert_eq!(
        in_header("x-tfs-serviceerror", "TF400813%3A%20The%20user%20%27ada%40mycomp"),
        Named::Person
    );
    assert_eq!(in_header("x-tfs-serviceerror", "TF400813%3A%20The%20user%20%27"), Named::Nobody);
    // The older form, and the same in SOAP, whose attributes are in quotes, too.
    let older = |name: &str| format!("TF400813%3a+The+user+%27{name}%27+is+not+authorized.");
    assert_eq!(in_header("x-tfs-serviceerror", &older(ADA)), Named::Person);
    assert_eq!(in_header("x-tfs-serviceerror", &older("")), Named::Nobody);
    let access =
        "TF400813%3a+Resource+not+available+for+anonymous+access.+Client+authentication+required.";
    assert_eq!(in_header("x-tfs-serviceerror", access), Named::Unnamed);
    let soap = |message: &str| {
        let soap = format!(
            "<?xml version='1.0'?><soap:Text xml:lang='en'>{message}</soap:Text><detail xmlns='urn:x'/>"
        );
        let all = percent_encoding::NON_ALPHANUMERIC;
        in_header(
            "x-tfs-soapexception",
            &percent_encoding::utf8_percent_encode(&soap, all).to_string(),
        )
    };
    assert_eq!(soap(&english(ADA)), Named::Person);
    assert_eq!(soap(&english("").replace('\'', "&apos;")), Named::Nobody);
    assert_eq!(soap("TF400813: Resource not available for anonymous access."), Named::Unnamed);
    assert_eq!(in_header("x-vss-userdata", &format!("{ADA}:ada@mycompany.example")), Named::Person);
    assert_eq!(in_header("x-vss-userdata", &format!("{}:", IDS[0])), Named::Nobody);
    assert_eq!(in_header("x-vss-userdata", &format!("{}:", IDS[1])), Named::Nobody);
    let without_tenant = format!("{}:ada@mycompany.example", IDS[1]);
    assert_eq!(in_header("x-vss-userdata", &without_tenant), Named::Person);
    assert_eq!(in_header("x-vss-userdata", ":"), Named::Unnamed);
    assert_eq!(in_header("x-vss-userdata", ""), Named::Unnamed);
}

#[test]
fn an_answer_that_is_cut_off_names_whom_it_began_to_name() {
    let whole = json(&english("ada@mycompany.example"));
    let at = whole.find("ada@").unwrap();
    assert_eq!(in_text(whole.get(..at).unwrap()), Named::Nobody);
    for end in at + 4..whole.len() {
        assert_eq!(in_text(whole.get(..end).unwrap()), Named::Person, "{end}");
    }
    let whole = json(&english(IDS[0]));
    let at = whole.find(IDS[0]).unwrap();
    for end in at..whole.len() {
        assert_eq!(in_text(whole.get(..end).unwrap()), Named::Nobody, "{end}");
    }
}

/// Every escape of a format, one inside the other.
fn escaped(text: &str, layers: &[u8]) -> String {
    let one = |text: &str, layer: u8| -> String {
        let special = |character: char| !character.is_ascii_alphanumeric() && character != ' ';
        match layer % 5 {
            0 => text
                .replace('&', "&amp;")
                .replace('\'', "&#39;")
                .replace('"', "&quot;")
                .replace('<', "&lt;"),
            1 => text
                .chars()
                .map(|c| if special(c) { format!("&#x{:x};", u32::from(c)) } else { c.to_string() })
                .collect(),
            2 => {
                let quoted = serde_json::to_string(text).unwrap();
                quoted.get(1..quoted.len() - 1).unwrap().replace('\'', "\\u0027")
            }
            3 => {
                let unit = |unit: u16| match u8::try_from(unit).map(char::from) {
                    Ok(plain) if plain.is_ascii() && !special(plain) => plain.to_string(),
                    _ => format!("\\u{unit:04X}"),
                };
                text.encode_utf16().map(unit).collect()
            }
            _ => percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string(),
        }
    };
    layers.iter().fold(text.to_owned(), |text, layer| one(&text, *layer))
}

fn person() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u128>().prop_map(|bits| Uuid::from_u128(bits).to_string()),
        any::<u128>().prop_map(|bits| Uuid::from_u128(bits).to_string().to_uppercase()),
        "[a-z0-9]{1,9}(\\.[a-z]{1,9})?@[a-z]{1,9}\\.example",
        "[A-Z]{1,15}\\\\[a-z]{1,20}",
        "[A-ZÄÖÅ][a-zäöå]{2,9} (O'|Mc)?[A-Z][a-z]{2,9}",
    ]
    .prop_filter("the anonymous identity", |name| !Uuid::parse_str(name).is_ok_and(is_nobody))
}

proptest! {
    #[test]
    fn every_person_is_found_in_every_escape(
        name in person(), layers in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let text = escaped(&english(&name), &layers);
        prop_assert_eq!(in_text(&text), Named::Person, "{}", text);
        let page = format!("<html><title>{text}</title><p>x</p></html>");
        let starts_with_code = text.starts_with(NOT_AUTHORIZED);
        prop_assert!(!starts_with_code || in_text(&page) == Named::Person, "{}", page);
    }

    #[test]
    fn the_anonymous_identity_is_never_a_person(
        id in prop::sample::select(&IDS[..]), layers in prop::collection::vec(any::<u8>(), 0..3),
        upper in any::<bool>(), around in "[{]?",
    ) {
        let id = if upper { id.to_uppercase() } else { id.to_owned() };
        let text = escaped(&english(&format!("{around}{id}")), &layers);
        prop_assert_eq!(in_text(&text), Named::Nobody, "{}", text);
        prop_assert_ne!(in_header("x-vss-userdata", &format!("{id}:")), Named::Person);
    }

    #[test]
    fn any_text_is_read_without_a_panic(
        before in any::<String>(), after in any::<String>(), layers in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        in_text(&escaped(&format!("{before}TF400813{after}"), &layers));
        in_text(&format!("{before}TF400813: '{after}"));
        in_text(&before);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..300),
        encoding in prop::sample::select(&["gzip", "deflate", "br", "identity", "gzip, br", "x"][..]),
        kind in prop::sample::select(&["text/html", "application/json; charset=utf-16"][..]),
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", encoding.parse().unwrap());
        headers.insert("content-type", kind.parse().unwrap());
        let text = text::of_body(&headers, &body);
        named(&headers, text.as_deref());
        let from = "https://dev.azure.com/x".parse().unwrap();
        super::super::sign_in::is_sign_in_page(&from, &String::from_utf8_lossy(&body));
    }
}
