//! The form of an integration: from its settings to inputs, and from inputs to the JSON of the management API. An input
//! has the name of its field there, so that refusals find it.

use edge::problem::{FieldError, Problem};
use ground::fields::{Fields, Object, is_within};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault::integrations::{Integration, Settings};

use super::call_rules;
use super::form::{self, Form};
use super::scopes::{self, Line};
use crate::api::wire::ClientCredential;
use crate::operations::from_word;
use crate::operations::integration_fields::Checked;

/// How the inputs of [`Settings`] become JSON, but for `organizations`, `scopes`, `confirmation` and `users`.
const INPUTS: [(&str, Input); 23] = [
    ("client_id", Input::Text),
    ("tenant", Input::Text),
    ("allowed_tenants", Input::Entries),
    ("allowed_return_origins", Input::Entries),
    ("allow_token_handout", Input::Box),
    ("allow_credential_calls", Input::Box),
    ("allow_contribution_calls", Input::Box),
    ("allow_hook_calls", Input::Box),
    ("always_warm", Input::Box),
    ("allowed_calls", Input::Rules),
    ("proxy_limits.connection.requests", Input::Number),
    ("proxy_limits.connection.per_seconds", Input::Number),
    ("proxy_limits.connection.concurrent", Input::Number),
    ("proxy_limits.integration.requests", Input::Number),
    ("proxy_limits.integration.per_seconds", Input::Number),
    ("proxy_limits.integration.concurrent", Input::Number),
    ("mcp.access", Input::Text),
    ("mcp.toolsets", Input::Entries),
    ("mcp.clients", Input::Entries),
    ("reconnect_url", Input::Text),
    ("branding.name", Input::Text),
    ("branding.logo_url", Input::Text),
    ("branding.accent_color", Input::Text),
];

/// The kind of an input.
#[derive(Debug, Clone, Copy)]
enum Input {
    Text,
    Number,
    /// A box that can be ticked.
    Box,
    /// Words, with lines, blanks or commas between them.
    Entries,
    /// One rule of calls a line.
    Rules,
}

impl Input {
    /// The JSON of the input that was sent; `None` if it is empty.
    fn json(self, name: &str, form: &Form) -> Option<Value> {
        Some(match self {
            Self::Text => form.filled(name)?.into(),
            Self::Number => {
                let text = form.filled(name)?;
                text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
            }
            Self::Box => form.is_ticked(name).into(),
            Self::Entries => form.entries(name).into(),
            Self::Rules => form.text(name).lines().filter_map(call_rules::rule).collect(),
        })
    }
}

/// The choice of a client credential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Credential {
    Keep,
    #[default]
    ClientSecret,
    Certificate,
    Federated,
}

/// The form as it is shown.
#[derive(Default)]
pub(super) struct IntegrationForm {
    /// Secrets are not among them, so they are never shown again.
    inputs: Form,
    /// When the integration that is edited was last saved, so that nobody's changes are lost unseen.
    pub(super) version: String,
    pub(super) credential: Credential,
    pub(super) errors: Vec<FieldError>,
    /// Whether the session ended before it could be saved.
    pub(super) is_interrupted: bool,
}

impl IntegrationForm {
    /// The beginning of a new integration.
    pub(super) fn empty() -> Self {
        let inputs = Form::of_pairs([("tenant", "auto"), ("confirmation", "yes")]);
        Self { inputs, ..Self::default() }
    }

    /// The form of a stored integration.
    pub(super) fn of_stored(integration: &Integration) -> Self {
        Self {
            version: version(integration),
            credential: Credential::Keep,
            inputs: Form::of_pairs(shown(&integration.settings)),
            ..Self::default()
        }
    }

    /// The form as it was sent.
    pub(super) fn of_sent(form: &Form) -> Self {
        Self {
            version: form.text("updated_at").to_owned(),
            credential: from_word(form.text("client_credential")).unwrap_or_default(),
            inputs: Form::of_pairs(form.without_secrets()),
            ..Self::default()
        }
    }

    /// The form as it was filled in before a session ended.
    pub(super) fn of_draft(draft: &Form) -> Self {
        Self { is_interrupted: true, ..Self::of_sent(draft) }
    }

    /// The integration that the form describes. `form` has the secrets, too.
    ///
    /// # Errors
    /// With every fault, those that the management API finds included.
    pub(super) fn checked(&self, form: &Form, can_federate: bool) -> Result<Checked, Problem> {
        let json = self.json().to_string();
        let object = serde_json::from_str(&json)
            .map_err(|error| Problem::new(edge::Code::InternalError).cause(error))?;
        let mut fields: Fields<Object<'_>> = Fields::new(object);
        if self.any_organization() && self.inputs.filled("organizations").is_some() {
            fields.refuse("organizations", "either names, or any organization");
        }
        let credential = self.client_credential(form, &mut fields);
        let checked = Checked::read(&mut fields, credential.as_ref(), can_federate);
        Ok(fields.finish(checked)?)
    }

    /// The settings as the management API takes them.
    fn json(&self) -> Value {
        let form = &self.inputs;
        let mut json = json!({
            "organizations": form.entries("organizations"),
            "scopes": form.all("scopes"),
            "confirmation": if form.is_ticked("confirmation") { "required" } else { "none" },
            "users": if form.is_ticked("users") { "jwt" } else { "application" },
        });
        if self.any_organization() {
            json["organizations"] = "any".into();
        }
        if self.is_everything() {
            json["scopes"] = json!([devops::scopes::EVERYTHING]);
        }
        for (name, input) in INPUTS {
            if let Some(value) = input.json(name, form) {
                *name.split('.').fold(&mut json, |json, part| &mut json[part]) = value;
            }
        }
        json
    }

    fn client_credential(
        &self,
        form: &Form,
        fields: &mut Fields<Object<'_>>,
    ) -> Option<ClientCredential> {
        match self.credential {
            Credential::Keep => {
                for field in ["client_secret", "certificate_pem", "private_key_pem"] {
                    let field = format!("client_credential.{field}");
                    if form.filled(&field).is_some() {
                        fields.refuse(&field, "choose above what this is, or leave it empty");
                    }
                }
                None
            }
            Credential::ClientSecret => {
                const SECRET: &str = "client_credential.client_secret";
                const EXPIRES_AT: &str = "client_credential.expires_at";
                let expires_at = fields.checked(EXPIRES_AT, form::day(form.text(EXPIRES_AT)));
                let secret = form.secret(SECRET);
                if secret.is_none() {
                    fields.refuse(SECRET, "the secret's Value as the Azure portal shows it once");
                }
                Some(ClientCredential::ClientSecret {
                    client_secret: secret?,
                    expires_at: expires_at.flatten(),
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

    /// The content of an input; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.inputs.text(name)
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.inputs.is_ticked(name)
    }

    fn any_organization(&self) -> bool {
        self.is_ticked("any_organization")
    }

    /// Whether the scope is asked for that contains all others.
    pub(super) fn is_everything(&self) -> bool {
        self.text("access") == "everything"
    }

    /// The names of the ticked scopes.
    pub(super) fn scopes(&self) -> Vec<String> {
        self.inputs.all("scopes")
    }

    /// The checklist of scopes.
    pub(super) fn checklist(&self) -> Vec<Line> {
        scopes::checklist(&self.scopes())
    }

    /// The fault of a field, or of one below it.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| is_within(&error.field, name))?;
        Some(&error.message)
    }

    /// Whether one of the fields that are folded away is at fault.
    pub(super) fn opens_more(&self) -> bool {
        ["tenant", "allowed_tenants", "allowed_calls", "proxy_limits", "mcp"]
            .iter()
            .any(|name| self.error(name).is_some())
    }
}

/// The inputs of stored settings.
fn shown(settings: &Settings) -> Vec<(String, String)> {
    let mut inputs = Vec::new();
    // Settings always serialise; their keys are texts.
    if let Ok(Value::Object(fields)) = serde_json::to_value(settings) {
        fields.iter().for_each(|(name, value)| show(name, value, &mut inputs));
    }
    inputs
}

/// Adds the inputs that show a field.
fn show(name: &str, value: &Value, inputs: &mut Vec<(String, String)>) {
    let mut add = |name: &str, text: &str| inputs.push((name.to_owned(), text.to_owned()));
    match (name, value) {
        ("organizations", Value::String(_)) => add("any_organization", "yes"),
        ("scopes", Value::Array(names)) if names[..] == [devops::scopes::EVERYTHING] => {
            add("access", "everything");
        }
        ("scopes", Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).for_each(|scope| add(name, scope));
        }
        ("confirmation", Value::String(word)) if word != "required" => {}
        ("users", Value::String(word)) if word != "jwt" => {}
        ("confirmation" | "users", _) | (_, Value::Bool(true)) => add(name, "yes"),
        (_, Value::Null | Value::Bool(false)) => {}
        (_, Value::String(text)) => add(name, text),
        (_, Value::Number(number)) => add(name, &number.to_string()),
        (_, Value::Array(entries)) => {
            let line = |entry: &Value| match entry {
                Value::String(text) => text.clone(),
                rule => call_rules::line(rule),
            };
            add(name, &entries.iter().map(line).collect::<Vec<_>>().join("\n"));
        }
        (_, Value::Object(fields)) => {
            for (below, value) in fields {
                show(&format!("{name}.{below}"), value, inputs);
            }
        }
    }
}

/// When an integration was last saved, exactly.
pub(super) fn version(integration: &Integration) -> String {
    integration.updated_at.to_string()
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema as _, SchemaGenerator};

    use super::*;

    const TEMPLATE: &str = include_str!("../../templates/integration_form.html");

    fn full() -> Settings {
        let limit = json!({"requests": 10, "per_seconds": 60, "concurrent": 5});
        let full = json!({
            "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
            "organizations": ["mycompany", "fabrikam"],
            "scopes": ["vso.code", "vso.work"],
            "tenant": "organizations",
            "allowed_tenants": ["11111111-1111-4111-8111-111111111111"],
            "allowed_return_origins": ["https://app.mycompany.example", "http://localhost:8083"],
            "confirmation": "required",
            "users": "jwt",
            "allow_token_handout": true,
            "allow_credential_calls": true,
            "allow_contribution_calls": true,
            "allow_hook_calls": true,
            "always_warm": true,
            "allowed_calls": [{"methods": ["GET", "POST"], "paths": ["/*/_apis/git"]}, {"methods": [], "paths": ["/*/_git"]}],
            "proxy_limits": {"connection": limit, "integration": limit},
            "mcp": {"access": "write", "toolsets": ["core"], "clients": ["claude.ai"]},
            "reconnect_url": "https://app.mycompany.example/settings?a=1",
            "branding": {"name": "Ada's tools", "logo_url": "https://app.mycompany.example/logo.svg", "accent_color": "#0b5cad"},
        });
        serde_json::from_value(full).unwrap()
    }

    #[test]
    fn every_setting_has_an_input_and_comes_back_from_it() {
        let schema = Settings::json_schema(&mut SchemaGenerator::default()).to_value();
        let full = full();
        let json = serde_json::to_value(&full).unwrap();
        for name in schema["properties"].as_object().unwrap().keys() {
            assert!(json.get(name).is_some(), "add {name} to the settings above");
        }
        let inputs = shown(&full);
        for (name, _) in &inputs {
            assert!(TEMPLATE.contains(&format!("\"{name}\"")), "no input {name} in the template");
        }
        let form = IntegrationForm { inputs: Form::of_pairs(inputs), ..Default::default() };
        assert_eq!(form.json(), json);
        let other = json!({
            "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
            "organizations": "any",
            "scopes": ["user_impersonation"],
            "confirmation": "none",
        });
        let other: Settings = serde_json::from_value(other).unwrap();
        let inputs = Form::of_pairs(shown(&other));
        let form = IntegrationForm { inputs, ..Default::default() };
        assert_eq!(serde_json::from_value::<Settings>(form.json()).unwrap(), other);
    }

    #[test]
    fn every_fault_of_the_form_is_found_at_once() {
        let pairs = [
            ("client_credential", "client_secret"),
            ("client_credential.expires_at", "tomorrow"),
            ("organizations", "mycompany"),
            ("any_organization", "yes"),
            ("allowed_tenants", "nor-this"),
            ("proxy_limits.connection.requests", "many"),
            ("reconnect_url", "https://elsewhere.example/"),
        ];
        let form = Form::of_pairs(pairs);
        let refused = IntegrationForm::of_sent(&form).checked(&form, false).err().unwrap();
        let fields: Vec<&str> = refused.errors().iter().map(|error| error.field.as_str()).collect();
        let expected = [
            "organizations",
            "client_credential.expires_at",
            "client_credential.client_secret",
            "client_id",
            "scopes",
            "reconnect_url",
            "allowed_tenants[0]",
            "proxy_limits.connection.requests",
        ];
        assert_eq!(fields, expected);
    }
}
