//! Tokens for the app itself.

use serde_json::{Value, json};

use super::{Exchange, number};
use crate::entra::apps::AppRegistration;
use crate::entra::errors::OAuthError;
use crate::entra::issue::{self, Subject};
use crate::entra::{Authority, Directory};

impl Exchange<'_> {
    /// `grant_type=client_credentials`
    pub(super) fn client_credentials(
        &self,
        directory: &mut Directory,
        app: &AppRegistration,
    ) -> Result<Value, OAuthError> {
        let Authority::Tenant(tenant) = self.authority else {
            return Err(OAuthError::new(
                "invalid_request",
                50059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            ));
        };
        self.required("scope")?;
        let scopes = self.asked_scopes(app)?;
        let granted = scopes.first();
        if scopes.resources.len() != 1 || !granted.is_default() {
            return Err(OAuthError::new(
                "invalid_scope",
                1_002_012,
                "Client credential flows must have a scope value with /.default suffixed to the resource identifier.",
            ));
        }
        if !directory.grants.present.contains(&(app.client_id, tenant)) {
            return Err(OAuthError::new(
                "unauthorized_client",
                700_016,
                format!(
                    "Application with identifier '{}' was not found in the directory '{tenant}'.",
                    app.client_id
                ),
            ));
        }
        directory.check_app_in(app.client_id, tenant)?;
        let subject = Subject {
            client_id: app.client_id,
            account: None,
            tenant,
            capable: false,
            claims: None,
        };
        let lifetime = directory.settings.token_lifetime;
        let token =
            issue::access_token(directory, &subject, &granted, Vec::new(), lifetime, self.now);
        let number = |seconds: u64| number(directory, seconds);
        Ok(json!({
            "token_type": "Bearer",
            "expires_in": number(lifetime),
            "ext_expires_in": number(lifetime),
            "access_token": token,
        }))
    }
}
