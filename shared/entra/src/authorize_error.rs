//! The meaning of an `error` on the authorize leg for the person in the browser (RFC 6749 section 4.1.2.1).

/// The reasons why there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizeRefusal {
    /// The user went back, or declined to consent.
    Cancelled,
    /// The permissions are not granted.
    ConsentRequired,
    /// Only an administrator may grant the permissions.
    AdminApprovalRequired,
    /// The account is not in the tenant.
    AccountNotInTenant,
    /// The account is a personal Microsoft account.
    PersonalAccount,
    /// Conditional Access or a tenant restriction blocks the access.
    PolicyBlocked,
    /// One more step by the user is needed, such as multifactor authentication.
    InteractionRequired,
    /// Entra is unavailable.
    TemporarilyUnavailable,
    /// The app registration or our request is wrong.
    ApplicationMisconfigured,
    /// Any other reason.
    Other,
}

/// AADSTS numbers that are more precise than `error`, and are therefore checked first. `error` decides otherwise.
const ADMIN_APPROVAL: &[u32] = &[90094, 90095, 50105, 650_057];
const NOT_IN_TENANT: &[u32] = &[50020, 50034, 51004, 16003, 90072, 50014];
const PERSONAL: &[u32] = &[500_200, 500_202];
const POLICY: &[u32] = &[
    53000, 53001, 53002, 53003, 53011, 530_032, 530_034, 530_035, 50005, 50131, 500_021, 500_022,
    500_212, 500_213,
];
const CONSENT: &[u32] = &[65001, 90008];

/// Classifies an error of the authorize leg. `description` is only searched for its leading number.
pub fn classify(
    error: &str,
    suberror: Option<&str>,
    description: Option<&str>,
) -> AuthorizeRefusal {
    let number = description.and_then(aadsts);
    let is = |numbers: &[u32]| number.is_some_and(|number| numbers.contains(&number));
    if is(ADMIN_APPROVAL) {
        return AuthorizeRefusal::AdminApprovalRequired;
    }
    if is(PERSONAL) {
        return AuthorizeRefusal::PersonalAccount;
    }
    if is(NOT_IN_TENANT) {
        return AuthorizeRefusal::AccountNotInTenant;
    }
    if is(POLICY) {
        return AuthorizeRefusal::PolicyBlocked;
    }
    match error {
        "consent_required" => AuthorizeRefusal::ConsentRequired,
        _ if suberror == Some("consent_required") || is(CONSENT) => {
            AuthorizeRefusal::ConsentRequired
        }
        "access_denied" => AuthorizeRefusal::Cancelled,
        "interaction_required" | "login_required" | "account_selection_required" => {
            AuthorizeRefusal::InteractionRequired
        }
        "server_error" | "temporarily_unavailable" => AuthorizeRefusal::TemporarilyUnavailable,
        "invalid_request"
        | "unauthorized_client"
        | "unsupported_response_type"
        | "invalid_scope"
        | "invalid_resource"
        | "invalid_client" => AuthorizeRefusal::ApplicationMisconfigured,
        _ => AuthorizeRefusal::Other,
    }
}

/// Returns the number of `AADSTS65004: …`.
pub(crate) fn aadsts(description: &str) -> Option<u32> {
    let digits = description.trim_start().strip_prefix("AADSTS")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_are_classified_by_error_and_number() {
        use AuthorizeRefusal as R;
        let table = [
            (
                "access_denied",
                None,
                Some("AADSTS65004: User declined to consent to access the app."),
                R::Cancelled,
            ),
            ("access_denied", None, None, R::Cancelled),
            (
                "access_denied",
                None,
                Some("AADSTS90094: The grant requires admin permission."),
                R::AdminApprovalRequired,
            ),
            (
                "consent_required",
                None,
                Some("AADSTS65001: The user or administrator has not consented"),
                R::ConsentRequired,
            ),
            ("invalid_grant", Some("consent_required"), None, R::ConsentRequired),
            (
                "interaction_required",
                None,
                Some("AADSTS50076: multi-factor authentication"),
                R::InteractionRequired,
            ),
            ("login_required", None, None, R::InteractionRequired),
            (
                "interaction_required",
                None,
                Some("AADSTS53003: Access has been blocked"),
                R::PolicyBlocked,
            ),
            (
                "invalid_request",
                None,
                Some("AADSTS500200: User account is a personal Microsoft account."),
                R::PersonalAccount,
            ),
            (
                "access_denied",
                None,
                Some("AADSTS50020: User account does not exist in tenant"),
                R::AccountNotInTenant,
            ),
            ("server_error", None, None, R::TemporarilyUnavailable),
            ("temporarily_unavailable", None, None, R::TemporarilyUnavailable),
            (
                "unauthorized_client",
                None,
                Some("AADSTS700016: Application not found"),
                R::ApplicationMisconfigured,
            ),
            (
                "invalid_scope",
                None,
                Some("AADSTS70011: The provided value is not valid"),
                R::ApplicationMisconfigured,
            ),
            ("something_new", None, None, R::Other),
        ];
        for (error, suberror, description, expected) in table {
            assert_eq!(classify(error, suberror, description), expected, "{error} {description:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_classified(error in ".{0,40}", suberror in proptest::option::of(".{0,40}"), description in proptest::option::of(".{0,80}")) {
            classify(&error, suberror.as_deref(), description.as_deref());
        }
    }
}
