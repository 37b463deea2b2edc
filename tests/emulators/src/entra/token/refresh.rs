//! The refresh grant.

use jiff::SignedDuration;
use serde_json::Value;

use super::{Exchange, account};
use crate::entra::Directory;
use crate::entra::apps::AppRegistration;
use crate::entra::authorize::sign_in_tenant;
use crate::entra::errors::{OAuthError, text};
use crate::entra::grants::{RefreshToken, declares_capability};
use crate::entra::issue::{self, Subject};

/// Window of the loop detection.
const LOOP_SECONDS: i64 = 300;

impl Exchange<'_> {
    /// `grant_type=refresh_token`: a new refresh token each time, the old one stays valid.
    pub(super) fn refresh(
        &self,
        directory: &mut Directory,
        app: &AppRegistration,
    ) -> Result<Value, OAuthError> {
        let value = self.required("refresh_token")?;
        let token = directory.grants.refresh_tokens.get(value).cloned().ok_or_else(|| {
            OAuthError::new("invalid_grant", 70000, text(70000)).suberror("bad_token")
        })?;
        if token.client_id != app.client_id {
            return Err(OAuthError::new(
                "invalid_grant",
                70000,
                "The refresh token was issued to another client.",
            )
            .suberror("client_mismatch"));
        }
        self.check_loop(directory, &token)?;
        self.check_alive(directory, &token)?;
        let account = account(directory, &token.account)?;
        if let Some(claims) = directory.restrictions(&account.key).interaction {
            return Err(OAuthError::new("interaction_required", 50076, text(50076))
                .suberror("basic_action")
                .claims(&claims));
        }
        // `organizations` means the home tenant, also for a token that a guest got elsewhere.
        let tenant = sign_in_tenant(directory, &account, self.authority).map_err(|mut error| {
            error.error = "invalid_grant".into();
            error
        })?;
        directory.check_app_in(app.client_id, tenant)?;
        let granted = self.granted(directory, app, &account, &token.scopes)?;
        if let Some(token) = directory.grants.refresh_tokens.get_mut(value) {
            token.last_used_at = self.now;
        }
        let subject = Subject {
            client_id: app.client_id,
            account: Some(&account),
            tenant,
            capable: token.capable || declares_capability(self.form.get("claims")),
            claims: self.form.get("claims"),
        };
        // The grant keeps all its scopes: a request for fewer does not narrow the refresh token.
        let mut body = self.user_tokens(directory, app, &subject, (&token.scopes, None), &granted);
        if self.form.get("client_info") == Some("1") {
            body["client_info"] = issue::client_info(&account).into();
        }
        Ok(body)
    }

    /// Refuses a token that was idle for too long or killed.
    fn check_alive(&self, directory: &Directory, token: &RefreshToken) -> Result<(), OAuthError> {
        let lifetime = i64::try_from(directory.settings.refresh_token_lifetime).unwrap_or(i64::MAX);
        if self.now.as_second() - token.last_used_at.as_second() >= lifetime {
            return Err(
                OAuthError::new("invalid_grant", 700_082, text(700_082)).suberror("token_expired")
            );
        }
        if let Some(code) = token.dead {
            let suberror =
                if matches!(code, 70043 | 70008 | 700_082) { "token_expired" } else { "bad_token" };
            return Err(OAuthError::new("invalid_grant", code, text(code)).suberror(suberror));
        }
        Ok(())
    }

    /// Refuses too many equal requests in a short time as a loop.
    fn check_loop(
        &self,
        directory: &mut Directory,
        token: &RefreshToken,
    ) -> Result<(), OAuthError> {
        let Some(limit) = directory.settings.loop_detection else {
            return Ok(());
        };
        let scope = self.form.get("scope").unwrap_or_default();
        let key = format!("{} {} {scope}", token.client_id, token.account);
        let window = directory.grants.loops.entry(key).or_insert((self.now, 0));
        if self.now.duration_since(window.0) > SignedDuration::from_secs(LOOP_SECONDS) {
            *window = (self.now, 0);
        }
        window.1 += 1;
        if window.1 > limit {
            return Err(OAuthError::new("invalid_grant", 50196, text(50196)));
        }
        Ok(())
    }
}
