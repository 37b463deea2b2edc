//! Organizations, their members and their content.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::builds::{Build, Definition};
use super::classification::Node;
use super::core::Operation;
use super::failure::Failure;
use super::git::Repository;
use super::git::pull_requests::PullRequest;
use super::identity::Identity;
use super::large::Gate;
use super::settings::AzureDevOpsSettings;
use super::test_plans::Plan;
use super::wiki::Page;
use super::work::Boards;
use super::work_items::WorkItem;
use crate::entra::Bearer;

/// The access of a member.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read and write.
    #[default]
    Contributor,
    /// Read only: writes answer 403.
    Reader,
}

/// An organization and its content.
pub(crate) struct Organization {
    pub name: String,
    pub id: Uuid,
    pub tenant: Uuid,
    /// Account key -> access.
    pub members: BTreeMap<String, Access>,
    /// The members' identities in Azure DevOps.
    pub identities: Vec<Identity>,
    pub stopped: bool,
    pub projects: Vec<Project>,
    pub repositories: Vec<Repository>,
    pub pull_requests: Vec<PullRequest>,
    pub work_items: BTreeMap<u64, WorkItem>,
    pub attachments: HashMap<Uuid, Attachment>,
    pub wiki_pages: Vec<Page>,
    pub definitions: Vec<Definition>,
    pub builds: Vec<Build>,
    pub operations: HashMap<Uuid, Operation>,
    pub nodes: Vec<Node>,
    pub boards: Boards,
    pub test_plans: Vec<Plan>,
    last_id: u64,
}

/// A project.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub visibility: String,
    pub revision: u64,
    pub updated_at: Timestamp,
}

/// An uploaded file.
pub(crate) struct Attachment {
    pub file_name: String,
    pub content: AttachmentContent,
}

/// The content of a file.
pub(crate) enum AttachmentContent {
    Uploaded(Bytes),
    /// Generated while it is sent, and held at the gate if it has one.
    Made {
        bytes: u64,
        gate: Option<Gate>,
    },
}

impl Attachment {
    /// Returns the length in bytes.
    pub fn length(&self) -> u64 {
        match &self.content {
            AttachmentContent::Uploaded(content) => {
                u64::try_from(content.len()).unwrap_or(u64::MAX)
            }
            AttachmentContent::Made { bytes, .. } => *bytes,
        }
    }

    pub fn gate(&self) -> Option<&Gate> {
        match &self.content {
            AttachmentContent::Uploaded(_) => None,
            AttachmentContent::Made { gate, .. } => gate.as_ref(),
        }
    }
}

impl Organization {
    /// An empty organization; its id follows from its name.
    pub fn new(name: &str, tenant: Uuid) -> Self {
        Self {
            name: name.to_owned(),
            id: derived_id(&format!("organization {name}")),
            tenant,
            members: BTreeMap::new(),
            identities: Vec::new(),
            stopped: false,
            projects: Vec::new(),
            repositories: Vec::new(),
            pull_requests: Vec::new(),
            work_items: BTreeMap::new(),
            attachments: HashMap::new(),
            wiki_pages: Vec::new(),
            definitions: Vec::new(),
            builds: Vec::new(),
            operations: HashMap::new(),
            nodes: Vec::new(),
            boards: Boards::default(),
            test_plans: Vec::new(),
            last_id: 100,
        }
    }

    /// Returns a new number, unique in the organization.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Returns the access of a token's bearer.
    ///
    /// # Errors
    ///
    /// If a policy blocks all calls, or the bearer is not a member.
    pub fn admit(
        &self,
        bearer: &Bearer,
        caller: &Identity,
        settings: &AzureDevOpsSettings,
    ) -> Result<Access, Failure> {
        if settings.conditional_access_blocks {
            return Err(Failure::conditional_access());
        }
        let member = self.members.get(&bearer.account).copied();
        member.filter(|_| bearer.tenant == self.tenant).ok_or_else(|| {
            let mut failure = Failure::unauthorized(&caller.id.to_string());
            failure.status = settings.non_member_status;
            failure
        })
    }

    /// Returns the position of a project by name (any case) or id.
    pub fn project_position(&self, name_or_id: &str) -> Option<usize> {
        let id = Uuid::parse_str(name_or_id).ok();
        self.projects.iter().position(|project| {
            Some(project.id) == id || project.name.eq_ignore_ascii_case(name_or_id)
        })
    }

    pub fn project_by_id(&self, id: Uuid) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// Adds a project, whose id follows from its name, and a repository of the same name.
    pub fn add_project(&mut self, name: &str, description: &str) -> Uuid {
        let id = derived_id(&format!("project {} {name}", self.name));
        self.projects.push(Project {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            visibility: "private".to_owned(),
            revision: 11,
            updated_at: seed_time(),
        });
        self.repositories.push(Repository::new(id, name, &self.name));
        id
    }

    /// Adds projects named `{prefix} 1` to `{prefix} {count}` unless they are there.
    pub fn add_projects(&mut self, prefix: &str, count: usize) {
        for name in (1..=count).map(|number| format!("{prefix} {number}")) {
            if self.project_position(&name).is_none() {
                self.add_project(&name, "");
            }
        }
    }

    /// Adds tasks to the project at `position`. Returns their ids.
    pub fn add_work_items(&mut self, position: usize, count: usize) -> Vec<u64> {
        let Project { id: project, name, .. } = self.projects[position].clone();
        (1..=count)
            .map(|number| {
                let (id, title) = (self.next_id(), format!("Task {number}"));
                let item = WorkItem::seeded(id, project, &name, "Task", &title, "New");
                self.work_items.insert(id, item);
                id
            })
            .collect()
    }
}

/// Derives an id from a text, the same on every start.
pub(crate) fn derived_id(text: &str) -> Uuid {
    let hash = digest(&SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// Returns the creation time of all content that exists at the start.
pub(crate) fn seed_time() -> Timestamp {
    // 2026-01-05T08:00:00Z
    Timestamp::from_second(1_767_600_000).unwrap_or(Timestamp::UNIX_EPOCH)
}
