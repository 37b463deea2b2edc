//! Verifies an integration without a user: one finding per check, each with the fix.

use std::sync::Arc;
use std::time::Duration;

use devops::client::{DevopsClient, OrganizationTenant};
use devops::organization::OrganizationName;
use edge::config::PublicUrl;
use edge::log::RequestLog;
use edge::wire::rfc3339;
use entra::cloud::Authority;
use entra::credential::ClientCredential;
use entra::error_class::{ErrorClass, Party};
use entra::identifiers::Tenant;
use entra::metadata::{Metadata, MetadataCache};
use entra::token::{ClientCredentialsRequest, TokenClient, TokenError};
use ground::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;
use vault::audit::{Audit, AuditEvent, What};
use vault::client_credentials::{ClientCredentials, CredentialUseError, EXPIRES_SOON};
use vault::events::Events;
use vault::integrations::{
    Confirmation, CredentialDescription, CredentialKind, Integration, Integrations, Organizations,
    RefusedTenant, Settings, TenantRefusal, TenantSetting, Users,
};

mod advice;
mod openings;

/// Difference to Entra's clock that is still fine.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// Organizations looked up in one verification.
const MOST_ORGANIZATIONS: usize = 10;
/// Refusing tenants with a finding of their own.
const MOST_TENANTS: usize = 20;

/// Asks Entra and Azure DevOps whether an integration can work.
pub(crate) struct Verifier {
    pub(crate) integrations: Integrations,
    pub(crate) credentials: ClientCredentials,
    pub(crate) metadata: MetadataCache,
    pub(crate) entra: TokenClient,
    pub(crate) devops: DevopsClient,
    pub(crate) http: reqwest::Client,
    pub(crate) authority: Authority,
    pub(crate) public_url: PublicUrl,
    pub(crate) events: Events,
    pub(crate) audit: Audit,
    /// Whether the deployment accepts tokens of users.
    pub(crate) names_users: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The findings of one verification.
#[derive(Serialize, JsonSchema)]
pub struct Verification {
    /// Whether no check failed.
    pub ok: bool,
    /// One finding per check.
    pub findings: Vec<Finding>,
}

/// One check.
#[derive(Serialize, JsonSchema)]
pub struct Finding {
    /// The stable name of the check.
    pub check: &'static str,
    /// `ok`, `warning` or `failed`.
    pub status: FindingStatus,
    /// The result.
    pub detail: String,
    /// The way to correct it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// As it should be.
    Ok,
    /// Works, but look at it.
    Warning,
    /// Connecting or calling will not work.
    Failed,
}

impl Verifier {
    /// Checks everything that can be checked without a user. Marks the integration if Entra refuses with a number that is
    /// known to be about the credential, and removes the mark if Entra accepts the credential. Other refusals leave it as
    /// it is: Entra refuses good credentials with `invalid_client`, too.
    pub(crate) async fn verify(&self, integration: &Integration, by: &RequestLog) -> Verification {
        let event = AuditEvent::of_integration(What::IntegrationVerified, &integration.id);
        self.audit.record(&by.actor(), &event).await;
        let (organizations, tenant) = self.check_organizations(integration).await;
        let mut findings = vec![
            check_redirect_uri(&self.public_url.redirect_uri()),
            check_expiry(&integration.credential, self.clock.now()),
            self.check_credential(integration, tenant).await,
        ];
        findings.extend(organizations);
        findings.extend(self.check_tenants(integration).await);
        findings.extend(openings::check(&integration.settings));
        findings.extend(check_settings(&integration.settings, self.names_users));
        findings.push(self.check_clock().await);
        let ok = findings.iter().all(|finding| finding.status != FindingStatus::Failed);
        Verification { ok, findings }
    }

    /// Checks whether each organization exists. Returns the first tenant found, too, for the credential's check.
    async fn check_organizations(
        &self,
        integration: &Integration,
    ) -> (Vec<Finding>, Option<Tenant>) {
        let Organizations::Named(names) = &integration.settings.organizations else {
            let detail =
                "any organization is served; each is looked up when a user connects".to_owned();
            return (vec![ok("organization", detail)], None);
        };
        let mut tenant = None;
        let mut findings = Vec::new();
        for name in names.iter().take(MOST_ORGANIZATIONS) {
            let (finding, found) = self.check_organization(name).await;
            findings.push(finding);
            tenant = tenant.or(found);
        }
        (findings, tenant)
    }

    async fn check_organization(&self, name: &OrganizationName) -> (Finding, Option<Tenant>) {
        let check = "organization";
        match self.devops.resource_tenant(name).await {
            Ok(OrganizationTenant::Entra(id)) => {
                let detail = format!("{name} is backed by the Entra tenant {id}");
                (ok(check, detail), Some(Tenant::Id(id.into())))
            }
            Ok(OrganizationTenant::PersonalMicrosoftAccounts) => (
                failed(
                    check,
                    format!("{name} is backed by personal Microsoft accounts"),
                    "Connect the organization to an Entra tenant in its settings; OAuth of Entra cannot reach it otherwise.",
                ),
                None,
            ),
            Ok(OrganizationTenant::Unknown) => (
                failed(
                    check,
                    format!("Azure DevOps does not know {name}, or does not name its tenant"),
                    "Compare the name with https://dev.azure.com/{organization}; if it is right, set the integration's tenant to the tenant's id.",
                ),
                None,
            ),
            Err(_) => (unanswered(check, format!("Azure DevOps did not answer for {name}")), None),
        }
    }

    async fn check_credential(&self, integration: &Integration, found: Option<Tenant>) -> Finding {
        let check = "client_credential";
        let tenant = match (&integration.settings.tenant, found) {
            (TenantSetting::Fixed(fixed @ Tenant::Id(_)), _) => fixed.clone(),
            (_, Some(found)) => found,
            _ => {
                return warning(
                    check,
                    "no tenant is known in which to try the credential".to_owned(),
                    "Name an organization or set the integration's tenant to a tenant's id, and verify again.",
                );
            }
        };
        let kind = integration.credential.kind;
        let metadata = match self.metadata.get(&tenant).await {
            Ok(metadata) => metadata,
            Err(error) => return self.credential_finding(check, kind, &error.into()),
        };
        // Only the newest: calls may still use the former one, but it is about to be removed.
        let credential = match self.credentials.newest(&integration.id).await {
            Ok(Some(credential)) => credential,
            Ok(None) => {
                return failed(
                    check,
                    "no credential is stored".to_owned(),
                    "Put the integration's client credential.",
                );
            }
            Err(error @ vault::Error::NotFederated { .. }) => {
                return failed(
                    check,
                    error.to_string(),
                    "Run `aws iam enable-outbound-web-identity-federation` once in the account, and verify again.",
                );
            }
            Err(error) => return unanswered(check, error.to_string()),
        };
        let scope = format!("{}/.default", devops::scopes::RESOURCE_ID);
        let client_id = &integration.settings.client_id;
        let credential = &credential;
        let request = ClientCredentialsRequest { client_id, credential, scope: &scope };
        match self.entra.client_credentials(&metadata, request).await {
            Ok(_) => {
                if let Err(error) = self.integrations.accept_credential(&integration.id).await {
                    tracing::warn!("the integration is still marked as rejected: {error}");
                }
                ok(check, "Entra accepts it".to_owned())
            }
            Err(error) => {
                self.mark_rejected(integration, &metadata, &scope, &error).await;
                self.credential_finding(check, kind, &error)
            }
        }
    }

    /// Marks the integration if Entra rejects each live credential here, and so for every connection.
    async fn mark_rejected(
        &self,
        integration: &Integration,
        metadata: &Metadata,
        scope: &str,
        error: &TokenError,
    ) {
        let now = self.clock.now();
        if !integration.is_rejected_by(error, now) {
            return;
        }
        let client_id = &integration.settings.client_id;
        let ask = |credential: Arc<ClientCredential>| async move {
            let credential = &*credential;
            let request = ClientCredentialsRequest { client_id, credential, scope };
            self.entra.client_credentials(metadata, request).await
        };
        let asked = self.credentials.with_live(&integration.id, ask).await;
        let Err(CredentialUseError::Entra(error)) = asked else { return };
        if error.class.party() != Party::Integration {
            return;
        }
        let (reason, events) = (error.error.as_deref(), &self.events);
        let marked = self.integrations.reject_credential(integration, reason, events, now).await;
        if let Err(error) = marked {
            tracing::warn!("the integration could not be marked: {error}");
        }
    }

    /// Reports the tenants that refuse the app. The others are not affected, so these are warnings.
    async fn check_tenants(&self, integration: &Integration) -> Vec<Finding> {
        let check = "tenant";
        let refused = match self.integrations.refused_tenants(integration).await {
            Ok(refused) => refused,
            Err(error) => return vec![unanswered(check, error.to_string())],
        };
        let mut findings: Vec<Finding> =
            refused.iter().take(MOST_TENANTS).map(tenant_finding).collect();
        let more = refused.iter().count().saturating_sub(MOST_TENANTS);
        if more > 0 {
            let detail = format!("{more} more tenants refuse the app");
            findings.push(warning(check, detail, "See the integration's refused_tenants."));
        }
        if refused.is_full() {
            findings.push(warning(
                check,
                "the list of tenants that refuse the app is full; the connections of further ones wait by themselves"
                    .to_owned(),
                "If so many tenants refuse the app, its registration may have changed: compare its supported account types and its permissions.",
            ));
        }
        findings
    }

    fn credential_finding(
        &self,
        check: &'static str,
        kind: CredentialKind,
        error: &TokenError,
    ) -> Finding {
        let reason = error.reason();
        let audience = self.credentials.federated_audience().unwrap_or_default();
        let fix = advice::on_credential(kind, &error.codes, audience);
        let is_unknown_federated =
            kind == CredentialKind::Federated && error.misses_federated_credential();
        match error.class {
            _ if is_unknown_federated => {
                failed(check, format!("Entra does not know it, or not yet ({reason})"), &fix)
            }
            ErrorClass::Transient | ErrorClass::Throttled => {
                unanswered(check, "Entra did not give a usable answer".to_owned())
            }
            ErrorClass::CredentialRejected => {
                failed(check, format!("Entra rejects it ({reason})"), &fix)
            }
            ErrorClass::BadRequest => failed(
                check,
                format!("Entra refuses the request for another or an unknown reason ({reason})"),
                &advice::on_unknown(&error.codes),
            ),
            ErrorClass::TenantNotFound => failed(
                check,
                format!("Entra does not find this tenant ({reason})"),
                "Compare the integration's tenant with the Tenant ID in the Entra portal, and its cloud with the deployment's.",
            ),
            _ => failed(
                check,
                format!("Entra does not know the app in this tenant ({reason})"),
                "Compare client_id with the Application (client) ID. If that is right, somebody in the tenant has to consent to the app once: connect the first user, or let an administrator consent.",
            ),
        }
    }

    async fn check_clock(&self) -> Finding {
        let check = "clock";
        let Some(entra_time) = self.entra_date().await else {
            return unanswered(check, "Entra's time could not be read".to_owned());
        };
        let difference = self.clock.now().duration_since(entra_time).abs();
        // The Date header has whole seconds, and the answer took time to arrive.
        if difference <= CLOCK_TOLERANCE {
            ok(check, "it agrees with Entra's clock".to_owned())
        } else {
            failed(
                check,
                format!("it differs from Entra's by {} s", difference.as_secs()),
                "Synchronize the machine's clock; otherwise the service misjudges when tokens expire.",
            )
        }
    }

    async fn entra_date(&self) -> Option<Timestamp> {
        let url = self.authority.metadata_url(&Tenant::Organizations);
        let timeout = Duration::from_secs(3);
        let answer = self.http.get(url).timeout(timeout).send().await.ok()?;
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
    }
}

fn tenant_finding(refused: &RefusedTenant) -> Finding {
    let RefusedTenant { tenant, reason, .. } = refused;
    match refused.kind {
        TenantRefusal::NotFound => warning(
            "tenant",
            format!("Entra does not find the tenant {tenant} ({reason})"),
            "It is looked for again for a day; then its users have to sign in again. Ask its administrator whether it still exists.",
        ),
        TenantRefusal::Refused => warning(
            "tenant",
            format!("the tenant {tenant} refuses the app ({reason})"),
            "Send the admin consent link to an administrator of that tenant, who also enables the app under Enterprise applications if it is disabled there. Its connections go on by themselves.",
        ),
    }
}

fn check_redirect_uri(uri: &Url) -> Finding {
    let check = "redirect_uri";
    match (uri.scheme(), uri.host_str()) {
        ("https", _) => ok(check, format!("{uri} uses https")),
        ("http", Some("localhost")) => {
            ok(check, format!("{uri} is on this machine, which Entra allows"))
        }
        _ => failed(
            check,
            format!("Entra does not allow {uri}"),
            "Serve the gateway over https and set PUBLIC_URL to that address.",
        ),
    }
}

fn check_expiry(credential: &CredentialDescription, now: Timestamp) -> Finding {
    let check = "credential_expiry";
    if credential.kind == CredentialKind::Federated {
        return ok(check, "a federated credential does not expire".to_owned());
    }
    let Some(expires_at) = credential.expires_at else {
        return warning(
            check,
            "it is not known when the client secret expires".to_owned(),
            "Put the client credential again with expires_at from the Entra portal, so that you are warned in time.",
        );
    };
    let until = rfc3339(expires_at);
    let renew = "Add a new secret or certificate to the app registration and put it as the integration's client credential; connections go on working.";
    match expires_at.duration_since(now) {
        left if left <= SignedDuration::ZERO => {
            failed(check, format!("it expired at {until}"), renew)
        }
        left if left < EXPIRES_SOON => warning(check, format!("it expires at {until}"), renew),
        _ => ok(check, format!("valid until {until}")),
    }
}

/// Returns a finding for each setting that has a safer alternative, or cannot work in this deployment.
fn check_settings(settings: &Settings, names_users: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if settings.confirmation == Confirmation::None {
        findings.push(warning(
            "confirmation",
            "connections need no confirmation, so whoever gets another person to open a connect link gets that person's account".to_owned(),
            "Set confirmation to required, unless all users of the integration may act for each other.",
        ));
    }
    if settings.users == Users::Jwt && !names_users {
        findings.push(failed(
            "users",
            "users are to name themselves by tokens, and this deployment takes none".to_owned(),
            "Deploy with JwtIssuer and JwtAudience, or set users to application.",
        ));
    }
    findings
}

fn ok(check: &'static str, detail: String) -> Finding {
    Finding { check, status: FindingStatus::Ok, detail, fix: None }
}

fn warning(check: &'static str, detail: String, fix: &str) -> Finding {
    Finding { check, status: FindingStatus::Warning, detail, fix: Some(fix.to_owned()) }
}

/// A check that could not be made now.
fn unanswered(check: &'static str, detail: String) -> Finding {
    warning(check, detail, "Verify again in a minute.")
}

fn failed(check: &'static str, detail: String, fix: &str) -> Finding {
    Finding { check, status: FindingStatus::Failed, detail, fix: Some(fix.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entra_takes_a_redirect_uri_with_https_or_on_localhost() {
        for (uri, status) in [
            ("https://gateway.example/integration-callback", FindingStatus::Ok),
            ("http://localhost:8080/integration-callback", FindingStatus::Ok),
            ("http://127.0.0.1:8080/integration-callback", FindingStatus::Failed),
            ("http://gateway.example/integration-callback", FindingStatus::Failed),
        ] {
            assert_eq!(check_redirect_uri(&uri.parse().unwrap()).status, status, "{uri}");
        }
    }

    #[test]
    fn an_operator_is_warned_of_settings_that_let_one_act_for_another() {
        let settings = |changes: serde_json::Value| -> Settings {
            let mut json = serde_json::json!({
                "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
                "organizations": ["mycompany"],
                "scopes": ["vso.code"],
            });
            json.as_object_mut().unwrap().append(&mut changes.as_object().unwrap().clone());
            serde_json::from_value(json).unwrap()
        };
        for (changes, names_users, expected) in [
            (serde_json::json!({}), false, vec![]),
            (serde_json::json!({"confirmation": "none"}), false, vec!["confirmation"]),
            (serde_json::json!({"users": "jwt"}), true, vec![]),
            (serde_json::json!({"users": "jwt"}), false, vec!["users"]),
        ] {
            let found = check_settings(&settings(changes.clone()), names_users);
            let found: Vec<_> = found.iter().map(|finding| finding.check).collect();
            assert_eq!(found, expected, "{changes}");
        }
    }

    #[test]
    fn an_operator_is_warned_thirty_days_before_a_credential_expires() {
        let now = Timestamp::UNIX_EPOCH;
        let days = |days: i64| Some(now + SignedDuration::from_hours(24 * days));
        for (kind, expires_at, status) in [
            (CredentialKind::ClientSecret, days(31), FindingStatus::Ok),
            (CredentialKind::ClientSecret, days(29), FindingStatus::Warning),
            (CredentialKind::Certificate, days(0), FindingStatus::Failed),
            (CredentialKind::ClientSecret, None, FindingStatus::Warning),
            (CredentialKind::Federated, None, FindingStatus::Ok),
        ] {
            let found = check_expiry(&CredentialDescription { kind, expires_at }, now);
            assert_eq!(found.status, status, "{kind:?} {expires_at:?}");
        }
    }
}
