//! Redeeming an authorization code.

use serde_json::Value;

use super::{Exchange, account};
use crate::entra::apps::AppRegistration;
use crate::entra::errors::OAuthError;
use crate::entra::grants::{AuthorizationCode, declares_capability};
use crate::entra::issue::{self, Subject};
use crate::entra::{Authority, Directory};

impl Exchange<'_> {
    /// `grant_type=authorization_code`
    pub(super) fn redeem_code(
        &self,
        directory: &mut Directory,
        app: &AppRegistration,
    ) -> Result<Value, OAuthError> {
        let value = self.required("code")?;
        let redirect_uri = self.required("redirect_uri")?;
        let code = directory
            .grants
            .codes
            .get(value)
            .filter(|code| code.client_id == app.client_id)
            .cloned()
            .ok_or_else(|| {
                OAuthError::new(
                    "invalid_grant",
                    70000,
                    "The provided authorization code is invalid.",
                )
            })?;
        self.check_code(&code, redirect_uri)?;
        self.check_verifier(&code)?;
        directory.check_app_in(app.client_id, code.tenant)?;
        let account = account(directory, &code.account)?;
        let granted = self.granted(directory, app, &account, &code.scopes)?;
        if let Some(code) = directory.grants.codes.get_mut(value) {
            code.redeemed = true;
        }
        let capable = declares_capability(code.claims.as_deref())
            || declares_capability(self.form.get("claims"));
        let claims = self.form.get("claims").or(code.claims.as_deref());
        let subject = Subject {
            client_id: app.client_id,
            account: Some(&account),
            tenant: code.tenant,
            capable,
            claims,
        };
        let mut body = self.user_tokens(
            directory,
            app,
            &subject,
            (&code.scopes, code.nonce.as_deref()),
            &granted,
        );
        if code.client_info || self.form.get("client_info") == Some("1") {
            body["client_info"] = issue::client_info(&account).into();
        }
        Ok(body)
    }

    /// Checks that the code may be redeemed now, in this tenant, and for this redirect URI.
    fn check_code(&self, code: &AuthorizationCode, redirect_uri: &str) -> Result<(), OAuthError> {
        let refused = |number: u32, text: &str| Err(OAuthError::new("invalid_grant", number, text));
        if code.redeemed {
            return refused(
                54005,
                "OAuth2 Authorization code was already redeemed, please retry with a new valid code.",
            );
        }
        if code.expires_at <= self.now {
            return refused(70008, "The provided authorization code has expired.");
        }
        if matches!(self.authority, Authority::Tenant(id) if id != code.tenant) {
            return refused(
                700_005,
                "The authorization code is intended to be used against another tenant.",
            );
        }
        if code.redirect_uri != redirect_uri {
            return refused(
                50011,
                "The redirect URI in the request does not match the one the code was issued for.",
            );
        }
        Ok(())
    }

    /// PKCE (RFC 7636 §4.6).
    fn check_verifier(&self, code: &AuthorizationCode) -> Result<(), OAuthError> {
        let Some(challenge) = &code.challenge else {
            return Ok(());
        };
        let (number, text) = match self.form.get("code_verifier") {
            Some(verifier) if challenge.answered_by(verifier) => return Ok(()),
            Some(_) => (
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ),
            None => (
                50148,
                "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.",
            ),
        };
        Err(OAuthError::new("invalid_grant", number, text))
    }
}
