#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::ErrorClass as C;
use super::*;

fn class(leg: Leg, status: u16, body: Value) -> ErrorClass {
    let body: Option<ErrorBody> = serde_json::from_value(body).ok();
    classify(leg, Some(status), body.as_ref(), None)
}

fn refused(leg: Leg, error: &str, codes: &[u32]) -> ErrorClass {
    class(leg, 400, json!({"error": error, "error_codes": codes}))
}

/// One row for each row of the error policy (docs/operate.md).
#[test]
fn every_row_of_the_policy_is_kept() {
    let grant =
        |suberror: &str| json!({"error": "invalid_grant", "suberror": suberror, "error_codes": []});
    let of_another =
        json!({"error": "invalid_grant", "suberror": "client_mismatch", "error_codes": [50173]});
    let with_claims = json!({"error": "invalid_grant", "error_codes": [50079], "claims": "{}"});
    let rows = [
        ("429", 429, grant("bad_token"), C::Throttled),
        ("5xx", 503, grant("bad_token"), C::Transient),
        ("a page", 403, json!("<html>"), C::Transient),
        ("bad token", 400, grant("bad_token"), C::DeadGrant),
        ("password expired", 400, grant("user_password_expired"), C::DeadGrant),
        ("other client's token", 400, of_another, C::Suspect),
        ("unexplained", 400, json!({"error": "invalid_grant"}), C::Suspect),
        ("claims with a grant", 400, with_claims, C::ReauthorizationRequired),
    ];
    for (name, status, body, expected) in rows {
        assert_eq!(class(Leg::Refresh, status, body), expected, "{name}");
    }
    let rows: [(&str, &[u32], ErrorClass); 30] = [
        ("invalid_grant", &[50196], C::Throttled),
        ("temporarily_unavailable", &[90055], C::Throttled),
        ("invalid_grant", &[700_082], C::DeadGrant),
        ("invalid_grant", &[65001], C::DeadGrant),
        ("invalid_grant", &[50057], C::Suspect),
        ("interaction_required", &[50076], C::ReauthorizationRequired),
        ("interaction_required", &[70043], C::ReauthorizationRequired),
        ("invalid_grant", &[70043], C::DeadGrant),
        ("interaction_required", &[53003], C::PolicyBlocked),
        ("consent_required", &[], C::ReauthorizationRequired),
        ("access_denied", &[], C::ReauthorizationRequired),
        ("bad_token", &[], C::DeadGrant),
        ("invalid_client", &[7_000_215], C::CredentialRejected),
        ("invalid_client", &[7_000_222], C::CredentialRejected),
        ("invalid_client", &[700_027], C::CredentialRejected),
        ("invalid_client", &[70021], C::CredentialRejected),
        ("unauthorized_client", &[700_016], C::TenantRefused),
        ("invalid_client", &[7_000_229], C::TenantRefused),
        ("invalid_request", &[90002], C::TenantNotFound),
        ("invalid_tenant", &[], C::TenantNotFound),
        ("invalid_grant", &[70002, 50126], C::Suspect),
        ("invalid_client", &[70002], C::CredentialRejected),
        ("invalid_client", &[70002, 7_000_215], C::CredentialRejected),
        ("invalid_client", &[70002, 50173], C::DeadGrant),
        ("invalid_client", &[70002, 999_999], C::BadRequest),
        ("invalid_grant", &[90033], C::Transient),
        ("temporarily_unavailable", &[], C::Transient),
        ("invalid_scope", &[70011], C::BadRequest),
        ("unsupported_grant_type", &[70003], C::BadRequest),
        ("something_new", &[], C::BadRequest),
    ];
    for (error, codes, expected) in rows {
        assert_eq!(refused(Leg::Refresh, error, codes), expected, "{error} {codes:?}");
    }
    assert_eq!(classify(Leg::Refresh, None, None, None), C::Transient, "no answer");
}

#[test]
fn a_number_of_the_credential_or_the_tenant_decides_whatever_the_error_is() {
    for error in
        ["invalid_client", "unauthorized_client", "invalid_request", "invalid_grant", "new"]
    {
        for leg in [Leg::Code, Leg::Refresh, Leg::ClientCredentials] {
            assert_eq!(refused(leg, error, &[7_000_222]), C::CredentialRejected, "{leg:?} {error}");
            assert_eq!(refused(leg, error, &[7_000_229]), C::TenantRefused, "{leg:?} {error}");
            assert_eq!(refused(leg, error, &[90002]), C::TenantNotFound, "{leg:?} {error}");
        }
    }
}

#[test]
fn an_answer_about_one_sign_in_fails_this_sign_in_whatever_the_error_is() {
    for error in
        ["invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "new"]
    {
        for code in [50011, 501_481, 54005, 70008, 70000, 700_005] {
            assert_eq!(refused(Leg::Code, error, &[code]), C::CodeRejected, "{error} {code}");
        }
    }
}

#[test]
fn an_answer_that_asks_for_the_user_is_about_the_user_whatever_its_number_is() {
    for code in [54005, 70008] {
        let asked = refused(Leg::Code, "interaction_required", &[code]);
        assert_eq!(asked, C::ReauthorizationRequired, "{code}");
    }
}

#[test]
fn a_refused_code_without_a_number_is_classified_by_its_error() {
    let rows = [
        ("invalid_grant", C::CodeRejected),
        ("bad_token", C::CodeRejected),
        ("access_denied", C::ReauthorizationRequired),
        ("account_selection_required", C::ReauthorizationRequired),
        ("consent_required", C::ConsentRequired),
        ("something_new", C::BadRequest),
    ];
    for (error, expected) in rows {
        assert_eq!(refused(Leg::Code, error, &[]), expected, "{error}");
    }
}

#[test]
fn an_error_without_a_known_number_blames_neither_the_credential_nor_a_tenant() {
    for error in ["invalid_client", "unauthorized_client", "invalid_request", "invalid_resource"] {
        for codes in [&[][..], &[123_456_789], &[1]] {
            for leg in Leg::ALL {
                assert_eq!(refused(leg, error, codes), C::BadRequest, "{leg:?} {error} {codes:?}");
            }
        }
    }
}

#[test]
fn the_mildest_of_several_numbers_decides() {
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[7_000_215, 50196]), C::Throttled);
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[7_000_215, 90033]), C::Transient);
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[7_000_215, 7_000_229]), C::TenantRefused);
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[7_000_215, 90002]), C::TenantNotFound);
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[1, 7_000_215]), C::CredentialRejected);
    assert_eq!(refused(Leg::Code, "invalid_client", &[7_000_215, 50011]), C::CodeRejected);
    // Our credential costs no connection.
    assert_eq!(refused(Leg::Refresh, "invalid_client", &[50173, 7_000_215]), C::CredentialRejected);
    assert_eq!(refused(Leg::Refresh, "invalid_grant", &[50173, 7_000_215]), C::DeadGrant);
}

#[test]
fn retry_after_turns_a_dead_grant_into_a_throttle_and_leaves_a_rejected_credential() {
    let body = |error: &str, code| ErrorBody {
        error: error.to_owned(),
        error_codes: vec![code],
        ..ErrorBody::default()
    };
    let wait = Some(Duration::from_secs(30));
    let grant = body("invalid_grant", 50173);
    assert_eq!(classify(Leg::Refresh, Some(400), Some(&grant), wait), C::Throttled);
    let client = body("invalid_client", 7_000_215);
    assert_eq!(classify(Leg::Refresh, Some(401), Some(&client), wait), C::CredentialRejected);
}

#[test]
fn a_redirect_is_classified_by_error_and_number() {
    let redirect = |error, suberror, description| {
        classify_redirect(&ErrorBody::of_redirect(error, suberror, description))
    };
    let rows = [
        ("access_denied", Some("AADSTS65004: User declined to consent to the app."), C::Cancelled),
        ("access_denied", None, C::Cancelled),
        ("consent_required", Some("AADSTS65004: User declined to consent."), C::Cancelled),
        ("access_denied", Some("AADSTS90094: It needs an admin."), C::AdminApprovalRequired),
        ("access_denied", Some("AADSTS65001: No consent"), C::ConsentRequired),
        ("consent_required", None, C::ConsentRequired),
        ("access_denied", Some("AADSTS50126: Wrong password"), C::ReauthorizationRequired),
        ("interaction_required", Some("AADSTS50076: MFA"), C::ReauthorizationRequired),
        ("login_required", None, C::ReauthorizationRequired),
        ("interaction_required", Some("AADSTS53003: Blocked"), C::PolicyBlocked),
        ("invalid_request", Some("AADSTS500200: A personal account."), C::PersonalAccount),
        ("access_denied", Some("AADSTS50020: Not in tenant"), C::AccountNotInTenant),
        ("server_error", None, C::Transient),
        ("temporarily_unavailable", None, C::Transient),
        ("unauthorized_client", Some("AADSTS700016: Not found"), C::TenantRefused),
        ("invalid_scope", Some("AADSTS70011: Not valid"), C::BadRequest),
        ("invalid_client", Some("AADSTS7000215: Invalid secret"), C::BadRequest),
        ("something_new", None, C::CodeRejected),
    ];
    for (error, description, expected) in rows {
        assert_eq!(redirect(error, None, description), expected, "{error} {description:?}");
    }
    assert_eq!(redirect("invalid_grant", Some("consent_required"), None), C::ConsentRequired);
}

#[test]
fn every_number_of_a_description_counts_wherever_it_is() {
    let redirect =
        |text| classify_redirect(&ErrorBody::of_redirect("access_denied", None, Some(text)));
    assert_eq!(redirect("V2Error: access_denied AADSTS530003: Not managed."), C::PolicyBlocked);
    assert_eq!(aadsts("AADSTS70002: Error. AADSTS54005: Used."), [70002, 54005]);
    assert_eq!(refused(Leg::Code, "invalid_grant", &[70002, 54005]), C::CodeRejected);
    assert_eq!(refused(Leg::Refresh, "invalid_grant", &[9_002_313]), C::Suspect);
    assert_eq!(aadsts("AADSTS: no number, AADSTS99999999999999"), [0_u32; 0]);
}

#[test]
fn every_number_has_one_meaning() {
    let mut numbers: Vec<u32> = known_codes().collect();
    assert!([50196, 53003, 70011].iter().all(|number| numbers.contains(number)));
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
}

fn is_about_the_credential(code: u32) -> bool {
    NUMBERS.iter().any(|(meaning, codes)| *meaning == Meaning::Credential && codes.contains(&code))
}

proptest! {
    #[test]
    fn no_answer_without_a_number_of_our_credential_marks_the_integration(
        leg in proptest::sample::select(&Leg::ALL[..]),
        status in proptest::option::of(200_u16..600),
        error in "[a-z_]{0,24}|invalid_client|invalid_grant|unauthorized_client|invalid_request|invalid_tenant",
        suberror in proptest::option::of("[a-z_]{0,16}|bad_token|consent_required"),
        error_codes in proptest::collection::vec(
            prop_oneof![any::<u32>(), proptest::sample::select(known_codes().collect::<Vec<_>>())], 0..4),
        claims in proptest::option::of(".{0,8}"), wait in proptest::option::of(0_u64..100),
    ) {
        let body = ErrorBody { error, suberror, error_codes, claims, ..ErrorBody::default() };
        let class = classify(leg, status, Some(&body), wait.map(Duration::from_secs));
        let named = body.error_codes.iter().any(|code| is_about_the_credential(*code));
        if !named || leg == Leg::Authorize {
            prop_assert_ne!(class.party(), Party::Integration);
        }
        if body.error == "invalid_client" && named {
            prop_assert!(!matches!(class, C::DeadGrant | C::Suspect));
        }
    }

    #[test]
    fn any_text_of_a_redirect_is_classified(
        error in ".{0,40}", suberror in proptest::option::of(".{0,40}"), description in proptest::option::of(".{0,80}"),
    ) {
        classify_redirect(&ErrorBody::of_redirect(&error, suberror.as_deref(), description.as_deref()));
    }
}
