//! The fields of an integration, from what was sent to what is stored; each refusal names its field.

mod branding;

use std::num::NonZeroU32;

use devops::organization::OrganizationName;
use devops::policy::{self, CallPolicy};
use devops::scopes::Scope;
use edge::problem::{Code, Problem};
use entra::identifiers::Tenant;
use secrecy::ExposeSecret as _;
use url::Url;
use vault::client_credentials::NewCredential;
use vault::integrations::{
    Branding, CredentialDescription, CredentialKind, Organizations, ReturnOrigin, TenantSetting,
};
use vault::limits;

use branding::branding;

use crate::api::wire::{
    CallRule, ClientCredential, OneOrMany, ProxyLimit, ProxyLimits, PutIntegration,
};

/// Most entries of each list in an integration.
const MOST_ENTRIES: usize = 200;
/// Most rules of an integration, and most methods or paths of a rule.
const MOST_RULES: usize = 50;
/// Longest time over which calls are counted, in seconds.
const LONGEST_PERIOD: u32 = 86_400;
/// Most calls in a time that can be counted.
const MOST_REQUESTS: u32 = 1_000_000;
/// Most calls at a time that can be counted: each is written down by name in one item.
const MOST_CONCURRENT: u32 = 200;

/// The fields of an integration that had to be looked at, as they are stored.
pub(crate) struct Checked {
    pub(crate) credential: Option<(NewCredential, CredentialDescription)>,
    pub(crate) organizations: Organizations,
    pub(crate) scopes: Vec<String>,
    pub(crate) tenant: TenantSetting,
    pub(crate) allowed_return_origins: Vec<ReturnOrigin>,
    pub(crate) reconnect_url: Option<Url>,
    pub(crate) branding: Branding,
    pub(crate) allowed_calls: CallPolicy,
    pub(crate) proxy_limits: limits::ProxyLimits,
}

/// Looks at all of them, and refuses all that are wrong at once.
///
/// `can_federate`: whether the deployment has a role that Entra can trust.
pub(crate) fn checked(wish: &PutIntegration, can_federate: bool) -> Result<Checked, Problem> {
    let mut refusals = Refusals::default();
    let given = wish.client_credential.as_ref();
    let credential = given.map(|given| credential(given, can_federate)).transpose();
    let credential = refusals.note(credential);
    let organizations = refusals.note(organizations(&wish.organizations));
    let scopes = refusals.note(scopes(&wish.scopes));
    let tenant = refusals.note(tenant(&wish.tenant));
    let origins = refusals.note(origins(&wish.allowed_return_origins));
    // Nothing can be said of addresses below the origins without the origins.
    let (reconnect_url, branding) = match &origins {
        Some(origins) => (
            refusals.note(reconnect_url(wish.reconnect_url.as_deref(), origins)),
            refusals.note(branding(&wish.branding, origins)),
        ),
        None => (None, None),
    };
    let allowed_calls = refusals.note(allowed_calls(&wish.allowed_calls));
    let proxy_limits = refusals.note(proxy_limits(&wish.proxy_limits));
    let (
        Some(credential),
        Some(organizations),
        Some(scopes),
        Some(tenant),
        Some(allowed_return_origins),
        Some(reconnect_url),
        Some(branding),
        Some(allowed_calls),
        Some(proxy_limits),
    ) = (
        credential,
        organizations,
        scopes,
        tenant,
        origins,
        reconnect_url,
        branding,
        allowed_calls,
        proxy_limits,
    )
    else {
        return Err(refusals.into_problem());
    };
    Ok(Checked {
        credential,
        organizations,
        scopes,
        tenant,
        allowed_return_origins,
        reconnect_url,
        branding,
        allowed_calls,
        proxy_limits,
    })
}

/// What was refused so far.
#[derive(Default)]
struct Refusals(Option<Problem>);

impl Refusals {
    fn note<T>(&mut self, checked: Result<T, Problem>) -> Option<T> {
        let refused = match checked {
            Ok(value) => return Some(value),
            Err(refused) => refused,
        };
        let all = match self.0.take() {
            None => refused,
            Some(earlier) => earlier.errors_of(&refused),
        };
        self.0 = Some(all);
        None
    }

    fn into_problem(self) -> Problem {
        self.0.unwrap_or_else(|| Problem::new(Code::InvalidRequest))
    }
}

/// `can_federate`: whether the deployment has a role that Entra can trust.
pub(crate) fn credential(
    given: &ClientCredential,
    can_federate: bool,
) -> Result<(NewCredential, CredentialDescription), Problem> {
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
            return Err(Problem::field(
                "client_credential.kind",
                "this deployment has no role for a federated credential; deploy it with FederatedCredential=true",
            ));
        }
    };
    if let NewCredential::ClientSecret(secret) = &credential
        && !is_pasted_whole(secret.expose_secret())
    {
        return Err(Problem::field(
            "client_credential.client_secret",
            "the secret's Value as the Azure portal shows it once, without blanks around it",
        ));
    }
    let parsed =
        credential.parse().map_err(|e| Problem::field("client_credential", e.to_string()))?;
    if let Some(entra::credential::ClientCredential::Certificate(certificate)) = &parsed {
        expires_at = Some(certificate.not_after());
    }
    Ok((credential, CredentialDescription { kind, expires_at }))
}

/// Neither nothing, nor with the blanks that come along when something is copied.
fn is_pasted_whole(secret: &str) -> bool {
    !secret.is_empty() && !secret.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn organizations(given: &OneOrMany) -> Result<Organizations, Problem> {
    let refuse = |message: &str| Problem::field("organizations", message);
    let names = match given {
        OneOrMany::One(word) if word == "any" => return Ok(Organizations::Any),
        OneOrMany::One(_) => return Err(refuse("a list of organization names, or \"any\"")),
        OneOrMany::Many(names) => names,
    };
    if names.is_empty() || names.len() > MOST_ENTRIES {
        return Err(refuse("1 to 200 organization names, or \"any\""));
    }
    let mut parsed: Vec<OrganizationName> = Vec::with_capacity(names.len());
    for name in names {
        let name = name.parse().map_err(|_| {
            refuse("an organization is named as in https://dev.azure.com/{organization}: letters, digits and hyphens")
        })?;
        if !parsed.contains(&name) {
            parsed.push(name);
        }
    }
    Ok(Organizations::Named(parsed))
}

fn scopes(given: &[String]) -> Result<Vec<String>, Problem> {
    let refuse = |message: String| Problem::field("scopes", message);
    if given.is_empty() || given.len() > MOST_ENTRIES {
        return Err(refuse("1 to 200 scopes".to_owned()));
    }
    if given.len() > 1 && given.iter().any(|name| name == "user_impersonation") {
        return Err(refuse("user_impersonation stands alone: it contains the others".to_owned()));
    }
    let mut checked = Vec::with_capacity(given.len());
    for name in given {
        if Scope::parse(name).is_none() {
            return Err(refuse(
                "a scope of Azure DevOps, such as vso.code, or user_impersonation".to_owned(),
            ));
        }
        if !checked.contains(name) {
            checked.push(name.clone());
        }
    }
    Ok(checked)
}

fn tenant(given: &str) -> Result<TenantSetting, Problem> {
    match given {
        "auto" => Ok(TenantSetting::Auto),
        "organizations" => Ok(TenantSetting::Fixed(Tenant::Organizations)),
        id => id.parse().map(|id| TenantSetting::Fixed(Tenant::Id(id))).map_err(|_| {
            Problem::field("tenant", "auto, organizations, or the tenant's id (a GUID)")
        }),
    }
}

fn origins(given: &[String]) -> Result<Vec<ReturnOrigin>, Problem> {
    if given.len() > MOST_ENTRIES {
        return Err(Problem::field("allowed_return_origins", "at most 200 origins"));
    }
    given
        .iter()
        .map(|text| {
            text.clone().try_into().map_err(|e: vault::integrations::InvalidOrigin| {
                Problem::field("allowed_return_origins", e.to_string())
            })
        })
        .collect()
}

fn allowed_calls(given: &[CallRule]) -> Result<CallPolicy, Problem> {
    if given.len() > MOST_RULES {
        return Err(Problem::field("allowed_calls", "at most 50 rules"));
    }
    let rules = given.iter().enumerate().map(|(index, rule)| {
        let field = |name: &str| format!("allowed_calls[{index}].{name}");
        for (name, length) in [("methods", rule.methods.len()), ("paths", rule.paths.len())] {
            if length > MOST_RULES {
                return Err(Problem::field(field(name), "at most 50"));
            }
        }
        let method = |text: &String| {
            text.clone()
                .try_into()
                .map_err(|e: policy::InvalidMethod| Problem::field(field("methods"), e.to_string()))
        };
        let path = |text: &String| {
            text.clone().try_into().map_err(|e: policy::InvalidPathPrefix| {
                Problem::field(field("paths"), e.to_string())
            })
        };
        Ok(policy::CallRule {
            methods: rule.methods.iter().map(method).collect::<Result<_, _>>()?,
            paths: rule.paths.iter().map(path).collect::<Result<_, _>>()?,
        })
    });
    Ok(CallPolicy::new(rules.collect::<Result<_, _>>()?))
}

fn proxy_limits(given: &ProxyLimits) -> Result<limits::ProxyLimits, Problem> {
    let limit = |name: &str, given: &Option<ProxyLimit>| {
        given.as_ref().map(|given| proxy_limit(name, given)).transpose()
    };
    Ok(limits::ProxyLimits {
        connection: limit("proxy_limits.connection", &given.connection)?,
        integration: limit("proxy_limits.integration", &given.integration)?,
    })
}

fn proxy_limit(field: &str, given: &ProxyLimit) -> Result<limits::Limit, Problem> {
    let number = |name: &str, given: Option<u32>, most: u32| {
        let usable = |number: u32| NonZeroU32::new(number).filter(|number| number.get() <= most);
        let refusal = || Problem::field(format!("{field}.{name}"), format!("1 to {most}"));
        given.map(|number| usable(number).ok_or_else(refusal)).transpose()
    };
    let requests = number("requests", given.requests, MOST_REQUESTS)?;
    let per_seconds = number("per_seconds", given.per_seconds, LONGEST_PERIOD)?;
    let concurrent = number("concurrent", given.concurrent, MOST_CONCURRENT)?;
    let rate = match (requests, per_seconds) {
        (Some(requests), Some(per_seconds)) => Some(limits::Rate { requests, per_seconds }),
        (None, None) if concurrent.is_some() => None,
        _ => {
            let message = "requests and per_seconds together, concurrent, or all three";
            return Err(Problem::field(field, message));
        }
    };
    Ok(limits::Limit { rate, concurrent })
}

fn reconnect_url(given: Option<&str>, origins: &[ReturnOrigin]) -> Result<Option<Url>, Problem> {
    let Some(text) = given else { return Ok(None) };
    let refuse = |message: &str| Problem::field("reconnect_url", message);
    let url = Url::parse(text).map_err(|_| refuse("an absolute address"))?;
    if !origins.iter().any(|origin| origin.covers(&url)) {
        return Err(refuse("an address under one of allowed_return_origins"));
    }
    Ok(Some(url))
}
