//! The handle of tests to the stand-in: its requests, faults and state.

mod filling;

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use uuid::Uuid;

pub use filling::{LargeAttachment, Missing};

use super::State;
use super::organizations::{Access, Organization};
use super::settings::AzureDevOpsSettings;
use crate::entra::Entra;
use crate::faults::{Fault, FaultHandle};
use crate::server::{Emulator as _, Running};
use crate::traffic::RecordedRequest;

/// Start options of the Azure DevOps stand-in.
#[derive(Clone, Debug, Default)]
pub struct AzureDevOpsOptions {
    /// Settings at the start.
    pub settings: AzureDevOpsSettings,
}

/// An organization that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOrganization(pub String);

impl fmt::Display for UnknownOrganization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the Azure DevOps stand-in has no organization {}", self.0)
    }
}

impl std::error::Error for UnknownOrganization {}

/// A running Azure DevOps stand-in. Clones share it; it stops with the last one.
#[derive(Clone)]
pub struct AzureDevOps {
    state: Arc<State>,
    server: Arc<Running>,
    base_url: String,
}

impl AzureDevOps {
    /// Serves on `listener` in a task of the current Tokio runtime, accepting the tokens that `entra` issues.
    ///
    /// # Errors
    ///
    /// If the listener has no local address.
    pub fn start(
        listener: TcpListener,
        entra: &Entra,
        options: AzureDevOpsOptions,
    ) -> io::Result<Self> {
        let base_url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let state = Arc::new(State::new(Arc::clone(&entra.state), options));
        let server = Arc::new(Running::start(listener, Arc::clone(&state)));
        Ok(Self { state, server, base_url })
    }

    /// Stops accepting and waits for open connections to end.
    pub async fn shutdown(&self) {
        self.state.faults().release_all();
        self.state.open_gates();
        self.server.shutdown().await;
    }

    /// Returns the origin for requests; their `Host` header has the real host name.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Restores the organizations and settings of the start.
    pub fn restore(&self) {
        self.state.restore();
    }

    // Requests.

    /// Returns every request since the start or the last [`reset_counts`](Self::reset_counts), oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.traffic().requests()
    }

    /// Counts requests of a route and of every route below it (`git` counts `git.items.get` too).
    pub fn count(&self, route: &str) -> u64 {
        self.state.traffic().count(route)
    }

    /// Returns the largest number of simultaneous requests of one exact route.
    pub fn peak(&self, route: &str) -> u64 {
        self.state.traffic().peak(route)
    }

    /// Waits until `count(route)` is at least `count`.
    pub async fn reached(&self, route: &str, count: u64) {
        self.state.traffic().reached(route, count).await;
    }

    /// Forgets requests and counts.
    pub fn reset_counts(&self) {
        self.state.traffic().reset();
    }

    // Faults.

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) -> FaultHandle {
        self.state.faults().inject(fault)
    }

    /// Removes all faults; held requests go on.
    pub fn clear_faults(&self) {
        self.state.faults().clear();
    }

    /// The settings in force.
    pub fn settings(&self) -> AzureDevOpsSettings {
        self.state.content().settings.clone()
    }

    /// Changes settings.
    pub fn change_settings(&self, change: impl FnOnce(&mut AzureDevOpsSettings)) {
        change(&mut self.state.content().settings);
    }

    /// Returns the TSTU used by an account (by key) in its window, while [`AzureDevOpsSettings::throttling`] is set.
    pub fn usage(&self, account: &str) -> u64 {
        self.state.usage.of(account)
    }

    /// Resets every account to the whole budget of [`AzureDevOpsSettings::throttling`].
    pub fn reset_usage(&self) {
        self.state.usage.clear();
    }

    // Organizations.

    /// Returns names and tenants of the organizations.
    pub fn organizations(&self) -> Vec<(String, Uuid)> {
        let content = self.state.content();
        content
            .organizations
            .iter()
            .map(|organization| (organization.name.clone(), organization.tenant))
            .collect()
    }

    /// Adds an empty organization with one project, `Project`.
    pub fn add_organization(&self, name: &str, tenant: Uuid) {
        let mut organization = Organization::new(name, tenant);
        organization.add_project("Project", "");
        self.state.content().organizations.push(organization);
    }

    /// Makes an account of Entra (by key) a member, or changes its access. Apps are members by their client id.
    ///
    /// # Errors
    ///
    /// If there is no such organization. The same holds for the methods below.
    pub fn add_member(
        &self,
        organization: &str,
        account: &str,
        access: Access,
    ) -> Result<(), UnknownOrganization> {
        self.in_organization(organization, |organization| {
            organization.members.insert(account.to_owned(), access);
        })?;
        self.state.introduce(organization, account);
        Ok(())
    }

    /// Removes a membership.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn remove_member(
        &self,
        organization: &str,
        account: &str,
    ) -> Result<(), UnknownOrganization> {
        self.in_organization(organization, |organization| {
            organization.members.remove(account);
        })
    }

    /// Adds projects named `{prefix} 1` to `{prefix} {count}`; existing ones are kept.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn add_projects(
        &self,
        organization: &str,
        prefix: &str,
        count: usize,
    ) -> Result<(), UnknownOrganization> {
        self.in_organization(organization, |organization| {
            organization.add_projects(prefix, count);
        })
    }

    /// Connects an organization to another tenant, as its owner can.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn move_organization(
        &self,
        organization: &str,
        tenant: Uuid,
    ) -> Result<(), UnknownOrganization> {
        self.in_organization(organization, |organization| organization.tenant = tenant)
    }

    /// Deactivates an organization (503 TF24668 to every call), or reactivates it.
    #[expect(clippy::missing_errors_doc, reason = "as above")]
    pub fn set_stopped(
        &self,
        organization: &str,
        stopped: bool,
    ) -> Result<(), UnknownOrganization> {
        self.in_organization(organization, |organization| organization.stopped = stopped)
    }

    fn in_organization(
        &self,
        name: &str,
        change: impl FnOnce(&mut Organization),
    ) -> Result<(), UnknownOrganization> {
        match self.state.content().organization(name) {
            Some(organization) => {
                change(organization);
                Ok(())
            }
            None => Err(UnknownOrganization(name.to_owned())),
        }
    }
}

impl State {
    /// Lists a new member among the organization's identities.
    pub(crate) fn introduce(&self, organization: &str, account: &str) {
        let entra = Arc::clone(&self.entra);
        self.content().introduce(&entra, organization, account);
    }
}
