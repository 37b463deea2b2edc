//! The route of each path: case-insensitive, after removing organization and project.

use std::collections::HashMap;

use super::call::Call;
use super::failure::Answer;
use super::hosts::Site;
use super::{
    advsec, artifacts, attachments, builds, classification, comments, core, credentials, git,
    identity, locations, pipelines, queries, search, test_plans, timeline, trees, wiki, work,
    work_item_fields, work_items,
};
use crate::request::Received;

/// The possible places of a resource in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// `/{organization}/_apis/…` only.
    Organization,
    /// `/{organization}/{project}/_apis/…` only.
    Project,
    /// Both.
    Either,
}

/// One operation.
pub(crate) struct Route {
    /// The name for counts and faults.
    pub name: &'static str,
    method: &'static str,
    /// The path after `_apis/`.
    pattern: &'static str,
    level: Level,
    /// Any of these scopes suffices; if empty, every valid token does.
    pub scopes: &'static [&'static str],
    pub handler: fn(&mut Call<'_>) -> Answer,
}

impl Route {
    pub const fn new(
        name: &'static str,
        method: &'static str,
        pattern: &'static str,
        level: Level,
        scopes: &'static [&'static str],
        handler: fn(&mut Call<'_>) -> Answer,
    ) -> Self {
        Self { name, method, pattern, level, scopes, handler }
    }

    /// Whether it writes, so that readers may not use it.
    pub fn writes(&self) -> bool {
        self.scopes.iter().any(|scope| {
            scope.ends_with("_write") || scope.ends_with("_execute") || scope.ends_with("_manage")
        })
    }
}

/// Returns the routes of a family of hosts; some, such as connectionData, exist in every one.
fn tables(family: &str) -> Vec<&'static [Route]> {
    let mut tables = vec![locations::ROUTES];
    match family {
        "" => tables.extend([
            core::ROUTES,
            git::ROUTES,
            work_items::ROUTES,
            work_item_fields::ROUTES,
            comments::ROUTES,
            queries::ROUTES,
            classification::ROUTES,
            work::ROUTES,
            test_plans::ROUTES,
            attachments::ROUTES,
            builds::ROUTES,
            artifacts::ROUTES,
            pipelines::ROUTES,
            timeline::ROUTES,
            trees::ROUTES,
            wiki::ROUTES,
            credentials::SESSION_ROUTES,
            credentials::CONTRIBUTION_ROUTES,
            credentials::HOOK_ROUTES,
        ]),
        "vssps" => tables.extend([
            identity::ROUTES,
            credentials::TOKEN_ROUTES,
            credentials::SESSION_ROUTES,
        ]),
        "almsearch" => tables.push(search::ROUTES),
        "advsec" => tables.push(advsec::ROUTES),
        "vstoken" => tables.push(credentials::SESSION_ROUTES),
        "vssh" => tables.push(credentials::HOOK_ROUTES),
        "vsaex" => tables.push(identity::ENTITLEMENT_ROUTES),
        _ => {}
    }
    tables
}

/// The target of a request.
pub(crate) struct Target {
    pub site: Site,
    /// Absent at deployment level.
    pub organization: Option<String>,
    pub project: Option<String>,
    pub team: Option<String>,
    /// Decoded segments after `_apis`; `None`: the path has no `_apis`.
    pub rest: Option<Vec<String>>,
    /// Decoded path after the organization.
    pub path: String,
}

impl Target {
    /// Returns the target of a request, or `None` if its host is not one of Azure DevOps.
    pub fn of(received: &Received) -> Option<Self> {
        let site = Site::of(received)?;
        let mut segments = received.segments();
        let organization = match &site {
            Site::Named { .. } if segments.first().is_some_and(|first| !is_apis(first)) => {
                Some(segments.remove(0))
            }
            Site::Legacy { organization, .. } => Some(organization.clone()),
            _ => None,
        };
        let path = format!("/{}", segments.join("/"));
        if segments.first().is_some_and(|first| first.eq_ignore_ascii_case("DefaultCollection")) {
            segments.remove(0);
        }
        let at = segments.iter().position(|segment| is_apis(segment));
        let rest = at.map(|at| segments.split_off(at).split_off(1));
        let mut before = segments.into_iter().filter(|_| rest.is_some());
        Some(Self { site, organization, project: before.next(), team: before.next(), rest, path })
    }

    /// Returns the route and the values of its `{…}` segments, or `None`.
    pub fn route(&self, method: &str) -> Option<(&'static Route, HashMap<&'static str, String>)> {
        self.matching().find(|(route, _)| route.method == method)
    }

    /// Whether the path exists with another method.
    pub fn knows_path(&self) -> bool {
        self.matching().any(|(route, _)| route.method != "OPTIONS")
    }

    fn matching(&self) -> impl Iterator<Item = (&'static Route, HashMap<&'static str, String>)> {
        let rest = self.rest.as_deref();
        let level = if self.project.is_some() { Level::Project } else { Level::Organization };
        tables(self.site.family())
            .into_iter()
            .flatten()
            .filter(move |route| route.level == Level::Either || route.level == level)
            .filter_map(move |route| Some((route, fit(route.pattern, rest?)?)))
    }
}

fn is_apis(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("_apis")
}

fn fit(pattern: &'static str, segments: &[String]) -> Option<HashMap<&'static str, String>> {
    let mut values = HashMap::new();
    let mut segments = segments.iter();
    let mut wanted = pattern.split('/').filter(|part| !part.is_empty());
    loop {
        match (wanted.next(), segments.next()) {
            (None, None) => return Some(values),
            (Some(part), Some(segment)) => {
                let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
                if let Some(name) = name.and_then(|name| name.strip_prefix('*')) {
                    let rest: Vec<&str> =
                        std::iter::once(segment).chain(segments).map(String::as_str).collect();
                    values.insert(name, rest.join("/"));
                    return Some(values);
                }
                if let Some(name) = name {
                    values.insert(name, segment.clone());
                } else if !part.eq_ignore_ascii_case(segment) {
                    return None;
                }
            }
            // Nothing is a value of `{*name}`.
            (Some(part), None) if part.starts_with("{*") => return Some(values),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn patterns_ignore_case_and_collect_values() {
        let segments = ["Git".to_owned(), "REPOSITORIES".to_owned(), "Web".to_owned()];
        let values = fit("git/repositories/{repository}", &segments).unwrap();
        assert_eq!(values["repository"], "Web");
        assert!(fit("git/repositories", &segments).is_none());
        assert_eq!(fit("git/{*rest}", &segments).unwrap()["rest"], "REPOSITORIES/Web");
        assert!(fit("git/repositories/web/{*rest}", &segments).unwrap().is_empty());
    }
}
