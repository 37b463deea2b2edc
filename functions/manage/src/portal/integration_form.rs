//! The form of an integration: from what is stored to its fields, and from its fields to what the management API takes.

use std::str::FromStr;

use edge::problem::{FieldError, Problem};
use jiff::Timestamp;
use vault::integrations::{Confirmation, Integration, Organizations, TenantSetting};
use vault::limits::Limit;

use super::call_rules;
use super::form::{self, Form};
use super::scopes::{self, Line};
use crate::api::wire::{
    Branding, ClientCredential, OneOrMany, ProxyLimit, ProxyLimits, PutIntegration,
};
use crate::operations::integration_fields::{self as fields, Checked};

/// What is done about the client credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Keep,
    ClientSecret,
    Certificate,
    Federated,
}

/// The fields as they are shown. Each is named like the field of the management API, so that its refusals find them.
/// Secrets are never shown again.
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the form")]
pub(super) struct IntegrationForm {
    pub(super) id: String,
    /// When the integration that is edited was last saved, so that nobody's changes are lost unseen.
    pub(super) version: String,
    pub(super) client_id: String,
    pub(super) credential: Credential,
    pub(super) secret_expires: String,
    pub(super) certificate_pem: String,
    pub(super) organizations: String,
    pub(super) any_organization: bool,
    pub(super) everything: bool,
    pub(super) scopes: Vec<String>,
    pub(super) tenant: String,
    pub(super) allowed_tenants: String,
    pub(super) allowed_return_origins: String,
    pub(super) confirmation: bool,
    pub(super) token_handout: bool,
    pub(super) always_warm: bool,
    pub(super) reconnect_url: String,
    pub(super) brand_name: String,
    pub(super) logo_url: String,
    pub(super) accent_color: String,
    pub(super) allowed_calls: String,
    pub(super) connection_limit: LimitFields,
    pub(super) integration_limit: LimitFields,
    pub(super) errors: Vec<FieldError>,
    /// Whether the session ended before it could be saved.
    pub(super) is_interrupted: bool,
}

/// The three numbers of a limit.
#[derive(Debug, Default)]
pub(super) struct LimitFields {
    pub(super) requests: String,
    pub(super) per_seconds: String,
    pub(super) concurrent: String,
}

impl IntegrationForm {
    /// What a new integration begins with.
    pub(super) fn empty() -> Self {
        Self {
            id: String::new(),
            version: String::new(),
            client_id: String::new(),
            credential: Credential::ClientSecret,
            secret_expires: String::new(),
            certificate_pem: String::new(),
            organizations: String::new(),
            any_organization: false,
            everything: false,
            scopes: Vec::new(),
            tenant: "auto".to_owned(),
            allowed_tenants: String::new(),
            allowed_return_origins: String::new(),
            confirmation: true,
            token_handout: false,
            always_warm: false,
            reconnect_url: String::new(),
            brand_name: String::new(),
            logo_url: String::new(),
            accent_color: String::new(),
            allowed_calls: String::new(),
            connection_limit: LimitFields::default(),
            integration_limit: LimitFields::default(),
            errors: Vec::new(),
            is_interrupted: false,
        }
    }

    /// The fields of an integration that is there.
    pub(super) fn of_stored(integration: &Integration) -> Self {
        let branding = Branding::from(&integration.settings.branding);
        let everything = integration.settings.scopes.iter().any(|name| name == scopes::EVERYTHING);
        Self {
            id: integration.id.to_string(),
            version: version(integration),
            client_id: integration.settings.client_id.to_string(),
            credential: Credential::Keep,
            organizations: match &integration.settings.organizations {
                Organizations::Any => String::new(),
                Organizations::Named(names) => lines(names),
            },
            any_organization: integration.settings.organizations == Organizations::Any,
            everything,
            scopes: if everything { Vec::new() } else { integration.settings.scopes.clone() },
            tenant: match &integration.settings.tenant {
                TenantSetting::Auto => "auto".to_owned(),
                TenantSetting::Fixed(tenant) => tenant.to_string(),
            },
            allowed_tenants: lines(&integration.settings.allowed_tenants),
            allowed_return_origins: lines(
                integration.settings.allowed_return_origins.iter().cloned().map(String::from),
            ),
            confirmation: integration.settings.confirmation == Confirmation::Required,
            token_handout: integration.settings.allow_token_handout,
            always_warm: integration.settings.always_warm,
            reconnect_url: integration
                .settings
                .reconnect_url
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            brand_name: branding.name.unwrap_or_default(),
            logo_url: branding.logo_url.unwrap_or_default(),
            accent_color: branding.accent_color.unwrap_or_default(),
            allowed_calls: lines(
                integration
                    .settings
                    .allowed_calls
                    .rules()
                    .iter()
                    .map(|rule| call_rules::line(&rule.into())),
            ),
            connection_limit: LimitFields::of(integration.settings.proxy_limits.connection),
            integration_limit: LimitFields::of(integration.settings.proxy_limits.integration),
            ..Self::empty()
        }
    }

    /// The fields as they were sent.
    pub(super) fn of_sent(form: &Form) -> Self {
        let text = |name: &str| form.text(name).to_owned();
        Self {
            id: text("integration"),
            version: text("updated_at"),
            client_id: text("client_id"),
            credential: match form.text("client_credential") {
                "keep" => Credential::Keep,
                "certificate" => Credential::Certificate,
                "federated" => Credential::Federated,
                _ => Credential::ClientSecret,
            },
            secret_expires: text("client_credential.expires_at"),
            certificate_pem: Some(text("client_credential.certificate_pem"))
                // Keys are never shown again.
                .filter(|text| !form::holds_private_key(text))
                .unwrap_or_default(),
            organizations: text("organizations"),
            any_organization: form.is_ticked("any_organization"),
            everything: form.text("access") == "everything",
            scopes: form.all("scopes"),
            tenant: text("tenant"),
            allowed_tenants: text("allowed_tenants"),
            allowed_return_origins: text("allowed_return_origins"),
            confirmation: form.is_ticked("confirmation"),
            token_handout: form.is_ticked("allow_token_handout"),
            always_warm: form.is_ticked("always_warm"),
            reconnect_url: text("reconnect_url"),
            brand_name: text("branding.name"),
            logo_url: text("branding.logo_url"),
            accent_color: text("branding.accent_color"),
            allowed_calls: text("allowed_calls"),
            connection_limit: LimitFields::of_sent(form, "proxy_limits.connection"),
            integration_limit: LimitFields::of_sent(form, "proxy_limits.integration"),
            ..Self::empty()
        }
    }

    /// The fields as they were entered before a session ended.
    pub(super) fn of_draft(draft: &Form) -> Self {
        Self { is_interrupted: true, ..Self::of_sent(draft) }
    }

    /// What the management API is asked for, and its fields as they will be stored.
    ///
    /// # Errors
    /// With every field that cannot be read, or that the management API would refuse.
    pub(super) fn wish(
        &self,
        form: &Form,
        can_federate: bool,
    ) -> Result<(PutIntegration, Checked), Problem> {
        let mut faults = Faults(Vec::new());
        let Some(wish) = self.read(form, &mut faults) else { return Err(faults.problem()) };
        match fields::checked(&wish, can_federate) {
            Ok(checked) if faults.0.is_empty() => return Ok((wish, checked)),
            Ok(_) => {}
            Err(refused) => {
                for error in refused.errors() {
                    // What could not even be read is told already.
                    if faults.0.iter().all(|(field, _)| !field.starts_with(&error.field)) {
                        faults.note(&error.field, &error.message);
                    }
                }
            }
        }
        Err(faults.problem())
    }

    /// The fields as the management API knows them; what cannot be read is noted.
    fn read(&self, form: &Form, faults: &mut Faults) -> Option<PutIntegration> {
        let client_id = faults.parsed("client_id", &self.client_id);
        // In its place, so that the other fields can be judged.
        let client_id =
            client_id.or_else(|| "00000000-0000-0000-0000-000000000000".parse().ok())?;
        let client_credential = self.client_credential(form, faults);
        let tenants = form.entries("allowed_tenants");
        if self.any_organization && !self.organizations.is_empty() {
            faults.note("organizations", "either names, or any organization");
        }
        let proxy_limits = ProxyLimits {
            connection: self.connection_limit.wish("proxy_limits.connection", faults),
            integration: self.integration_limit.wish("proxy_limits.integration", faults),
        };
        Some(PutIntegration {
            client_id,
            client_credential,
            organizations: if self.any_organization {
                OneOrMany::One("any".to_owned())
            } else {
                OneOrMany::Many(form.entries("organizations"))
            },
            scopes: if self.everything {
                vec![scopes::EVERYTHING.to_owned()]
            } else {
                self.scopes.clone()
            },
            tenant: if self.tenant.is_empty() { "auto".to_owned() } else { self.tenant.clone() },
            allowed_tenants: tenants
                .iter()
                .filter_map(|text| faults.parsed("allowed_tenants", text))
                .collect(),
            allowed_return_origins: form.entries("allowed_return_origins"),
            confirmation: if self.confirmation {
                Confirmation::Required
            } else {
                Confirmation::None
            },
            allow_token_handout: self.token_handout,
            always_warm: self.always_warm,
            allowed_calls: self.allowed_calls.lines().filter_map(call_rules::rule).collect(),
            proxy_limits,
            reconnect_url: form.filled("reconnect_url").map(str::to_owned),
            branding: Branding {
                name: form.filled("branding.name").map(str::to_owned),
                logo_url: form.filled("branding.logo_url").map(str::to_owned),
                accent_color: form.filled("branding.accent_color").map(str::to_owned),
            },
        })
    }

    fn client_credential(&self, form: &Form, faults: &mut Faults) -> Option<ClientCredential> {
        match self.credential {
            Credential::Keep => {
                for field in ["client_secret", "certificate_pem", "private_key_pem"] {
                    let field = format!("client_credential.{field}");
                    if form.filled(&field).is_some() {
                        faults.note(&field, "choose above what this is, or leave it empty");
                    }
                }
                None
            }
            Credential::ClientSecret => {
                const FIELD: &str = "client_credential.client_secret";
                if form.filled(FIELD).is_none() {
                    faults.note(FIELD, "the secret's Value as the Azure portal shows it once");
                }
                Some(ClientCredential::ClientSecret {
                    client_secret: form.secret(FIELD)?,
                    expires_at: end_of(&self.secret_expires, faults),
                })
            }
            Credential::Certificate => Some(ClientCredential::Certificate {
                certificate_pem: form.text("client_credential.certificate_pem").to_owned(),
                private_key_pem: form
                    .secret("client_credential.private_key_pem")
                    .unwrap_or_default(),
            }),
            Credential::Federated => Some(ClientCredential::Federated {}),
        }
    }

    /// What is wrong with a field, or with one below it.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        let belongs = |field: &str| {
            field
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        self.errors.iter().find(|error| belongs(&error.field)).map(|error| error.message.as_str())
    }

    /// Whether one of the fields that are folded away needs to be seen.
    pub(super) fn opens_more(&self) -> bool {
        ["tenant", "allowed_tenants", "allowed_calls", "proxy_limits"]
            .iter()
            .any(|name| self.error(name).is_some())
    }

    /// The checklist of scopes.
    pub(super) fn checklist(&self) -> Vec<Line> {
        scopes::checklist(&self.scopes)
    }
}

impl LimitFields {
    fn of(limit: Option<Limit>) -> Self {
        let Some(limit) = limit.map(ProxyLimit::from) else { return Self::default() };
        let text =
            |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            requests: text(limit.requests),
            per_seconds: text(limit.per_seconds),
            concurrent: text(limit.concurrent),
        }
    }

    fn of_sent(form: &Form, name: &str) -> Self {
        let text = |field: &str| form.text(&format!("{name}.{field}")).to_owned();
        Self {
            requests: text("requests"),
            per_seconds: text("per_seconds"),
            concurrent: text("concurrent"),
        }
    }

    fn wish(&self, name: &str, faults: &mut Faults) -> Option<ProxyLimit> {
        let mut number = |field: &str, text: &str| {
            let number = text.parse().ok();
            if number.is_none() && !text.is_empty() {
                faults.note(&format!("{name}.{field}"), "a whole number");
            }
            number
        };
        let limit = ProxyLimit {
            requests: number("requests", &self.requests),
            per_seconds: number("per_seconds", &self.per_seconds),
            concurrent: number("concurrent", &self.concurrent),
        };
        let is_empty = [limit.requests, limit.per_seconds, limit.concurrent] == [None; 3];
        (!is_empty).then_some(limit)
    }
}

/// Everything that cannot be read, so that all of it is told at once.
struct Faults(Vec<(String, String)>);

impl Faults {
    fn note(&mut self, field: &str, message: &str) {
        self.0.push((field.to_owned(), message.to_owned()));
    }

    fn parsed<T: FromStr<Err: ToString>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.note(field, &error.to_string())).ok()
    }

    fn problem(self) -> Problem {
        let problem = Problem::new(edge::Code::InvalidRequest);
        self.0.into_iter().fold(problem, |problem, (field, message)| problem.error(field, message))
    }
}

/// The day on which Entra says that the secret expires.
fn end_of(day: &str, faults: &mut Faults) -> Option<Timestamp> {
    form::day(day).unwrap_or_else(|expected| {
        faults.note("client_credential.expires_at", expected);
        None
    })
}

fn lines<T: ToString>(entries: impl IntoIterator<Item = T>) -> String {
    entries.into_iter().map(|entry| entry.to_string()).collect::<Vec<_>>().join("\n")
}

/// When an integration was last saved, exactly.
pub(super) fn version(integration: &Integration) -> String {
    integration.updated_at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_day_is_noted_at_its_field() {
        let mut faults = Faults(Vec::new());
        assert!(end_of("", &mut faults).is_none() && faults.0.is_empty());
        assert!(end_of("tomorrow", &mut faults).is_none());
        assert_eq!(faults.0[0].0, "client_credential.expires_at");
    }
}
