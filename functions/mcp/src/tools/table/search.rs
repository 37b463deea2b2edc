//! The toolset `search`: full-text search.

use devops::host::Family::Almsearch;
use vault::integrations::Toolset::Search;

use crate::tools::parameter::{
    AREA, BRANCH, Kind, LIMIT, NEXT, PATH, PROJECT, Parameter, REPOSITORY, SINCE, TEXT, UNTIL, WIKI,
};
use crate::tools::tool::{Paging, Tool, Verb};

const ASSIGNED_TO: Parameter = Parameter::new("assigned_to", Kind::Text);
const AUTHOR: Parameter = Parameter::new("author", Kind::Text);
const STATE: Parameter = Parameter::new("state", Kind::Text);
const TYPE: Parameter = Parameter::new("type", Kind::Text);

pub(super) const TOOLS: &[Tool] = &[
    Tool::new(
        "search_code",
        Search,
        "Code by text; filters as in the web search (`ext:cs`, `path:src`, `proj:X`).",
    )
    .takes(&[TEXT.required(), PROJECT, REPOSITORY, PATH, BRANCH, LIMIT, NEXT])
    .at(Almsearch)
    .call(Verb::Post, "/{project?}/_apis/search/codesearchresults")
    .body(&[
        ("searchText", "text"),
        ("includeSnippet", "=true"),
        ("filters.Project", "project|list"),
        ("filters.Repository", "repository|list"),
        ("filters.Path", "path|list"),
        ("filters.Branch", "branch|list"),
    ])
    .items("results")
    .pages(Paging::Skip)
    .shows(
        "path project:project.name repository:repository.name branch:versions.0.branchName \
         matches:matches.content[line text:codeSnippet]",
    ),
    Tool::new("search_work_items", Search, "Work items by text.")
        .takes(&[TEXT.required(), PROJECT, TYPE, STATE, ASSIGNED_TO, AREA, LIMIT, NEXT])
        .at(Almsearch)
        .call(Verb::Post, "/{project?}/_apis/search/workitemsearchresults")
        .body(&[
            ("searchText", "text"),
            ("filters.System\\.TeamProject", "project|list"),
            ("filters.System\\.WorkItemType", "type|list"),
            ("filters.System\\.State", "state|list"),
            ("filters.System\\.AssignedTo", "assigned_to|list"),
            ("filters.System\\.AreaPath", "area|list"),
        ])
        .items("results")
        .pages(Paging::Skip)
        .shows(
            "id:fields.system\\.id type:fields.system\\.workitemtype title:fields.system\\.title \
             state:fields.system\\.state assigned:fields.system\\.assignedto project:project.name hits|highlights",
        ),
    Tool::new("search_wiki", Search, "Wiki pages by text.")
        .takes(&[TEXT.required(), PROJECT, WIKI, LIMIT, NEXT])
        .at(Almsearch)
        .call(Verb::Post, "/{project?}/_apis/search/wikisearchresults")
        .body(&[
            ("searchText", "text"),
            ("filters.Project", "project|list"),
            ("filters.Wiki", "wiki|list"),
        ])
        .items("results")
        .pages(Paging::Skip)
        .shows("path project:project.name wiki:wiki.name hits|highlights"),
    // The members of this preview are those that Microsoft's own server sends.
    Tool::new("search_commits", Search, "Commits of all repositories by text, author and time.")
        .takes(&[TEXT.required(), PROJECT, REPOSITORY, BRANCH, AUTHOR, SINCE, UNTIL, LIMIT, NEXT])
        .at(Almsearch)
        .call(
            Verb::Post,
            "/{project?}/_apis/search/commitSearchResults?api-version=7.2-preview.1",
        )
        .body(&[
            ("searchText", "text"),
            ("filters.projectName", "project|list"),
            ("filters.repositoryName", "repository|list"),
            ("filters.branchName", "branch|list"),
            ("filters.authorName", "author|list"),
            ("filters.commitStartDate", "since|list"),
            ("filters.commitEndDate", "until|list"),
        ])
        .items("results")
        .pages(Paging::Skip)
        .shows("commit:commitId|hash comment by:authorName at:authorDate|time repository:repositoryName"),
];
