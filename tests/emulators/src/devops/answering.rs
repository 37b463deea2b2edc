//! From a request to the finished answer: the choice of the handler, and the headers of every answer.

use std::sync::Arc;

use jiff::Timestamp;

use super::failure::Failure;
use super::git::http::{Wanted, unauthorized};
use super::headers::{api_version, finish, rate_limited};
use super::identity::Identity;
use super::routes::Target;
use super::{Content, State, auth, control, deployment, method};
use crate::faults::{Fault, Faults, Page};
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator;
use crate::traffic::Traffic;

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
        if let Some(wanted) = Wanted::of(request, &target) {
            return wanted.route().to_owned();
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
        let (reply, caller) = match &target.organization {
            Some(name) => self.in_organization(request, &target, name, &mut content),
            None => self.deployment(request, &target, &content),
        };
        drop(content);
        self.finished(reply, request, caller.as_ref())
    }

    async fn respond(&self, request: &Received, spoil: Option<&Fault>) -> Reply {
        let reply = self.made(request, spoil).await;
        if let Some(delay) = reply.delay {
            tokio::time::sleep(delay).await;
        }
        reply
    }

    fn faulty_answer(&self, request: &Received, fault: &Fault) -> Reply {
        let settings = self.content().settings.clone();
        let reply = match (fault.page, fault.status) {
            (Some(Page::SignIn203), _) => auth::sign_in_page(203),
            (Some(Page::SignIn200), _) => auth::sign_in_page(200),
            (Some(Page::SignIn302), _) => auth::sign_in_redirect(request),
            (Some(Page::Unauthorized401), _) => auth::sign_in_page(401),
            (Some(Page::Anonymous401), _) => auth::refuse_unreadable(request, &settings, None),
            (Some(Page::Unavailable503), _) => {
                Reply::html(503, "<h2>Our services aren't available right now</h2>")
            }
            (None, Some(401)) if is_git(request) => unauthorized(None),
            (None, Some(401)) => auth::refuse(request, &settings, None),
            (None, Some(429)) => {
                let reply = Failure::blocked("Concurrency").into_reply();
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
        self.open_gates();
        self.git.clear();
        self.usage.clear();
        *self.content() = Content::new(&self.options, &self.entra);
    }
}

impl State {
    /// Returns the answer, before its delay.
    async fn made(&self, request: &Received, spoil: Option<&Fault>) -> Reply {
        let target = Target::of(request);
        let git = target.as_ref().and_then(|target| {
            Some((target.organization.as_deref()?, Wanted::of(request, target)?))
        });
        let Some((organization, wanted)) = git else {
            return self.answer(request, spoil);
        };
        let (reply, caller) = self.serve_git(request, organization, &wanted).await;
        self.finished(reply, request, caller.as_ref())
    }

    /// Adds the headers of all answers to a reply, and those of rate limits if they are set.
    fn finished(&self, reply: Reply, received: &Received, caller: Option<&Identity>) -> Reply {
        let limit = self.content().settings.rate_limit.clone();
        let version = api_version(received, &received.query()).filter(|_| reply.status < 400);
        let reply = match limit {
            Some(limit) => rate_limited(reply, &limit, self.now()),
            None => reply,
        };
        finish(reply, received, &self.ids, caller, version.as_deref())
    }
}

fn is_git(received: &Received) -> bool {
    Target::of(received).is_some_and(|target| Wanted::of(received, &target).is_some())
}
