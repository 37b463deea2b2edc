//! The faults of a row: a test looks for them in every row.

use super::tool::{Call, Does, Paging, Tool, Verb};
use crate::engine::fill::Template;
use crate::engine::show::Projection;

/// The longest name of a tool (SEP-986).
const LONGEST_NAME: usize = 64;

impl Tool {
    /// Returns everything that is wrong with the row.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !is_word(self.name) || self.name.len() > LONGEST_NAME {
            faults.push("its name is no word".to_owned());
        }
        if !self.about.ends_with('.') {
            faults.push("its description is no sentence".to_owned());
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            if !is_word(parameter.name) {
                faults.push(format!("{} is no name of a parameter", parameter.name));
            }
            if self.parameters[..index].iter().any(|other| other.name == parameter.name) {
                faults.push(format!("{} is there twice", parameter.name));
            }
        }
        if let Does::Call(call) = &self.does {
            faults.extend(self.faults_of(call));
        }
        faults
    }

    fn faults_of(&self, call: &Call) -> Vec<String> {
        let mut faults = Vec::new();
        if !call.path.starts_with('/') {
            faults.push("it has no path".to_owned());
        }
        if let Err(fault) = Projection::parse(call.show) {
            faults.push(format!("show: {fault}"));
        }
        let used = match Template::parse(call) {
            Ok(template) => template.arguments(),
            Err(fault) => {
                faults.push(fault);
                return faults;
            }
        };
        for name in &used {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                faults.push(format!("it uses {name}, which is no parameter"));
            }
        }
        for parameter in self.parameters {
            let is_of_pages = ["limit", "next"].contains(&parameter.name);
            if !is_of_pages && !used.contains(&parameter.name) {
                faults.push(format!("it ignores {}", parameter.name));
            }
        }
        let has_next = self.parameters.iter().any(|parameter| parameter.name == "next");
        if has_next == (call.paging == Paging::None) {
            faults.push("it takes `next` if and only if its list has pages".to_owned());
        }
        if call.method != Verb::Post && call.method != Verb::Get && self.only_reads() {
            faults.push("its method writes, and it only reads".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use devops::host::Family;
    use vault::integrations::Toolset::Core;

    use super::*;
    use crate::tools::parameter::{Kind, LIMIT, NEXT, PROJECT, Parameter, TEXT};
    use crate::tools::tool::Effect;

    const BRANCH: Parameter = Parameter::new("branch", Kind::Text);
    const REPOSITORY: Parameter = Parameter::new("repository", Kind::Text);
    const TITLE: Parameter = Parameter::new("title", Kind::Text);
    const PEOPLE: Kind = Kind::List { of: &Kind::Person, most: 20 };

    /// Rows of every shape that Azure DevOps' calls have.
    const WHOLE: &[Tool] = &[
        Tool::new("list_builds", Core, "Builds, newest first.")
            .takes(&[PROJECT.required(), BRANCH, LIMIT, NEXT])
            .get("/{project}/_apis/build/builds")
            .query(&[("branchName", "branch|ref"), ("queryOrder", "=queueTimeDescending")])
            .pages(Paging::Token)
            .shows("id number:buildNumber branch:sourceBranch|branch commit:sourceVersion|hash finished:finishTime|time"),
        Tool::new("list_pull_requests", Core, "Pull requests, newest first.")
            .takes(&[PROJECT.required(), REPOSITORY, Parameter::new("creator", Kind::Person), LIMIT, NEXT])
            .get("/{project}/_apis/git/repositories/{repository?}/pullrequests")
            .query(&[("searchCriteria.creatorId", "creator")])
            .pages(Paging::Skip)
            .shows("id:pullRequestId title reviewers[name:displayName vote|vote]"),
        Tool::new("create_pull_request", Core, "Opens a pull request.")
            .takes(&[
                PROJECT.required(),
                REPOSITORY.required(),
                TITLE.required(),
                Parameter::new("reviewers", PEOPLE),
            ])
            .has(Effect::Adds)
            .call(Verb::Post, "/{project}/_apis/git/repositories/{repository}/pullrequests")
            .body(&[("title", "title"), ("reviewers", "reviewers|as:id")])
            .shows("id:pullRequestId title"),
        Tool::new("vote_on_pull_request", Core, "Gives the user's vote.")
            .takes(&[
                PROJECT.required(),
                Parameter::new("vote", Kind::OneOf(&["approve", "reject"])).required(),
            ])
            .has(Effect::Changes)
            .call(Verb::Put, "/{project}/_apis/git/pullRequests/1/reviewers/{=me}")
            .body(&[("vote", "vote|vote")])
            .shows("name:displayName vote|vote"),
        Tool::new("search_code", Core, "Code by text.")
            .takes(&[TEXT.required(), PROJECT, LIMIT, NEXT])
            .at(Family::Almsearch)
            .call(Verb::Post, "/{project?}/_apis/search/codesearchresults?api-version=7.1-preview.1")
            .body(&[("searchText", "text"), ("filters.Project", "project|list")])
            .items("results")
            .pages(Paging::Skip)
            .shows("path project:project.name branch:versions.0.branchName matches:matches.content|count"),
        Tool::new("list_files", Core, "Files below a folder.")
            .takes(&[PROJECT.required(), Parameter::new("recursive", Kind::Boolean), NEXT])
            .get("/{project}/_apis/git/items")
            .query(&[("recursionLevel", "recursive?Full:OneLevel")])
            .pages(Paging::Cut)
            .shows("path folder:isFolder"),
        Tool::new("get_security_alert", Core, "One alert.")
            .takes(&[Parameter::new("id", Kind::Integer { most: None }).required()])
            .at(Family::Advsec)
            .get("/_apis/alert/alerts/{id}")
            .shows("*"),
    ];

    #[test]
    fn rows_of_every_shape_are_whole() {
        for tool in WHOLE {
            assert_eq!(tool.faults(), Vec::<String>::new(), "{}", tool.name);
        }
    }

    #[test]
    fn each_fault_of_a_row_is_named() {
        const CAPITAL: Parameter = Parameter::new("Project", Kind::Text);
        const ROW: Tool = Tool::new("a_tool", Core, "A tool.").get("/x").shows("id");
        for (tool, fault) in [
            (Tool::new("A-Tool", Core, "A tool.").get("/x").shows("id"), "its name"),
            (Tool::new("a_tool", Core, "A tool").get("/x").shows("id"), "its description"),
            (ROW.takes(&[PROJECT]), "it ignores project"),
            (ROW.takes(&[PROJECT, PROJECT]), "project is there twice"),
            (ROW.takes(&[CAPITAL]), "is no name of a parameter"),
            (ROW.get("/{project}"), "it uses project, which is no parameter"),
            (ROW.get("x"), "it has no path"),
            (ROW.get("/{x"), "its path has an open brace"),
            (ROW.shows("id|x"), "show: there is no filter x"),
            (ROW.shows(""), "show: shows nothing"),
            (ROW.query(&[("a", "a|x")]), "there is no filter x"),
            (ROW.takes(&[NEXT]), "it takes `next`"),
            (ROW.pages(Paging::Token), "it takes `next`"),
            (ROW.call(Verb::Patch, "/x"), "its method writes"),
        ] {
            let faults = tool.faults().join("; ");
            assert!(faults.contains(fault), "{fault}: {faults}");
        }
    }
}
