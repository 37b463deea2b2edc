//! The stand-in of Azure DevOps Services.
//!
//! Tables of organizations, routes and admin routes are in the crate documentation.

#![allow(
    clippy::unnecessary_wraps,
    reason = "handlers share one signature, also those that cannot fail"
)]

mod areas;
mod attachments;
mod auth;
mod builds;
mod call;
mod control;
mod core;
mod deployment;
mod enumerations;
mod failure;
mod git;
mod git_http;
mod handle;
mod headers;
mod hosts;
mod identity;
mod large_attachments;
mod locations;
mod organizations;
mod pipelines;
mod routes;
mod seed;
mod settings;
mod wiql;
mod work_items;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use handle::{AzureDevOps, AzureDevOpsOptions, UnknownOrganization};
pub use large_attachments::LargeAttachment;
pub use organizations::Access;
pub use settings::{AzureDevOpsSettings, RateLimit, SignIn};

use crate::entra::{self, Bearer, Inspection};
use crate::faults::{Fault, Faults, Page};
use crate::reply::Reply;
use crate::request::Received;
use crate::scopes::allows;
use crate::server::Emulator;
use crate::traffic::Traffic;
use call::Call;
use failure::{Answer, Failure, percent_encode};
use git_http::Exchange;
use headers::{ServerIds, api_version, finish, rate_limited, supported};
use identity::Identity;
use organizations::Organization;
use routes::Target;

/// What requests change.
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
    git_folders: git_http::Folders,
}

impl State {
    pub fn new(entra: Arc<entra::State>, options: AzureDevOpsOptions) -> Self {
        Self {
            traffic: Arc::new(Traffic::new()),
            faults: Faults::default(),
            ids: ServerIds::new(),
            content: Mutex::new(Content::new(&options, &entra)),
            git_folders: git_http::Folders::default(),
            options,
            entra,
        }
    }

    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The judgement on the request's token, as a bearer or as the reply that refuses it.
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
            Inspection::Challenged(claims) => Err(auth::challenge(&claims)),
            Inspection::Refused => Err(auth::refuse(received, &content.settings, tenant)),
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
        if let Some(reply) = deployment::anonymous(route, target, &query) {
            return (reply, None);
        }
        let bearer = match self.authenticate(received, content, None) {
            Ok(bearer) => bearer,
            Err(reply) => return (reply, None),
        };
        let identity = Identity::of(&bearer);
        let answer = if deployment::permitted(route, &bearer) {
            deployment::personal(route, &bearer, &query, target, &content.organizations)
        } else {
            Err(with_status(
                Failure::unauthorized(&identity.id.to_string()),
                content.settings.missing_scope_status,
            ))
        };
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
            return (
                Reply::html(
                    404,
                    "<html><head><title>404</title></head><body>The resource cannot be found.</body></html>",
                ),
                None,
            );
        };
        let (tenant, stopped) = (organization.tenant, organization.stopped);
        if target.rest.is_none() && target.path == "/" {
            return (organization_probe(target, tenant), None);
        }
        if stopped {
            return (Failure::stopped(name).into_reply(), None);
        }
        let bearer = match self.authenticate(received, content, Some(tenant)) {
            Ok(bearer) => bearer,
            Err(reply) => return (reply, None),
        };
        let identity = Identity::of(&bearer);
        let answer = self.authorized(received, target, name, content, &bearer, identity.clone());
        (answer.unwrap_or_else(Failure::into_reply), Some(identity))
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
        let access = admitted(organization, bearer, &settings)?;
        let Some((route, parameters)) = target.route(method(received)) else {
            return Ok(unknown_route(target, received));
        };
        check_scopes(route.scopes, bearer, &settings)?;
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

/// The method meant: `X-HTTP-Method-Override` on POST is honoured, HEAD is GET without a body.
fn method(received: &Received) -> &str {
    match received.method.as_str() {
        "POST" => received.header("x-http-method-override").unwrap_or("POST"),
        "HEAD" => "GET",
        method => method,
    }
}

/// What the bearer may do in an organization, as a member of it.
fn admitted(
    organization: &Organization,
    bearer: &Bearer,
    settings: &AzureDevOpsSettings,
) -> Result<Access, Failure> {
    if settings.conditional_access_blocks {
        return Err(Failure::conditional_access());
    }
    let member = organization.members.get(&bearer.account).copied();
    member.filter(|_| bearer.tenant == organization.tenant).ok_or_else(|| {
        let user = Identity::of(bearer).id.to_string();
        with_status(Failure::unauthorized(&user), settings.non_member_status)
    })
}

fn check_scopes(
    scopes: &[&str],
    bearer: &Bearer,
    settings: &AzureDevOpsSettings,
) -> Result<(), Failure> {
    // For service principals scopes mean nothing: membership decides.
    let allowed = bearer.is_application
        || scopes.is_empty()
        || scopes.iter().any(|scope| allows(&bearer.scopes, scope));
    if allowed {
        Ok(())
    } else {
        let failure = Failure::unauthorized(&bearer.object_id.to_string());
        Err(with_status(failure, settings.missing_scope_status))
    }
}

fn with_status(mut failure: Failure, status: u16) -> Failure {
    failure.status = status;
    failure
}

/// `HEAD https://vssps.dev.azure.com/{organization}` and its like: how the tenant is found without credentials.
fn organization_probe(target: &Target, tenant: uuid::Uuid) -> Reply {
    let status = if target.site.family().is_empty() { 401 } else { 404 };
    auth::tenant_headers(Reply::empty(status), tenant)
        .header(
            "x-vss-authorizationendpoint",
            format!(
                "{}/",
                target.site.url("vssps", target.organization.as_deref().unwrap_or_default())
            ),
        )
        .header("x-tfs-fedauthissuer", "https://www.visualstudio.com/")
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

impl Emulator for State {
    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn now(&self) -> Timestamp {
        self.entra.now()
    }

    fn route(&self, request: &Received) -> String {
        let Some(target) = Target::of(request) else {
            return "unknown_host".to_owned();
        };
        if let Some(exchange) = Exchange::of(&target, request) {
            return exchange.route().to_owned();
        }
        let name = match (&target.organization, &target.rest) {
            (Some(_), None) if target.path == "/" => Some("organization_probe"),
            (Some(_), _) => target.route(method(request)).map(|(route, _)| route.name),
            (None, _) => deployment::route(&target, method(request)),
        };
        name.unwrap_or("unknown").to_owned()
    }

    fn answer(&self, request: &Received, _spoil: Option<&Fault>) -> Reply {
        let Some(target) = Target::of(request) else {
            return Reply::html(404, "<h2>Our services aren't available right now</h2>");
        };
        let mut content = self.content();
        let limit = content.settings.rate_limit.clone();
        let (reply, caller) = match &target.organization {
            Some(name) => self.in_organization(request, &target, name, &mut content),
            None => self.deployment(request, &target, &content),
        };
        drop(content);
        let version = api_version(request, &request.query()).filter(|_| reply.status < 400);
        let reply = match limit {
            Some(limit) => rate_limited(reply, &limit, self.now()),
            None => reply,
        };
        finish(reply, request, &self.ids, caller.as_ref(), version.as_deref())
    }

    async fn respond(&self, request: &Received, spoil: Option<&Fault>) -> Reply {
        let target = Target::of(request);
        let exchange = target.as_ref().and_then(|target| Exchange::of(target, request));
        match exchange {
            Some(exchange) => self.git(request, &exchange).await,
            None => self.answer(request, spoil),
        }
    }

    fn faulty_answer(&self, request: &Received, fault: &Fault) -> Reply {
        let settings = self.content().settings.clone();
        let reply = match (fault.page, fault.status) {
            (Some(Page::SignIn203), _) => auth::sign_in_page(203),
            (Some(Page::SignIn200), _) => auth::sign_in_page(200),
            (Some(Page::SignIn302), _) => auth::sign_in_redirect(request),
            (Some(Page::Unauthorized401), _) => auth::sign_in_page(401),
            (Some(Page::Unavailable503), _) => {
                Reply::html(503, "<h2>Our services aren't available right now</h2>")
            }
            (None, Some(401)) => auth::refuse(request, &settings, None),
            (None, Some(429)) => {
                let reply = Failure::blocked().into_reply();
                match fault.retry_after {
                    None => reply.header("retry-after", 30),
                    Some(_) => reply,
                }
            }
            (None, Some(status)) if status < 300 => Reply::json(status, &serde_json::json!({})),
            (None, status) => Failure::of_status(status.unwrap_or(500)).into_reply(),
        };
        finish(reply, request, &self.ids, None, None)
    }

    fn control(&self, request: &Received, path: &str) -> Option<Reply> {
        control::answer(self, request, path)
    }

    fn restore(&self) {
        *self.content() = Content::new(&self.options, &self.entra);
    }
}
