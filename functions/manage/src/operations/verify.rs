//! `POST /integrations/{integration}/verify`: a doctor. One finding per check, each with the fix.

use devops::client::OrganizationTenant;
use devops::organization::OrganizationName;
use edge::gateway::Body;
use edge::log::RequestLog;
use edge::problem::Problem;
use edge::respond;
use edge::wire::rfc3339;
use entra::error_class::ErrorClass;
use entra::identifiers::Tenant;
use entra::token::{ClientCredentialsRequest, TokenError};
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use vault::integrations::{CredentialKind, Integration, Organizations, TenantSetting};

use crate::Manage;
use crate::api::wire::{Finding, FindingStatus, Verification};

/// A credential that expires within this time deserves a warning.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A clock that is further off than this makes tokens look expired, or not.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// AADSTS70021: no federated credential fits the token, which is so for some minutes after one was added.
const NO_FEDERATED_CREDENTIAL: u32 = 70021;
/// Organizations that are looked up in one verification.
const MOST_ORGANIZATIONS: usize = 10;

impl Manage {
    pub(crate) async fn verify_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, log).await?;
        respond::json(StatusCode::OK, &self.examine(&integration).await)
    }

    /// Checks everything that can be checked without a user.
    pub(crate) async fn examine(&self, integration: &Integration) -> Verification {
        let mut findings = vec![self.check_redirect_uri(), self.check_expiry(integration)];
        let (organizations, tenant) = self.check_organizations(integration).await;
        findings.push(self.check_credential(integration, tenant).await);
        findings.extend(organizations);
        findings.push(self.check_clock().await);
        let ok = findings.iter().all(|finding| finding.status != FindingStatus::Failed);
        Verification { ok, findings }
    }

    fn check_redirect_uri(&self) -> Finding {
        let uri = self.public_url.redirect_uri();
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

    fn check_expiry(&self, integration: &Integration) -> Finding {
        let check = "credential_expiry";
        if integration.credential.kind == CredentialKind::Federated {
            return ok(check, "a federated credential does not expire".to_owned());
        }
        let Some(expires_at) = integration.credential.expires_at else {
            return warning(
                check,
                "it is not known when the client secret expires".to_owned(),
                "Put the client credential again with expires_at from the Entra portal, so that you are warned in time.",
            );
        };
        let until = rfc3339(expires_at);
        let left = expires_at.duration_since(self.clock.now());
        let renew = "Add a new secret or certificate to the app registration and put it as the integration's client credential; connections go on working.";
        if left <= SignedDuration::ZERO {
            failed(check, format!("it expired at {until}"), renew)
        } else if left < EXPIRES_SOON {
            warning(check, format!("it expires at {until}"), renew)
        } else {
            ok(check, format!("valid until {until}"))
        }
    }

    /// Whether each organization exists, and which tenant backs it; the first tenant found is returned
    /// for the credential's check.
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
                (ok(check, detail), id.to_string().parse().ok().map(Tenant::Id))
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
                    format!("Azure DevOps does not know {name}, or does not tell its tenant"),
                    "Compare the name with https://dev.azure.com/{organization}; if it is right, set the integration's tenant to the tenant's id.",
                ),
                None,
            ),
            Err(_) => (
                warning(
                    check,
                    format!("Azure DevOps did not answer for {name}"),
                    "Verify again in a minute.",
                ),
                None,
            ),
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
        let Ok(metadata) = self.metadata.get(&tenant).await else {
            return warning(check, "Entra did not answer".to_owned(), "Verify again in a minute.");
        };
        // Only the one that was put last: calls may go on with the former one, which is about to be removed.
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
            Err(error) => {
                return warning(check, error.to_string(), "Verify again in a minute.");
            }
        };
        let scope = format!("{}/.default", devops::scopes::RESOURCE_ID);
        let client_id = &integration.settings.client_id;
        let credential = &credential;
        let request = ClientCredentialsRequest { client_id, credential, scope: &scope };
        match self.entra.client_credentials(&metadata, request).await {
            Ok(_) => {
                if let Err(error) = self.integrations.accept_credential(&integration.id).await {
                    tracing::warn!("the integration stays marked: {error}");
                }
                ok(check, "Entra accepts it".to_owned())
            }
            Err(error) => self.credential_finding(check, integration.credential.kind, &error),
        }
    }

    fn credential_finding(&self, check: &str, kind: CredentialKind, error: &TokenError) -> Finding {
        let said = error.reason();
        let audience = self.credentials.federated_audience().unwrap_or_default();
        let fix = match kind {
            CredentialKind::ClientSecret => {
                "Create a new client secret under Certificates & secrets and put its Value (not its Secret ID) into the integration.".to_owned()
            }
            CredentialKind::Certificate => {
                "Upload the certificate under Certificates & secrets of this app, or put the one that is there into the integration.".to_owned()
            }
            CredentialKind::Federated => format!(
                "Under Certificates & secrets, Federated credentials, compare the issuer with the AWS account's, the subject with the stack's output FederationSubject, and the audience with {audience}. A new one works after some minutes."
            ),
        };
        let is_unknown_federated =
            kind == CredentialKind::Federated && error.codes.contains(&NO_FEDERATED_CREDENTIAL);
        match error.class {
            _ if is_unknown_federated => {
                failed(check, format!("Entra does not know it, or not yet ({said})"), &fix)
            }
            ErrorClass::Transient | ErrorClass::Throttled => warning(
                check,
                "Entra did not answer as it should".to_owned(),
                "Verify again in a minute.",
            ),
            ErrorClass::ApplicationBroken if error.error.as_deref() == Some("invalid_client") => {
                failed(check, format!("Entra rejects it ({said})"), &fix)
            }
            _ => failed(
                check,
                format!("Entra does not know the app in this tenant ({said})"),
                "Compare client_id with the Application (client) ID. If that is right, somebody in the tenant has to consent to the app once: connect the first user, or let an administrator consent.",
            ),
        }
    }

    async fn check_clock(&self) -> Finding {
        let check = "clock";
        let Some(entra_s) = self.entra_date().await else {
            return warning(
                check,
                "Entra's time could not be read".to_owned(),
                "Verify again in a minute.",
            );
        };
        let off = self.clock.now().duration_since(entra_s).abs();
        // The Date header has whole seconds, and the answer took its time.
        if off <= CLOCK_TOLERANCE {
            ok(check, "it agrees with Entra's".to_owned())
        } else {
            failed(
                check,
                format!("it differs from Entra's by {} s", off.as_secs()),
                "Synchronize the machine's clock; tokens look expired, or not, when they are not, or are.",
            )
        }
    }

    async fn entra_date(&self) -> Option<Timestamp> {
        let url = self.authority.metadata_url(&Tenant::Organizations);
        let timeout = std::time::Duration::from_secs(3);
        let answer = self.http.get(url).timeout(timeout).send().await.ok()?;
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
    }
}

fn ok(check: &str, detail: String) -> Finding {
    Finding { check: check.to_owned(), status: FindingStatus::Ok, detail, fix: None }
}

fn warning(check: &str, detail: String, fix: &str) -> Finding {
    Finding {
        check: check.to_owned(),
        status: FindingStatus::Warning,
        detail,
        fix: Some(fix.to_owned()),
    }
}

fn failed(check: &str, detail: String, fix: &str) -> Finding {
    Finding {
        check: check.to_owned(),
        status: FindingStatus::Failed,
        detail,
        fix: Some(fix.to_owned()),
    }
}
