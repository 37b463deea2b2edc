//! The meaning of an error of the token endpoint: one total function.
//!
//! `error` and `suberror` decide. AADSTS numbers are no stable interface, so they only make a decision milder, or
//! classify an error that Entra leaves unnamed
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

use std::time::Duration;

use serde::Deserialize;

/// The classes of failed token requests, by the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A passing failure: retry later.
    Transient,
    /// Too many requests: retry later, and less often.
    Throttled,
    /// Only the user can help, by interaction or consent.
    ReauthorizationRequired,
    /// The grant is dead, according to Entra. Confirm once before involving the user.
    DeadGrant,
    /// Entra refuses the grant without a reason. Confirm for longer.
    Suspect,
    /// The app's credential or registration is wrong. Only the operator can fix it.
    ApplicationBroken,
    /// Our request is wrong.
    BadRequest,
}

/// The error body of RFC 6749 section 5.2, with Entra's extensions.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ErrorBody {
    /// The error code.
    pub error: String,
    /// The reason, if Entra gives one.
    #[serde(default)]
    pub suberror: Option<String>,
    /// AADSTS numbers; several may come together.
    #[serde(default)]
    pub error_codes: Vec<u32>,
    /// A claims challenge, JSON.
    #[serde(default)]
    pub claims: Option<String>,
    /// For Microsoft's support.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// For Microsoft's support.
    #[serde(default)]
    pub trace_id: Option<String>,
}

/// The loop detector: a throttle that Entra reports as `invalid_grant`.
const LOOP_DETECTED: u32 = 50196;
const THROTTLED: &[u32] = &[LOOP_DETECTED, 90055, 50166];
const TRANSIENT: &[u32] = &[
    50000, 50033, 50087, 90006, 90012, 90024, 90033, 90090, 90091, 40010, 70012, 80001, 80002,
    80005, 80014, 501_621, 90036, 50086, 90092,
];
/// A federated credential that was just created has not reached all of Entra's servers.
const REPLICATING: u32 = 70021;
/// Refusals of a refresh token that come without a `suberror`.
const DEAD: &[u32] =
    &[70000, 70008, 700_082, 700_084, 70043, 70044, 50173, 50132, 50133, 50085, 50139, 65001];

/// Classifies a response without tokens. `status` is `None` if there was no response at all.
pub fn classify(
    status: Option<u16>,
    body: Option<&ErrorBody>,
    retry_after: Option<Duration>,
) -> ErrorClass {
    match (status, body) {
        (Some(429), _) => ErrorClass::Throttled,
        // No answer, a failure, or the page of a middlebox: Entra itself has decided nothing.
        (Some(500..) | None, _) | (Some(_), None) => ErrorClass::Transient,
        (Some(_), Some(body)) => classify_body(body, retry_after),
    }
}

fn classify_body(body: &ErrorBody, retry_after: Option<Duration>) -> ErrorClass {
    let any = |numbers: &[u32]| body.error_codes.iter().any(|code| numbers.contains(code));
    if body.error == "invalid_client" {
        return if any(&[REPLICATING]) {
            ErrorClass::Transient
        } else {
            ErrorClass::ApplicationBroken
        };
    }
    if any(THROTTLED) || retry_after.is_some() {
        return ErrorClass::Throttled;
    }
    if any(TRANSIENT) {
        return ErrorClass::Transient;
    }
    match body.error.as_str() {
        "temporarily_unavailable" | "server_error" => ErrorClass::Transient,
        "unauthorized_client" => ErrorClass::ApplicationBroken,
        "interaction_required" | "login_required" | "consent_required" | "access_denied" => {
            ErrorClass::ReauthorizationRequired
        }
        "bad_token" => ErrorClass::DeadGrant,
        "invalid_grant" if body.claims.is_some() => ErrorClass::ReauthorizationRequired,
        "invalid_grant" => classify_grant(body.suberror.as_deref(), any(DEAD)),
        _ => ErrorClass::BadRequest,
    }
}

fn classify_grant(suberror: Option<&str>, known_number: bool) -> ErrorClass {
    match suberror {
        // The request does not match the grant, which may still be good.
        Some("client_mismatch" | "protection_policy_required") => ErrorClass::Suspect,
        Some(
            "bad_token"
            | "token_expired"
            | "consent_required"
            | "basic_action"
            | "additional_action"
            | "message_only"
            | "user_password_expired",
        ) => ErrorClass::DeadGrant,
        _ if known_number => ErrorClass::DeadGrant,
        _ => ErrorClass::Suspect,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn class(status: u16, body: serde_json::Value) -> ErrorClass {
        let body: Option<ErrorBody> = serde_json::from_value(body).ok();
        classify(Some(status), body.as_ref(), None)
    }

    /// One row for each row of the error policy, and for each class of Entra's error reference.
    #[test]
    #[expect(clippy::too_many_lines, reason = "one row each")]
    fn every_row_of_the_policy_is_kept() {
        use ErrorClass as C;
        let rows = [
            (
                "throttled as a dead grant",
                400,
                json!({"error": "invalid_grant", "error_codes": [50196]}),
                C::Throttled,
            ),
            (
                "tenant throttled",
                400,
                json!({"error": "temporarily_unavailable", "error_codes": [90055]}),
                C::Throttled,
            ),
            (
                "bad token",
                400,
                json!({"error": "invalid_grant", "suberror": "bad_token", "error_codes": [50173]}),
                C::DeadGrant,
            ),
            (
                "expired by policy",
                400,
                json!({"error": "invalid_grant", "suberror": "token_expired", "error_codes": [70043]}),
                C::DeadGrant,
            ),
            (
                "expired by inactivity",
                400,
                json!({"error": "invalid_grant", "error_codes": [700082]}),
                C::DeadGrant,
            ),
            (
                "consent withdrawn",
                400,
                json!({"error": "invalid_grant", "suberror": "consent_required", "error_codes": [65001]}),
                C::DeadGrant,
            ),
            (
                "password expired",
                400,
                json!({"error": "invalid_grant", "suberror": "user_password_expired", "error_codes": [50055]}),
                C::DeadGrant,
            ),
            ("unexplained", 400, json!({"error": "invalid_grant"}), C::Suspect),
            (
                "user gone",
                400,
                json!({"error": "invalid_grant", "error_codes": [50057]}),
                C::Suspect,
            ),
            (
                "other client's token",
                400,
                json!({"error": "invalid_grant", "suberror": "client_mismatch"}),
                C::Suspect,
            ),
            (
                "MFA",
                400,
                json!({"error": "interaction_required", "error_codes": [50076], "claims": "{}"}),
                C::ReauthorizationRequired,
            ),
            (
                "claims with a grant",
                400,
                json!({"error": "invalid_grant", "error_codes": [50079], "claims": "{}"}),
                C::ReauthorizationRequired,
            ),
            (
                "Conditional Access",
                400,
                json!({"error": "interaction_required", "error_codes": [53003]}),
                C::ReauthorizationRequired,
            ),
            (
                "sign-in frequency as interaction",
                400,
                json!({"error": "interaction_required", "error_codes": [70043]}),
                C::ReauthorizationRequired,
            ),
            ("consent", 400, json!({"error": "consent_required"}), C::ReauthorizationRequired),
            (
                "wrong secret",
                401,
                json!({"error": "invalid_client", "error_codes": [7000215]}),
                C::ApplicationBroken,
            ),
            (
                "expired secret",
                401,
                json!({"error": "invalid_client", "error_codes": [7000222]}),
                C::ApplicationBroken,
            ),
            (
                "assertion",
                401,
                json!({"error": "invalid_client", "error_codes": [700027]}),
                C::ApplicationBroken,
            ),
            (
                "federation not replicated yet",
                401,
                json!({"error": "invalid_client", "error_codes": [70021]}),
                C::Transient,
            ),
            (
                "app not in tenant",
                400,
                json!({"error": "unauthorized_client", "error_codes": [700016]}),
                C::ApplicationBroken,
            ),
            (
                "a user's password beside 70002",
                400,
                json!({"error": "invalid_grant", "error_codes": [70002, 50126]}),
                C::Suspect,
            ),
            (
                "directory busy",
                400,
                json!({"error": "invalid_grant", "error_codes": [90033]}),
                C::Transient,
            ),
            ("says so", 400, json!({"error": "temporarily_unavailable"}), C::Transient),
            ("429", 429, json!({"error": "invalid_grant", "suberror": "bad_token"}), C::Throttled),
            ("5xx", 503, json!({"error": "invalid_grant", "suberror": "bad_token"}), C::Transient),
            ("a page", 403, json!("<html>"), C::Transient),
            (
                "scope",
                400,
                json!({"error": "invalid_scope", "error_codes": [70011]}),
                C::BadRequest,
            ),
            (
                "malformed",
                400,
                json!({"error": "invalid_request", "error_codes": [900144]}),
                C::BadRequest,
            ),
            (
                "grant type",
                400,
                json!({"error": "unsupported_grant_type", "error_codes": [70003]}),
                C::BadRequest,
            ),
            ("never heard of", 400, json!({"error": "something_new"}), C::BadRequest),
        ];
        for (name, status, body, expected) in rows {
            assert_eq!(class(status, body), expected, "{name}");
        }
        assert_eq!(classify(None, None, None), C::Transient, "no answer");
    }

    #[test]
    fn retry_after_turns_a_dead_grant_into_a_throttle_and_leaves_a_broken_app() {
        let grant = ErrorBody {
            error: "invalid_grant".to_owned(),
            suberror: Some("bad_token".to_owned()),
            ..ErrorBody::default()
        };
        let client = ErrorBody { error: "invalid_client".to_owned(), ..ErrorBody::default() };
        let wait = Some(Duration::from_secs(30));
        assert_eq!(classify(Some(400), Some(&grant), wait), ErrorClass::Throttled);
        assert_eq!(classify(Some(401), Some(&client), wait), ErrorClass::ApplicationBroken);
    }

    proptest! {
        #[test]
        fn every_error_has_a_class_and_a_broken_app_is_never_the_user_s_fault(
            status in proptest::option::of(400_u16..600), error in "[a-z_]{0,24}|invalid_client|invalid_grant",
            suberror in proptest::option::of("[a-z_]{0,16}"), error_codes in proptest::collection::vec(any::<u32>(), 0..4),
            claims in proptest::option::of(".{0,8}"), wait in proptest::option::of(0_u64..100),
        ) {
            let body = ErrorBody { error, suberror, error_codes, claims, ..ErrorBody::default() };
            let class = classify(status, Some(&body), wait.map(Duration::from_secs));
            if body.error == "invalid_client" {
                let user = matches!(class, ErrorClass::ReauthorizationRequired | ErrorClass::DeadGrant | ErrorClass::Suspect);
                prop_assert!(!user);
            }
        }
    }
}
