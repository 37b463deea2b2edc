//! Times, states and reasons in words.

use jiff::{SignedDuration, Timestamp};
use vault::client_credentials::EXPIRES_SOON;
use vault::connections::{self, Connection, Happening, RefreshFailure};
use vault::integrations::{self, CredentialKind, Integration, TenantRefusal};

/// A state with its look: `good`, `warn`, `bad`, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) look: &'static str,
    pub(super) text: &'static str,
}

pub(super) const fn connection_state(connection: &Connection) -> Tag {
    match connection.status {
        connections::Status::Active if connection.paused_at.is_some() => {
            Tag { look: "warn", text: "Paused" }
        }
        connections::Status::Active => Tag { look: "good", text: "Active" },
        connections::Status::Pending => Tag { look: "warn", text: "Waiting for confirmation" },
        connections::Status::Unknown => Tag { look: "warn", text: "Of a newer release" },
        connections::Status::ReauthorizationRequired => {
            Tag { look: "bad", text: "User must sign in again" }
        }
    }
}

pub(super) const fn integration_status(status: integrations::Status) -> Tag {
    match status {
        integrations::Status::Ready => Tag { look: "good", text: "Ready" },
        integrations::Status::Paused => Tag { look: "warn", text: "Paused" },
        integrations::Status::CredentialRejected => {
            Tag { look: "bad", text: "Entra rejects its credential" }
        }
    }
}

pub(super) const fn credential_kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ClientSecret => "Client secret",
        CredentialKind::Certificate => "Certificate",
        CredentialKind::Federated => "Federated credential",
        CredentialKind::Unknown => "Credential of a newer release",
    }
}

/// A time as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// RFC 3339, for machines.
    pub(super) machine: String,
    /// In UTC, to the minute.
    pub(super) text: String,
    /// How far away it is, such as `in 3 days`.
    pub(super) distance: String,
}

impl When {
    pub(super) fn new(time: Timestamp, now: Timestamp) -> Self {
        Self {
            machine: edge::wire::rfc3339(time),
            text: time.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            distance: distance(time.duration_since(now)),
        }
    }

    pub(super) fn of(time: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        time.map(|time| Self::new(time, now))
    }
}

/// Writes a duration in its largest unit.
fn distance(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (number, unit) = match seconds {
        0..60 => {
            return if duration.is_negative() { "just now" } else { "in less than a minute" }
                .to_owned();
        }
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    if duration.is_negative() {
        format!("{number} {unit}{plural} ago")
    } else {
        format!("in {number} {unit}{plural}")
    }
}

/// Describes a kind of failed renewals.
pub(super) const fn failure(failure: RefreshFailure) -> &'static str {
    match failure {
        RefreshFailure::Unavailable => {
            "Entra did not answer or is unavailable. Another attempt follows."
        }
        RefreshFailure::Throttled => "Entra throttles the app; it is asked again later.",
        RefreshFailure::Refused => {
            "Entra refused to renew the token; it is asked again before the user is."
        }
        RefreshFailure::TenantRefused => {
            "The user's tenant refuses the app, or Entra does not find it. All its connections wait."
        }
        RefreshFailure::Misconfigured => {
            "Entra refuses the request for an unknown reason. Verify the integration."
        }
    }
}

/// Describes how a tenant refuses the app, and what its administrator does.
pub(super) const fn tenant_refusal(kind: TenantRefusal) -> &'static str {
    match kind {
        TenantRefusal::NotFound => {
            "Entra does not find it. After a day its users have to sign in again."
        }
        TenantRefusal::Refused => {
            "It refuses the app. Its administrator opens the admin consent link, and enables the app if it is disabled there."
        }
    }
}

/// Describes a change of a connection.
pub(super) fn happening(what: &Happening) -> String {
    match what {
        Happening::SignedIn => "The user signed in; waiting for the confirmation.".to_owned(),
        Happening::Connected => "Connected.".to_owned(),
        Happening::SignInErased => {
            "A sign-in was erased: nobody confirmed it in time, or it was confirmed for another user."
                .to_owned()
        }
        Happening::RenewedOnRequest => "Renewed because somebody asked for it.".to_owned(),
        Happening::RenewedAfterRejection => {
            "Renewed because Azure DevOps rejected the access token.".to_owned()
        }
        Happening::RenewalFailed { failure: kind } => {
            format!("A renewal failed. {}", failure(*kind))
        }
        Happening::RenewedAfterFailures => "Renewed after failures.".to_owned(),
        Happening::ReauthorizationRequired { reason: code } => {
            format!("The user must sign in again. {}", reason(code))
        }
        Happening::Paused => "Paused by an operator.".to_owned(),
        Happening::Resumed => "Resumed by an operator.".to_owned(),
        Happening::Unknown => "A change that only a newer release can describe.".to_owned(),
    }
}

/// Describes the last failure of a connection, or returns `None` if its last renewal succeeded.
pub(super) fn last_error(connection: &Connection) -> Option<String> {
    if connection.status == connections::Status::ReauthorizationRequired {
        return Some(reason(connection.reason.as_deref().unwrap_or_default()));
    }
    connection.failure.map(|kind| failure(kind).to_owned())
}

/// Describes Entra's reason, such as `invalid_grant (AADSTS700082)`, and repeats it, because administrators look it up.
fn reason(reason: &str) -> String {
    let number = reason.split("AADSTS").nth(1).map(|rest| rest.trim_end_matches(')'));
    let words = match number {
        Some("700082") => "The refresh token was not used for too long.",
        Some("50173") => "The user's password was changed, or their sessions were revoked.",
        Some("70043" | "70044") => {
            "The tenant's policy asks the user to sign in again from time to time."
        }
        Some("50076" | "50079") => "The tenant asks for multi-factor authentication.",
        Some("53000" | "53001" | "53003") => "A conditional access policy of the tenant blocks it.",
        Some("50057") => "The user's account is disabled.",
        Some("65001") => "The consent to the app was revoked.",
        Some("50034") => "The user's account is gone.",
        Some("50078" | "50132" | "50133") => "The user's session is over.",
        _ if reason.starts_with("interaction_required") => "Entra asks the user to sign in.",
        _ => "Entra does not renew the user's token any more.",
    };
    if reason.is_empty() { words.to_owned() } else { format!("{words} ({reason})") }
}

/// Returns when an integration's credential expires, and a tag for that.
pub(super) fn credential_end(integration: &Integration, now: Timestamp) -> (Tag, Option<When>) {
    let Some(end) = integration.credential.expires_at else {
        let text = match integration.credential.kind {
            CredentialKind::Federated => "does not expire",
            _ => "expiry not known",
        };
        return (Tag { look: "", text }, None);
    };
    let left = end.duration_since(now);
    let tag = if left <= SignedDuration::ZERO {
        Tag { look: "bad", text: "expired" }
    } else if left < EXPIRES_SOON {
        Tag { look: "warn", text: "expires soon" }
    } else {
        Tag { look: "good", text: "valid" }
    };
    (tag, Some(When::new(end, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_written_in_its_largest_unit() {
        for (seconds, text) in [
            (0, "in less than a minute"),
            (-5, "just now"),
            (60, "in 1 minute"),
            (-3_599, "59 minutes ago"),
            (86_400, "in 24 hours"),
            (172_800, "in 2 days"),
            (-86_400 * 40, "40 days ago"),
        ] {
            assert_eq!(distance(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_reason_is_described_and_repeated() {
        assert_eq!(
            reason("invalid_grant (AADSTS50173)"),
            "The user's password was changed, or their sessions were revoked. (invalid_grant (AADSTS50173))"
        );
        assert!(reason("something_new").contains("something_new"));
        assert_eq!(reason(""), "Entra does not renew the user's token any more.");
    }
}
