//! Integrations on the wire.

use edge::wire::rfc3339;
use entra::identifiers::TenantId;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use vault::ids::IntegrationId;
use vault::integrations::{
    CredentialKind, Integration, RefusedTenant, RefusedTenants, Settings, Status, TenantRefusal,
};

/// `PUT /integrations/{integration}`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PutIntegration {
    /// Everything that the operator sets.
    #[serde(flatten)]
    pub settings: Settings,
    /// The client credential. It is stored in Secrets Manager and never returned. May be left out when
    /// an integration is replaced and keeps its credential.
    pub client_credential: Option<ClientCredential>,
}

/// How the app proves itself to Entra.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientCredential {
    /// A client secret.
    ClientSecret {
        /// Its value (not its id).
        #[schemars(with = "String")]
        client_secret: SecretString,
        /// When Entra stops accepting it.
        #[schemars(with = "Option<String>")]
        expires_at: Option<Timestamp>,
    },
    /// A certificate whose key signs assertions.
    Certificate {
        /// The X.509 certificate that is registered in Entra, PEM.
        certificate_pem: String,
        /// Its private key, PEM.
        #[schemars(with = "String")]
        private_key_pem: SecretString,
    },
    /// A federated identity credential: a token of AWS in place of a secret. The deployment must have a role for it.
    Federated {},
}

/// An integration.
#[derive(Serialize, JsonSchema)]
#[schemars(transform = with_every_field)]
pub struct IntegrationView {
    id: IntegrationId,
    client_credential: CredentialView,
    #[serde(flatten)]
    settings: Settings,
    /// To be registered in Entra, platform Web, exactly so.
    redirect_uri: String,
    /// For an administrator of a tenant whose users may not consent themselves: consents for all of them.
    admin_consent_url: String,
    #[schemars(with = "String")]
    status: Status,
    /// The Entra tenants that refuse the app, or that Entra does not find. Their connections wait, and no others.
    refused_tenants: Vec<RefusedTenantView>,
    /// Whether that list has no room for more. The connections of further tenants that refuse the app wait, too, each by
    /// itself.
    refused_tenants_full: bool,
    created_at: String,
    updated_at: String,
}

/// An Entra tenant that refuses the app.
#[derive(Serialize, JsonSchema)]
pub struct RefusedTenantView {
    #[schemars(with = "String")]
    tenant_id: TenantId,
    /// `refused`, or `not_found`.
    #[schemars(with = "String")]
    kind: TenantRefusal,
    /// Entra's error, such as `invalid_client (AADSTS7000229)`.
    reason: String,
    since: String,
    /// When a connection of the tenant is tried again.
    next_attempt_at: String,
}

impl From<&RefusedTenant> for RefusedTenantView {
    fn from(refused: &RefusedTenant) -> Self {
        Self {
            tenant_id: refused.tenant.clone(),
            kind: refused.kind,
            reason: refused.reason.clone(),
            since: rfc3339(refused.since),
            next_attempt_at: rfc3339(refused.next_probe_at()),
        }
    }
}

/// A client credential without its secret.
#[derive(Serialize, JsonSchema)]
pub struct CredentialView {
    #[schemars(with = "String")]
    kind: CredentialKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Answers have every field that has a value, also where a request may leave it out.
fn with_every_field(schema: &mut Schema) {
    let Some(Value::Object(fields)) = schema.get_mut("properties") else { return };
    let mut required = Vec::new();
    for (name, field) in fields {
        if let Value::Object(field) = field {
            field.remove("default");
        }
        if !field["type"].is_array() {
            required.push(name.clone());
        }
    }
    schema.insert("required".to_owned(), required.into());
}

impl IntegrationView {
    /// The integration as it is shown, with the redirect URI of this deployment.
    pub fn new(
        integration: &Integration,
        refused: &RefusedTenants,
        redirect_uri: &Url,
        admin_consent_url: String,
    ) -> Self {
        Self {
            id: integration.id.clone(),
            client_credential: CredentialView {
                kind: integration.credential.kind,
                expires_at: integration.credential.expires_at.map(rfc3339),
            },
            settings: integration.settings.clone(),
            redirect_uri: redirect_uri.to_string(),
            admin_consent_url,
            status: integration.status,
            refused_tenants: refused.iter().map(RefusedTenantView::from).collect(),
            refused_tenants_full: refused.is_full(),
            created_at: rfc3339(integration.created_at),
            updated_at: rfc3339(integration.updated_at),
        }
    }
}
