//! Content that tests add to the organizations.

use std::fmt;
use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::AzureDevOps;
use crate::devops::State;
use crate::devops::attachments::public_url;
use crate::devops::git::http::named;
use crate::devops::large::Gate;
use crate::devops::organizations::{Attachment, AttachmentContent, Organization};

/// A name in a call that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No such organization.
    Organization(String),
    /// The organization has no such project.
    Project(String),
    /// The project has no such repository.
    Repository(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Organization(name) => ("organization", name),
            Self::Project(name) => ("project", name),
            Self::Repository(name) => ("repository", name),
        };
        write!(formatter, "the Azure DevOps stand-in has no {kind} {name}")
    }
}

impl std::error::Error for Missing {}

/// An attachment whose content is generated while it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeAttachment {
    /// Its id.
    pub id: Uuid,
    /// Its address at `https://dev.azure.com`.
    pub url: String,
}

impl AzureDevOps {
    /// Adds an attachment of `bytes` bytes, the content of [`LargeContent`](crate::devops::LargeContent).
    ///
    /// With a gate, an answer sends its first 64 KiB and holds the rest until the gate is opened.
    ///
    /// # Errors
    ///
    /// If there is no such organization or project.
    pub fn add_large_attachment(
        &self,
        organization: &str,
        project: &str,
        file_name: &str,
        bytes: u64,
        gate: Option<&Gate>,
    ) -> Result<LargeAttachment, Missing> {
        self.state.add_large_attachment(organization, project, file_name, bytes, gate.cloned())
    }

    /// Adds this many tasks, titled `Task 1` and so on. Returns their ids.
    ///
    /// # Errors
    ///
    /// If there is no such organization or project.
    pub fn add_work_items(
        &self,
        organization: &str,
        project: &str,
        count: usize,
    ) -> Result<Vec<u64>, Missing> {
        self.state.add_work_items(organization, project, count)
    }

    /// Returns the folder of the bare repository that Git over HTTP serves, so that a test can add a history.
    ///
    /// It is created at first use from the content that the repository has then. Afterwards the two are independent:
    /// the REST routes ignore pushes by Git, and Git ignores changes by REST. It is removed with the stand-in.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such organization, project or repository, or if Git is not installed.
    pub fn git_folder(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> io::Result<PathBuf> {
        let found = self.state.in_project(organization, project, |organization, position| {
            let project = organization.projects[position].id;
            named(organization, project, repository).cloned()
        });
        let missing = |missing: Missing| io::Error::new(io::ErrorKind::NotFound, missing);
        let found = found.map_err(missing)?;
        let found = found.ok_or_else(|| missing(Missing::Repository(repository.to_owned())))?;
        self.state.git.of(&found)
    }
}

impl State {
    pub(crate) fn add_large_attachment(
        &self,
        organization: &str,
        project: &str,
        file_name: &str,
        bytes: u64,
        gate: Option<Gate>,
    ) -> Result<LargeAttachment, Missing> {
        self.in_project(organization, project, |organization, position| {
            let id = Uuid::new_v4();
            let content = AttachmentContent::Made { bytes, gate };
            let attachment = Attachment { file_name: file_name.to_owned(), content };
            organization.attachments.insert(id, attachment);
            let project = organization.projects[position].id;
            let base = format!("https://dev.azure.com/{}/{project}", organization.name);
            LargeAttachment { id, url: public_url(&base, id, file_name) }
        })
    }

    pub(crate) fn add_work_items(
        &self,
        organization: &str,
        project: &str,
        count: usize,
    ) -> Result<Vec<u64>, Missing> {
        self.in_project(organization, project, |organization, position| {
            organization.add_work_items(position, count)
        })
    }

    /// Opens the gate of an attachment. Returns whether there is such an attachment.
    pub(crate) fn open_gate(&self, id: Uuid) -> bool {
        let content = self.content();
        let found =
            content.organizations.iter().find_map(|organization| organization.attachments.get(&id));
        if let Some(gate) = found.and_then(Attachment::gate) {
            gate.open();
        }
        found.is_some()
    }

    /// Opens all gates, so that no answer waits for a test that has ended.
    pub(crate) fn open_gates(&self) {
        let content = self.content();
        let attachments =
            content.organizations.iter().flat_map(|organization| organization.attachments.values());
        attachments.filter_map(Attachment::gate).for_each(Gate::open);
    }

    /// Applies a change to a project, given by name or id; the change gets the project's position.
    fn in_project<T>(
        &self,
        organization: &str,
        project: &str,
        change: impl FnOnce(&mut Organization, usize) -> T,
    ) -> Result<T, Missing> {
        let mut content = self.content();
        let organization = content
            .organization(organization)
            .ok_or_else(|| Missing::Organization(organization.to_owned()))?;
        let position = organization
            .project_position(project)
            .ok_or_else(|| Missing::Project(project.to_owned()))?;
        Ok(change(organization, position))
    }
}
