//! The fields of an integration: its settings, which parse themselves, and its client credential.

use ground::fields::{Fault, Fields, Object};
use secrecy::ExposeSecret as _;
use vault::client_credentials::NewCredential;
use vault::integrations::{CredentialDescription, CredentialKind, Settings};

use crate::api::wire::ClientCredential;

/// An integration as it is to be stored.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    /// `None` where the stored one stays.
    pub(crate) credential: Option<(NewCredential, CredentialDescription)>,
}

impl Checked {
    /// Reads the settings and looks at the credential that is given with them.
    ///
    /// `can_federate`: whether the deployment has a role that Entra can trust.
    pub(crate) fn read(
        fields: &mut Fields<Object<'_>>,
        given: Option<&ClientCredential>,
        can_federate: bool,
    ) -> Option<Self> {
        let credential = given.map(|given| credential(given, can_federate)).transpose();
        let credential = fields.noted("", credential);
        let settings = Settings::read(fields);
        Some(Self { settings: settings?, credential: credential? })
    }
}

/// A credential as it is stored, and its description.
///
/// `can_federate`: whether the deployment has a role that Entra can trust.
///
/// # Errors
/// The fault of the field `client_credential`, or of one below it.
pub(crate) fn credential(
    given: &ClientCredential,
    can_federate: bool,
) -> Result<(NewCredential, CredentialDescription), Fault> {
    let (credential, kind, mut expires_at) = match given {
        ClientCredential::ClientSecret { client_secret, expires_at } => (
            NewCredential::ClientSecret(client_secret.clone()),
            CredentialKind::ClientSecret,
            *expires_at,
        ),
        ClientCredential::Certificate { certificate_pem, private_key_pem } => (
            NewCredential::Certificate {
                certificate_pem: certificate_pem.clone(),
                private_key_pem: private_key_pem.clone(),
            },
            CredentialKind::Certificate,
            None,
        ),
        ClientCredential::Federated {} if can_federate => {
            (NewCredential::Federated, CredentialKind::Federated, None)
        }
        ClientCredential::Federated {} => {
            return Err(Fault::new(
                "client_credential.kind",
                "this deployment has no role for a federated credential; deploy it with FederatedCredential=true",
            ));
        }
    };
    if let NewCredential::ClientSecret(secret) = &credential
        && !is_pasted_whole(secret.expose_secret())
    {
        return Err(Fault::new(
            "client_credential.client_secret",
            "the secret's Value as the Azure portal shows it once, without blanks around it",
        ));
    }
    let parsed = credential.parse().map_err(|e| Fault::new("client_credential", e))?;
    if let Some(entra::credential::ClientCredential::Certificate(certificate)) = &parsed {
        expires_at = Some(certificate.not_after());
    }
    Ok((credential, CredentialDescription { kind, expires_at }))
}

/// Neither nothing, nor with the blanks that come along when something is copied.
fn is_pasted_whole(secret: &str) -> bool {
    !secret.is_empty() && !secret.contains(|c: char| c.is_whitespace() || c.is_control())
}
