//! Whose fault a refusal of Entra is: one total function for every leg.
//!
//! | the fault of | waits |
//! | --- | --- |
//! | nobody: an outage, a throttle, an answer unknown to us | the one request |
//! | our own credential | the integration |
//! | one tenant's relation to the app | that tenant's connections |
//! | one connection, or one sign-in | itself |
//!
//! OAuth's `error` is too coarse for this: `invalid_client` and `invalid_request` come for each of them. So AADSTS
//! numbers decide about the credential and the tenant, whatever `error` says, and an unknown number blames nobody.
//! Numbers are no stable interface (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>);
//! where none is known, `error` and `suberror` decide.

use std::time::Duration;

use serde::Deserialize;

/// The request that Entra refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The browser came back from the authorization endpoint with an error. Anybody can write such an answer.
    Authorize,
    /// Redeeming an authorization code.
    Code,
    /// Renewing tokens.
    Refresh,
    /// A token for the app itself.
    ClientCredentials,
}

impl Leg {
    /// All of them, for tests and documents.
    pub const ALL: [Self; 4] =
        [Self::Authorize, Self::Code, Self::Refresh, Self::ClientCredentials];
}

/// The party whose fault a refusal is; it waits, and nobody else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Nobody.
    Nobody,
    /// The integration: its own credential is wrong.
    Integration,
    /// One tenant: it refuses the app, or does not exist.
    Tenant,
    /// One connection, or one sign-in.
    Connection,
}

/// The classes of refusals, by the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A passing failure: retry later.
    Transient,
    /// Too many requests: retry later, and less often.
    Throttled,
    /// The app's own credential is wrong. Only the operator can fix it.
    CredentialRejected,
    /// The tenant does not exist, or Entra does not find it.
    TenantNotFound,
    /// The app cannot be used in the tenant. Only an administrator of the tenant can fix it.
    TenantRefused,
    /// Only the user can help, by interaction or consent.
    ReauthorizationRequired,
    /// Conditional Access, a tenant restriction or a blocked account. An administrator decides.
    PolicyBlocked,
    /// The permissions are not granted.
    ConsentRequired,
    /// Only an administrator may grant the permissions.
    AdminApprovalRequired,
    /// The account is not in the tenant.
    AccountNotInTenant,
    /// The account is a personal Microsoft account.
    PersonalAccount,
    /// The user went back, or declined to consent.
    Cancelled,
    /// The code of a sign-in is not accepted.
    CodeRejected,
    /// The grant is dead, according to Entra. Confirm once before involving the user.
    DeadGrant,
    /// Entra refuses the grant without a reason. Confirm for longer.
    Suspect,
    /// Our request is wrong, or Entra gives a reason unknown to us. Nobody is blamed.
    BadRequest,
}

impl ErrorClass {
    /// Returns the party that waits.
    pub const fn party(self) -> Party {
        match self {
            Self::Transient | Self::Throttled | Self::BadRequest => Party::Nobody,
            Self::CredentialRejected => Party::Integration,
            Self::TenantNotFound | Self::TenantRefused => Party::Tenant,
            Self::ReauthorizationRequired
            | Self::PolicyBlocked
            | Self::ConsentRequired
            | Self::AdminApprovalRequired
            | Self::AccountNotInTenant
            | Self::PersonalAccount
            | Self::Cancelled
            | Self::CodeRejected
            | Self::DeadGrant
            | Self::Suspect => Party::Connection,
        }
    }
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

impl ErrorBody {
    /// The error in an authorization response (RFC 6749 section 4.1.2.1). Only the number of the description is kept.
    pub fn of_redirect(error: &str, suberror: Option<&str>, description: Option<&str>) -> Self {
        Self {
            error: error.to_owned(),
            suberror: suberror.map(str::to_owned),
            error_codes: description.map(aadsts).unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The meaning of an AADSTS number, on any leg. If an answer has several numbers, the meaning that is listed first here
/// decides: it is the mildest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Throttled,
    Transient,
    /// A code of a sign-in.
    Code,
    Interaction,
    Policy,
    Consent,
    Declined,
    AdminApproval,
    AccountNotInTenant,
    AccountDisabled,
    PersonalAccount,
    Password,
    DeadToken,
    TenantNotFound,
    Tenant,
    Credential,
    Request,
}

/// No federated credential matches the token.
pub(crate) const NO_FEDERATED_CREDENTIAL: &[u32] =
    &[70021, 700_211, 700_212, 700_213, 7_002_131, 7_002_137, 7_002_138];
/// AADSTS70002 alone, as `invalid_client`, is about the credential. Beside another number it only introduces that one, as
/// in `AADSTS70002: Error validating credentials. AADSTS54005: …`.
const CREDENTIALS_NOT_VALID: u32 = 70002;

/// All numbers that are known here.
const NUMBERS: &[(Meaning, &[u32])] = &[
    // 50196 is the loop detector: a throttle that Entra reports as `invalid_grant`.
    (Meaning::Throttled, &[50196, 90055, 50166]),
    (
        Meaning::Transient,
        &[
            50000, 50033, 50087, 90006, 90012, 90024, 90033, 90090, 90091, 40010, 70012, 80001,
            80002, 80005, 80014, 501_621, 90036, 50086, 90092,
        ],
    ),
    (
        Meaning::Code,
        &[54005, 50089, 700_005, 501_481, 50147, 50148, 501_491, 50011, 900_971, 28002, 28003],
    ),
    (
        Meaning::Interaction,
        &[
            50072, 50074, 50076, 50078, 50079, 50097, 50125, 50129, 50155, 50158, 50187, 53004,
            53010, 16000, 16001, 50058, 700_020,
        ],
    ),
    (
        Meaning::Policy,
        &[
            53003, 53000, 53001, 53002, 53011, 530_032, 530_034, 530_035, 50005, 50131, 500_021,
            500_022, 500_212, 500_213, 50053, 530_003, 530_004, 530_031, 530_033,
        ],
    ),
    (Meaning::Consent, &[65001, 90008]),
    (Meaning::Declined, &[65004]),
    (Meaning::AdminApproval, &[90094, 90095, 50105]),
    (Meaning::AccountNotInTenant, &[50034, 50020, 50014, 51004, 16003, 90072]),
    (Meaning::AccountDisabled, &[50057]),
    (Meaning::PersonalAccount, &[500_200, 500_202]),
    (Meaning::Password, &[50055, 50056, 50126, 50135, 50144]),
    (
        Meaning::DeadToken,
        &[
            70000, 70008, 700_082, 700_084, 70043, 70044, 50173, 50132, 50133, 50085, 50139,
            500_133, 50013,
        ],
    ),
    (Meaning::TenantNotFound, &[90002, 90019, 50059, 50128]),
    (
        Meaning::Tenant,
        &[
            700_016, 7_000_229, 70001, 700_011, 7_000_112, 1_000_031, 650_052, 650_056, 650_057,
            65005, 650_051, 50001, 500_011, 500_014, 50194, 90099, 90038, 90043, 900_439, 900_432,
            900_382,
        ],
    ),
    (
        Meaning::Credential,
        &[
            7_000_215,
            7_000_222,
            CREDENTIALS_NOT_VALID,
            700_027,
            700_030,
            50012,
            700_024,
            7_000_216,
            7_000_218,
            700_025,
            50048,
            700_229,
            1_000_502,
            5_002_730,
            7_000_214,
        ],
    ),
    (Meaning::Credential, NO_FEDERATED_CREDENTIAL),
    (
        Meaning::Request,
        &[
            70011, 700_022, 700_023, 90009, 9_002_313, 90004, 90013, 90014, 900_144, 90015, 90023,
            90056, 900_561, 901_002, 90100, 70003, 70005, 700_054, 70016, 70018, 70019, 50199,
        ],
    ),
];

/// Returns every AADSTS number with a meaning of its own.
pub fn known_codes() -> impl Iterator<Item = u32> {
    NUMBERS.iter().flat_map(|(_, numbers)| numbers.iter().copied())
}

impl Meaning {
    fn of(number: u32) -> Option<Self> {
        let known = NUMBERS.iter().find(|(_, numbers)| numbers.contains(&number));
        known.map(|(meaning, _)| *meaning)
    }

    /// The mildest meaning of an answer's numbers.
    fn of_answer(body: &ErrorBody) -> Option<Self> {
        let is_invalid_client = body.error == "invalid_client";
        let is_alone = is_invalid_client && body.error_codes.len() == 1;
        let counts = |number: &&u32| is_alone || **number != CREDENTIALS_NOT_VALID;
        let meanings = || body.error_codes.iter().filter(counts).filter_map(|n| Self::of(*n));
        let mildest = meanings().min()?;
        // No user has to sign in again because of our credential.
        let is_about_grant = mildest > Self::Code && mildest < Self::TenantNotFound;
        if is_invalid_client && is_about_grant && meanings().any(|one| one == Self::Credential) {
            return Some(Self::Credential);
        }
        Some(mildest)
    }
}

/// Classifies an answer without tokens. `status` is `None` if there was no answer at all.
pub fn classify(
    leg: Leg,
    status: Option<u16>,
    body: Option<&ErrorBody>,
    retry_after: Option<Duration>,
) -> ErrorClass {
    match (status, body) {
        (Some(429), _) => ErrorClass::Throttled,
        // No answer, a failure, or the page of a middlebox: Entra itself has decided nothing.
        (Some(500..) | None, _) | (Some(_), None) => ErrorClass::Transient,
        (Some(_), Some(body)) => classify_body(leg, body, retry_after),
    }
}

/// Classifies an error of an authorization response, which has neither a status nor headers.
pub fn classify_redirect(body: &ErrorBody) -> ErrorClass {
    classify_body(Leg::Authorize, body, None)
}

fn classify_body(leg: Leg, body: &ErrorBody, retry_after: Option<Duration>) -> ErrorClass {
    let meaning = Meaning::of_answer(body);
    match meaning {
        // The browser carries this answer, so it proves nothing about our credential.
        Some(Meaning::Credential) if leg == Leg::Authorize => ErrorClass::BadRequest,
        Some(Meaning::Credential) => ErrorClass::CredentialRejected,
        Some(Meaning::Throttled) => ErrorClass::Throttled,
        _ if retry_after.is_some() => ErrorClass::Throttled,
        Some(Meaning::Transient) => ErrorClass::Transient,
        _ if matches!(body.error.as_str(), "temporarily_unavailable" | "server_error") => {
            ErrorClass::Transient
        }
        Some(Meaning::TenantNotFound) => ErrorClass::TenantNotFound,
        Some(Meaning::Tenant) => ErrorClass::TenantRefused,
        Some(Meaning::Request) if body.error != "invalid_grant" => ErrorClass::BadRequest,
        None if body.error == "invalid_tenant" => ErrorClass::TenantNotFound,
        _ => match leg {
            Leg::Authorize | Leg::Code => classify_sign_in(leg, body, meaning),
            Leg::Refresh => classify_renewal(body, meaning),
            Leg::ClientCredentials => ErrorClass::BadRequest,
        },
    }
}

/// A refusal of one sign-in.
fn classify_sign_in(leg: Leg, body: &ErrorBody, meaning: Option<Meaning>) -> ErrorClass {
    match (meaning, leg) {
        (Some(Meaning::Policy | Meaning::AccountDisabled), _) => ErrorClass::PolicyBlocked,
        (Some(Meaning::AdminApproval), _) => ErrorClass::AdminApprovalRequired,
        (Some(Meaning::AccountNotInTenant), _) => ErrorClass::AccountNotInTenant,
        (Some(Meaning::PersonalAccount), _) => ErrorClass::PersonalAccount,
        (Some(Meaning::Consent), _) | (Some(Meaning::Declined), Leg::Code) => {
            ErrorClass::ConsentRequired
        }
        (Some(Meaning::Declined), _) => ErrorClass::Cancelled,
        (Some(Meaning::Interaction | Meaning::Password), _) => ErrorClass::ReauthorizationRequired,
        (Some(Meaning::Code | Meaning::DeadToken), Leg::Code) if !asks_the_user(body) => {
            ErrorClass::CodeRejected
        }
        _ => match body.error.as_str() {
            "consent_required" => ErrorClass::ConsentRequired,
            _ if body.suberror.as_deref() == Some("consent_required") => {
                ErrorClass::ConsentRequired
            }
            "access_denied" if leg == Leg::Authorize => ErrorClass::Cancelled,
            "access_denied" | "account_selection_required" => ErrorClass::ReauthorizationRequired,
            _ if asks_the_user(body) => ErrorClass::ReauthorizationRequired,
            "invalid_request"
            | "unauthorized_client"
            | "unsupported_response_type"
            | "invalid_scope"
            | "invalid_resource"
            | "invalid_client" => ErrorClass::BadRequest,
            "invalid_grant" | "bad_token" => ErrorClass::CodeRejected,
            _ if leg == Leg::Authorize => ErrorClass::CodeRejected,
            _ => ErrorClass::BadRequest,
        },
    }
}

/// A refusal to renew one connection's tokens.
fn classify_renewal(body: &ErrorBody, meaning: Option<Meaning>) -> ErrorClass {
    match (body.error.as_str(), meaning) {
        (_, Some(Meaning::Policy)) => ErrorClass::PolicyBlocked,
        ("access_denied", _) => ErrorClass::ReauthorizationRequired,
        _ if asks_the_user(body) => ErrorClass::ReauthorizationRequired,
        ("bad_token", _) => ErrorClass::DeadGrant,
        ("invalid_grant", _) if body.claims.is_some() => ErrorClass::ReauthorizationRequired,
        ("invalid_grant", _) => classify_grant(body.suberror.as_deref(), meaning),
        // Numbers of a code mean nothing here.
        (_, None | Some(Meaning::Code)) => ErrorClass::BadRequest,
        (_, Some(_)) => classify_grant(body.suberror.as_deref(), meaning),
    }
}

fn classify_grant(suberror: Option<&str>, meaning: Option<Meaning>) -> ErrorClass {
    match suberror {
        // The request does not match the grant, which may still be good.
        Some("client_mismatch" | "protection_policy_required") => return ErrorClass::Suspect,
        Some(
            "bad_token"
            | "token_expired"
            | "consent_required"
            | "basic_action"
            | "additional_action"
            | "message_only"
            | "user_password_expired",
        ) => return ErrorClass::DeadGrant,
        _ => {}
    }
    match meaning {
        Some(
            Meaning::DeadToken
            | Meaning::Interaction
            | Meaning::Consent
            | Meaning::Declined
            | Meaning::AdminApproval,
        ) => ErrorClass::DeadGrant,
        _ => ErrorClass::Suspect,
    }
}

fn asks_the_user(body: &ErrorBody) -> bool {
    matches!(body.error.as_str(), "interaction_required" | "login_required" | "consent_required")
}

/// Returns the numbers of `AADSTS70002: … AADSTS54005: …`, wherever they are in the text.
pub(crate) fn aadsts(description: &str) -> Vec<u32> {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    description.split("AADSTS").skip(1).filter_map(number).collect()
}

#[cfg(test)]
mod tests;
