//! The matrix of Entra's refusals: each `error` with each AADSTS number on each leg has one outcome, computed by the
//! code that decides, and the documents show it.

use std::collections::BTreeMap;

use calls::refusal::of_refresh;
use edge::problem::Code;
use end_to_end::documents::{Document, table};
use entra::error_class::{ErrorBody, ErrorClass, Leg, Party, classify, known_codes};
use jiff::SignedDuration;
use vault::refresh::Consequence;

/// The values of `error` that Entra is known to send, and one that it is not.
const ERRORS: [&str; 16] = [
    "invalid_grant",
    "invalid_client",
    "invalid_request",
    "unauthorized_client",
    "invalid_resource",
    "invalid_scope",
    "invalid_tenant",
    "unsupported_grant_type",
    "interaction_required",
    "login_required",
    "consent_required",
    "access_denied",
    "bad_token",
    "server_error",
    "temporarily_unavailable",
    "any other",
];
const OUTAGES: [&str; 2] = ["server_error", "temporarily_unavailable"];
const LEGS: [(Leg, &str); 4] = [
    (Leg::Refresh, "renewal"),
    (Leg::Code, "code"),
    (Leg::Authorize, "authorization response"),
    (Leg::ClientCredentials, "`verify`"),
];

fn class(leg: Leg, error: &str, number: Option<u32>) -> ErrorClass {
    let body = ErrorBody {
        error: error.to_owned(),
        error_codes: number.into_iter().collect(),
        ..ErrorBody::default()
    };
    classify(leg, Some(400), Some(&body), None)
}

/// Who is touched, and the status and code for the caller.
fn outcome(leg: Leg, class: ErrorClass) -> String {
    let answered = |code: Code| format!("{} `{}`", code.status().as_u16(), code.as_str());
    match leg {
        Leg::Refresh => {
            let consequence = Consequence::of(class);
            let touched = match consequence {
                Consequence::Retried | Consequence::Throttled | Consequence::Waits => "nobody",
                Consequence::TenantWaits => "**tenant**",
                Consequence::IntegrationWaits => "**integration**",
                Consequence::NeedsUser => "connection",
                Consequence::ConfirmedOnce => "connection, the second time",
                Consequence::ConfirmedTwice => "connection, the third time",
            };
            let problem = of_refresh(consequence.error(SignedDuration::from_secs(1), ""));
            format!("{touched}: {}", answered(problem.code()))
        }
        Leg::Code | Leg::Authorize => {
            let touched = match class.party() {
                Party::Integration => "**integration**",
                _ => "this sign-in",
            };
            format!("{touched}: {}", answered(Code::of_sign_in(class)))
        }
        Leg::ClientCredentials => match class.party() {
            Party::Integration => "**integration**: finding".to_owned(),
            _ => "nobody: finding".to_owned(),
        },
    }
}

/// The outcome for a number: one, or the usual one and its exceptions by `error`.
fn cell(leg: Leg, number: u32) -> String {
    let outage = outcome(leg, ErrorClass::Transient);
    let mut errors = BTreeMap::<String, Vec<&str>>::new();
    for error in ERRORS {
        let outcome = outcome(leg, class(leg, error, Some(number)));
        // The document says of these that they are an outage.
        if OUTAGES.contains(&error) && outcome == outage {
            continue;
        }
        errors.entry(outcome).or_default().push(error);
    }
    let usual =
        errors.iter().max_by_key(|(_, errors)| errors.len()).map(|(outcome, _)| outcome.clone());
    let usual = usual.unwrap_or_default();
    let exceptions =
        errors.iter().filter(|(outcome, _)| **outcome != usual).map(|(outcome, errors)| {
            let errors: Vec<String> = errors.iter().map(|error| format!("`{error}`")).collect();
            format!("; {}: {outcome}", errors.join(", "))
        });
    usual.clone() + &exceptions.collect::<String>()
}

#[test]
fn each_refusal_of_entra_has_the_outcome_of_the_documentation() {
    let mut groups = BTreeMap::<[String; 4], Vec<u32>>::new();
    for number in known_codes() {
        groups.entry(LEGS.map(|(leg, _)| cell(leg, number))).or_default().push(number);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, numbers) in &mut groups {
        numbers.sort_unstable();
    }
    groups.sort_by(|a, b| a.1.cmp(&b.1));
    let rows = groups.into_iter().map(|([refresh, code, authorize, verify], numbers)| {
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        [numbers.join(", "), refresh, code, authorize, verify]
    });
    let names = LEGS.map(|(_, name)| name);
    let [refresh, code, authorize, verify] = names;
    let head = |first| [first, refresh, code, authorize, verify];
    let document = Document("docs/reference/entra-refusals.md");
    document.assert_part("numbers", &table(head("AADSTS"), rows));

    let rows = ERRORS.map(|error| {
        let [refresh, code, authorize, verify] =
            LEGS.map(|(leg, _)| outcome(leg, class(leg, error, None)));
        [format!("`{error}`"), refresh, code, authorize, verify]
    });
    document.assert_part("errors", &table(head("`error`"), rows));
}
