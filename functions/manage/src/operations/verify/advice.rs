//! Advice for the operator about a refusal of an app's credential. Entra's number chooses it if that number names the
//! cause, otherwise the kind of the credential
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

use vault::integrations::CredentialKind;

/// Returns the advice for a credential that Entra rejects.
pub(super) fn on_credential(kind: CredentialKind, numbers: &[u32], audience: &str) -> String {
    match numbers.iter().find_map(|number| by_number(*number)) {
        Some(advice) => advice.to_owned(),
        None => by_kind(kind, audience),
    }
}

/// Returns the advice for a refusal whose number is not known to be about the credential.
pub(super) fn on_unknown(numbers: &[u32]) -> String {
    match numbers.iter().find_map(|number| by_number(*number)) {
        Some(advice) => advice.to_owned(),
        None => "Look the number up at https://login.microsoftonline.com/error, and compare client_id and the credential with the app registration. The integration is not marked, because Entra may mean something else.".to_owned(),
    }
}

const fn by_number(number: u32) -> Option<&'static str> {
    Some(match number {
        // Client assertion is not within its valid time range.
        700_024 => {
            "Synchronize this machine's clock, and look at the finding `clock`: Entra finds that the assertion is not valid at this time. The credential itself may be right."
        }
        // The certificate is not within its validity, or was revoked.
        1_000_502 | 7_000_214 => {
            "Create a new certificate, upload it under Certificates & secrets, and put it with its key into the integration: Entra does not take this one any more."
        }
        // Client is public, so neither a secret nor an assertion should be presented.
        700_025 => {
            "Under Authentication, register the redirect URI for the platform Web and not for another one: Entra takes the app for a public client, which has no credential."
        }
        // The assertion's application is not `client_id`.
        700_021 => {
            "Compare client_id with the Application (client) ID of the app that has this credential: Entra finds that the assertion is another app's."
        }
        // The assertion's audience is not the tenant that was asked.
        700_023 => {
            "Compare the integration's tenant with the Tenant ID in the Entra portal, and the deployment's cloud with the tenant's: Entra finds that the assertion is for another address."
        }
        _ => return None,
    })
}

fn by_kind(kind: CredentialKind, audience: &str) -> String {
    match kind {
        CredentialKind::ClientSecret => {
            "Create a new client secret under Certificates & secrets and put its Value (not its Secret ID) into the integration.".to_owned()
        }
        CredentialKind::Certificate => {
            "Upload the certificate under Certificates & secrets of this app, or put the one that is there into the integration.".to_owned()
        }
        CredentialKind::Federated => format!(
            "Under Certificates & secrets, Federated credentials, compare the issuer with the AWS account's, the subject with the stack's output FederationSubject, and the audience with {audience}. A new one works after some minutes."
        ),
        CredentialKind::Unknown => {
            "Wait until the deployment is complete: a newer release stored this credential.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_at_the_wrong_time_is_the_clock_s_fault_and_not_the_certificate_s() {
        for kind in [CredentialKind::Certificate, CredentialKind::Federated] {
            assert!(on_credential(kind, &[700_024], "audience").contains("clock"), "{kind:?}");
        }
        assert!(on_credential(CredentialKind::Certificate, &[700_027], "").starts_with("Upload"));
        assert!(
            on_credential(CredentialKind::Certificate, &[1_000_502], "")
                .contains("new certificate")
        );
        assert!(on_credential(CredentialKind::ClientSecret, &[7_000_215], "").contains("Value"));
    }

    #[test]
    fn an_unknown_number_leads_to_microsoft_s_page_about_it() {
        assert!(on_unknown(&[7_654_321]).contains("not marked"));
        assert!(on_unknown(&[700_023]).contains("cloud"));
        assert!(on_unknown(&[700_021]).contains("client_id"));
    }
}
