//! The stand-in of Azure DevOps Services.
//!
//! Tables of organizations, routes and admin routes are in the crate documentation.

#![allow(
    clippy::unnecessary_wraps,
    reason = "handlers share one signature, also those that cannot fail"
)]

mod advsec;
mod answering;
mod areas;
mod artifacts;
mod attachments;
mod auth;
mod batch;
mod builds;
mod call;
mod classification;
mod comments;
mod control;
mod core;
mod credentials;
mod deployment;
mod enumerations;
mod failure;
mod git;
mod handle;
mod headers;
mod hosts;
mod identity;
mod large;
mod locations;
mod organizations;
mod pipelines;
mod queries;
mod ranges;
mod routes;
mod search;
mod seed;
mod settings;
mod test_plans;
mod throttling;
mod timeline;
mod trees;
mod wiki;
mod wiql;
mod work;
mod work_item_fields;
mod work_items;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use handle::{AzureDevOps, AzureDevOpsOptions, LargeAttachment, Missing, UnknownOrganization};
pub use large::{Gate, LargeContent};
pub use organizations::Access;
pub use settings::{AzureDevOpsSettings, RateLimit, SignIn, Throttling};

use crate::entra::{self, Bearer, Inspection};
use crate::faults::Faults;
use crate::reply::Reply;
use crate::request::Received;
use crate::scopes::allows;
use crate::server::Emulator;
use crate::traffic::Traffic;
use call::Call;
use failure::{Answer, Failure, percent_encode};
use git::folders::Folders;
use headers::{ServerIds, api_version, supported};
use identity::Identity;
use organizations::Organization;
use routes::Target;
use throttling::{Charge, Usage};

/// The state that requests change.
pub(crate) struct Content {
    pub settings: AzureDevOpsSettings,
    pub organizations: Vec<Organization>,
}

impl Content {
    fn new(options: &AzureDevOpsOptions, entra: &entra::State) -> Self {
        let mut content =
            Self { settings: options.settings.clone(), organizations: seed::organizations() };
        let members: Vec<(String, Vec<String>)> = content
            .organizations
            .iter()
            .map(|organization| {
                (organization.name.clone(), organization.members.keys().cloned().collect())
            })
            .collect();
        for (organization, accounts) in members {
            for account in accounts {
                content.introduce(entra, &organization, &account);
            }
        }
        content
    }

    pub fn organization(&mut self, name: &str) -> Option<&mut Organization> {
        self.organizations
            .iter_mut()
            .find(|organization| organization.name.eq_ignore_ascii_case(name))
    }

    /// Lists an account among the identities of an organization.
    pub fn introduce(&mut self, entra: &entra::State, organization: &str, account: &str) {
        let directory = entra.directory();
        let Some(account) = directory.account(account) else {
            return;
        };
        let Some(organization) = self.organization(organization) else {
            return;
        };
        let membership = account.membership(organization.tenant).unwrap_or(&account.home);
        let identity = Identity::of(&Bearer {
            account: account.key.clone(),
            is_application: false,
            tenant: membership.tenant,
            object_id: membership.object_id,
            name: account.name.clone(),
            username: account.username.clone(),
            scopes: Vec::new(),
        });
        if !organization.identities.contains(&identity) {
            organization.identities.push(identity);
        }
    }
}

/// The emulator behind the handle.
pub(crate) struct State {
    entra: Arc<entra::State>,
    options: AzureDevOpsOptions,
    traffic: Arc<Traffic>,
    faults: Faults,
    ids: ServerIds,
    content: Mutex<Content>,
    git: Arc<Folders>,
    usage: Usage,
}

impl State {
    pub fn new(entra: Arc<entra::State>, options: AzureDevOpsOptions) -> Self {
        Self {
            traffic: Arc::new(Traffic::new()),
            faults: Faults::default(),
            ids: ServerIds::new(),
            content: Mutex::new(Content::new(&options, &entra)),
            git: Arc::new(Folders::new("git")),
            usage: Usage::default(),
            options,
            entra,
        }
    }

    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the request's token. Returns its bearer, or the reply that refuses it.
    fn authenticate(
        &self,
        received: &Received,
        content: &Content,
        tenant: Option<uuid::Uuid>,
    ) -> Result<Bearer, Reply> {
        let inspection =
            auth::bearer(received).map_or(Inspection::Refused, |token| self.entra.inspect(&token));
        match inspection {
            Inspection::Valid(bearer) => Ok(bearer),
            Inspection::Challenged(claims) => Err(auth::challenge(&claims, &content.settings)),
            Inspection::Refused => Err(auth::refuse(received, &content.settings, tenant)),
            Inspection::Unreadable => {
                Err(auth::refuse_unreadable(received, &content.settings, tenant))
            }
        }
    }

    fn deployment(
        &self,
        received: &Received,
        target: &Target,
        content: &Content,
    ) -> (Reply, Option<Identity>) {
        let query = received.query();
        let Some(route) = deployment::route(target, method(received)) else {
            return (no_controller(&target.path), None);
        };
        if let Some(reply) = deployment::anonymous(route, target, &query, &content.organizations) {
            return (reply, None);
        }
        let bearer = match self.authenticate(received, content, None) {
            Ok(bearer) => bearer,
            Err(reply) => return (reply, None),
        };
        let identity = Identity::of(&bearer);
        if !deployment::permitted(route, &bearer) {
            let refusal = Failure::lacking_scope(content.settings.missing_scope_status);
            return (auth::challenges(refusal.into_reply(), None), None);
        }
        let answer = deployment::personal(route, &bearer, &query, target, &content.organizations);
        (answer.unwrap_or_else(Failure::into_reply), Some(identity))
    }

    fn in_organization(
        &self,
        received: &Received,
        target: &Target,
        name: &str,
        content: &mut Content,
    ) -> (Reply, Option<Identity>) {
        let Some(organization) = content.organization(name) else {
            return (no_organization(), None);
        };
        let (tenant, stopped) = (organization.tenant, organization.stopped);
        if target.rest.is_none() && target.path == "/" {
            let nil_first = content.settings.nil_resource_tenant_first;
            return (organization_probe(target, tenant, nil_first), None);
        }
        if stopped {
            return (Failure::stopped(name).into_reply(), None);
        }
        let bearer = match self.authenticate(received, content, Some(tenant)) {
            Ok(bearer) => bearer,
            Err(reply) => return (reply, None),
        };
        let identity = Identity::of(&bearer);
        let charge = self.charge(&bearer, &content.settings);
        let answer = charge.as_ref().map_or(Ok(()), Charge::check).and_then(|()| {
            self.authorized(received, target, name, content, &bearer, identity.clone())
        });
        let reply = answer.unwrap_or_else(Failure::into_reply);
        let reply = match charge {
            Some(charge) => charge.mark(reply),
            None => reply,
        };
        match reply.status {
            // The caller of a refused call is described, if at all, in the message.
            401 => (auth::challenges(reply, Some(tenant)), None),
            _ => (reply, Some(identity)),
        }
    }

    /// Counts a request of a known account, if usage is limited.
    fn charge(&self, bearer: &Bearer, settings: &AzureDevOpsSettings) -> Option<Charge> {
        let throttling = settings.throttling.as_ref()?;
        Some(self.usage.charge(&bearer.account, throttling, self.now()))
    }

    fn authorized(
        &self,
        received: &Received,
        target: &Target,
        name: &str,
        content: &mut Content,
        bearer: &Bearer,
        caller: Identity,
    ) -> Answer {
        let settings = content.settings.clone();
        let organization =
            content.organization(name).ok_or_else(|| Failure::not_found("The organization"))?;
        let access = organization.admit(bearer, &caller, &settings)?;
        let Some((route, parameters)) = target.route(method(received)) else {
            return Ok(unknown_route(target, received));
        };
        check_scopes(route.scopes, bearer, &settings)?;
        if route.name == batch::ROUTE {
            return self.each_of_batch(received, target, name, content, bearer, &caller);
        }
        let query = received.query();
        if let Some(version) = api_version(received, &query).filter(|version| !supported(version)) {
            return Err(Failure::api_version(&version));
        }
        let project = match &target.project {
            Some(name) => {
                Some(organization.project_position(name).ok_or_else(|| Failure::project(name))?)
            }
            None => None,
        };
        if let (Some(team), Some(project)) = (&target.team, project)
            && !organization.projects[project].has_team(team)
        {
            return Err(Failure::team(team));
        }
        if route.writes() && access == Access::Reader {
            return Err(Failure::needs_permission());
        }
        (route.handler)(&mut Call {
            received,
            site: &target.site,
            organization,
            caller,
            project,
            parameters,
            query,
            now: self.now(),
            page_size: settings.page_size,
        })
    }
}

/// Returns the effective method: `X-HTTP-Method-Override` on POST is honoured; HEAD is GET without a body.
fn method(received: &Received) -> &str {
    match received.method.as_str() {
        "POST" => received.header("x-http-method-override").unwrap_or("POST"),
        "HEAD" => "GET",
        method => method,
    }
}

/// Checks that the token has one of `scopes`.
fn check_scopes(
    scopes: &[&str],
    bearer: &Bearer,
    settings: &AzureDevOpsSettings,
) -> Result<(), Failure> {
    // Scopes do not apply to service principals: their membership decides.
    let allowed = bearer.is_application
        || scopes.is_empty()
        || scopes.iter().any(|scope| allows(&bearer.scopes, scope));
    if allowed { Ok(()) } else { Err(Failure::lacking_scope(settings.missing_scope_status)) }
}

/// `HEAD https://vssps.dev.azure.com/{organization}` and its like: how the tenant is found without credentials.
fn organization_probe(target: &Target, tenant: uuid::Uuid, nil_first: bool) -> Reply {
    let status = if target.site.family().is_empty() { 401 } else { 404 };
    let mut reply = auth::tenant_headers(Reply::empty(status), tenant);
    if nil_first {
        reply = reply
            .header("x-vss-resourcetenant", uuid::Uuid::nil())
            .another_header("x-vss-resourcetenant", tenant);
    }
    reply
        .header(
            "x-vss-authorizationendpoint",
            format!(
                "{}/",
                target.site.url("vssps", target.organization.as_deref().unwrap_or_default())
            ),
        )
        .header("x-tfs-fedauthissuer", "https://www.visualstudio.com/")
}

fn no_organization() -> Reply {
    Reply::html(
        404,
        "<html><head><title>404</title></head><body>The resource cannot be found.</body></html>",
    )
}

fn unknown_route(target: &Target, received: &Received) -> Reply {
    if target.knows_path() {
        return Reply::json(
            405,
            &serde_json::json!({"count": 1, "value": {
                "Message": format!("The requested resource does not support http method '{}'.", received.method),
            }}),
        );
    }
    no_controller(&target.path)
}

fn no_controller(path: &str) -> Reply {
    let message = format!(
        "The controller for path '{path}' was not found or does not implement IController."
    );
    let header = percent_encode(&message);
    Reply::bytes(404, "text/plain; charset=utf-8", message).header("x-tfs-serviceerror", header)
}
