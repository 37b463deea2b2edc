//! Areas and iterations of projects: the classification nodes.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, created, ok};
use super::failure::{Answer, Failure};
use super::organizations::{Organization, derived_id};
use super::routes::{Level, Route};

const PATH: &str = "wit/classificationNodes/{group}/{*path}";

pub(crate) const ROUTES: &[Route] = &[
    Route::new("wit.nodes.get", "GET", PATH, Level::Project, &["vso.work"], node),
    Route::new("wit.nodes.create", "POST", PATH, Level::Project, &["vso.work_write"], create),
];

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Areas,
    Iterations,
}

impl Group {
    fn of(call: &Call<'_>) -> Result<Self, Failure> {
        match call.parameter("group").to_ascii_lowercase().as_str() {
            "areas" => Ok(Self::Areas),
            "iterations" => Ok(Self::Iterations),
            _ => Err(Failure::not_found("The structure group")),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Areas => "area",
            Self::Iterations => "iteration",
        }
    }
}

/// An area or an iteration.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    number: u64,
    pub project: Uuid,
    pub group: Group,
    /// Below the project, with backslashes.
    pub path: String,
    pub start: Option<String>,
    pub finish: Option<String>,
}

impl Node {
    pub fn id(&self) -> Uuid {
        derived_id(&format!("node {} {:?} {}", self.project, self.group, self.path))
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('\\').next().unwrap_or_default()
    }

    /// Returns `past`, `current` or `future`.
    pub fn time_frame(&self, now: Timestamp) -> &'static str {
        let now = now.to_string();
        match (&self.start, &self.finish) {
            (Some(start), Some(_)) if now < *start => "future",
            (Some(_), Some(finish)) if now > *finish => "past",
            (Some(_), Some(_)) => "current",
            // Without dates it is in the future.
            _ => "future",
        }
    }
}

impl Organization {
    pub fn add_node(
        &mut self,
        project: Uuid,
        group: Group,
        path: &str,
        dates: Option<(&str, &str)>,
    ) -> Node {
        let node = Node {
            number: self.next_id(),
            project,
            group,
            path: path.to_owned(),
            start: dates.map(|(start, _)| start.to_owned()),
            finish: dates.map(|(_, finish)| finish.to_owned()),
        };
        self.nodes.push(node.clone());
        node
    }

    /// Returns whether a path, which begins with the project's name, is an area or an iteration.
    pub fn knows_tree_path(&self, path: &str) -> bool {
        let (project, below) = path.split_once('\\').unwrap_or((path, ""));
        let Some(position) = self.project_position(project) else { return false };
        let project = self.projects[position].id;
        let is_it = |node: &Node| node.project == project && node.path.eq_ignore_ascii_case(below);
        below.is_empty() || self.nodes.iter().any(is_it)
    }
}

fn wanted(call: &Call<'_>) -> String {
    call.parameter("path").trim_matches('/').replace('/', "\\")
}

/// Shows a node, or the root of the project if the path is empty. Without `$depth` nothing below it is shown.
fn shown(call: &Call<'_>, group: Group, path: &str, depth: usize) -> Value {
    let project = call.project();
    let (id, name) = project.map(|one| (one.id, one.name.clone())).unwrap_or_default();
    let is_here = |node: &&Node| node.project == id && node.group == group;
    let nodes: Vec<&Node> = call.organization.nodes.iter().filter(is_here).collect();
    let this = nodes.iter().find(|node| node.path == path);
    let below: Vec<_> = nodes
        .iter()
        .filter(|node| node.path.rsplit_once('\\').map_or("", |(parent, _)| parent) == path)
        .filter(|node| !node.path.is_empty())
        .collect();
    let word = group.word();
    let kind = if group == Group::Areas { "Area" } else { "Iteration" };
    let tail = if path.is_empty() { String::new() } else { format!("\\{path}") };
    let url = format!(
        "{}/{id}/_apis/wit/classificationNodes/{word}s{}",
        call.base(),
        tail.replace('\\', "/")
    );
    let mut body = json!({
        "id": this.map_or(1, |node| node.number),
        "identifier": this.map_or_else(|| derived_id(&format!("root {id} {word}")), |node| node.id()),
        "name": this.map_or(name.as_str(), |node| node.name()),
        "structureType": word,
        "hasChildren": !below.is_empty(),
        "path": format!("\\{name}\\{kind}{tail}"),
        "_links": {"self": {"href": url}},
        "url": url,
    });
    if let Some(Node { start: Some(start), finish: Some(finish), .. }) = this {
        body["attributes"] = json!({"startDate": start, "finishDate": finish});
    }
    if depth > 0 && !below.is_empty() {
        let below = below.iter().map(|node| shown(call, group, &node.path, depth - 1));
        body["children"] = below.collect();
    }
    body
}

fn node(call: &mut Call<'_>) -> Answer {
    let group = Group::of(call)?;
    let depth = call.query.get_any_case("$depth").and_then(|depth| depth.parse().ok()).unwrap_or(0);
    let path = existing(call, group)?;
    ok(&shown(call, group, &path, depth))
}

/// Returns the path of the node that is named, as it is spelled.
fn existing(call: &Call<'_>, group: Group) -> Result<String, Failure> {
    let wanted = wanted(call);
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let project = call.project().map(|project| project.id);
    let found = call.organization.nodes.iter().find(|node| {
        Some(node.project) == project
            && node.group == group
            && node.path.eq_ignore_ascii_case(&wanted)
    });
    found.map(|node| node.path.clone()).ok_or_else(|| Failure::classification_node(&wanted))
}

#[derive(Deserialize)]
struct NewNode {
    name: String,
    #[serde(default)]
    attributes: Option<Dates>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dates {
    start_date: Option<String>,
    finish_date: Option<String>,
}

fn create(call: &mut Call<'_>) -> Answer {
    let new: NewNode = call.json()?;
    let group = Group::of(call)?;
    let parent = existing(call, group)?;
    let path = if parent.is_empty() { new.name.clone() } else { format!("{parent}\\{}", new.name) };
    let project = call.project().map(|project| project.id).unwrap_or_default();
    let is_there = call.organization.nodes.iter().any(|node| {
        node.project == project && node.group == group && node.path.eq_ignore_ascii_case(&path)
    });
    if is_there {
        return Err(Failure::classification_node_exists(&new.name));
    }
    let midnight =
        |date: String| if date.contains('T') { date } else { format!("{date}T00:00:00Z") };
    let dates = new.attributes.and_then(|dates| Some((dates.start_date?, dates.finish_date?)));
    let dates = dates.map(|(start, finish)| (midnight(start), midnight(finish)));
    let dates = dates.as_ref().map(|(start, finish)| (start.as_str(), finish.as_str()));
    call.organization.add_node(project, group, &path, dates);
    created(&shown(call, group, &path, 0))
}
