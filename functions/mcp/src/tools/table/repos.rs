//! The toolset `repos`: Git repositories and pull requests.

use vault::integrations::Toolset::Repos;

use crate::crafted;
use crate::tools::parameter::{
    BRANCH, CONTENT, DESCRIPTION, Kind, LIMIT, NEXT, PATH, PROJECT, Parameter, REPOSITORY, SINCE,
    TEXT, TITLE,
};
use crate::tools::tool::{Effect, Paging, Tool, Verb};

const NUMBER: Kind = Kind::Integer { most: None };
const PEOPLE: Kind = Kind::List { of: &Kind::Person, most: 20 };
const ADD: Parameter = Parameter::new("add", PEOPLE);
const ALL: Parameter = Parameter::new("all", Kind::Boolean).about("Resolved ones, too");
const AT: Parameter = Parameter::new("at", Kind::Text).about("Branch, `tags/…` or whole commit id");
const AUTHOR: Parameter = Parameter::new("author", Kind::Text);
const AUTO_COMPLETE: Parameter = Parameter::new("auto_complete", Kind::Boolean);
const BASE: Parameter = Parameter::new("base", Kind::Text);
const CHANGE: Kind = Kind::Record(&[
    PATH.required(),
    Parameter::new("content", Kind::Content),
    Parameter::new("delete", Kind::Boolean),
    Parameter::new("rename_from", Kind::Text),
]);
const CHANGES: Parameter = Parameter::new("changes", Kind::List { of: &CHANGE, most: 100 });
const COMMENT: Parameter = Parameter::new("comment", NUMBER);
const COMMIT: Parameter = Parameter::new("commit", Kind::Text);
const CREATOR: Parameter = Parameter::new("creator", Kind::Person);
const DELETE_SOURCE: Parameter = Parameter::new("delete_source", Kind::Boolean);
const DRAFT: Parameter = Parameter::new("draft", Kind::Boolean);
const FINISH: Parameter = Parameter::new("finish_work_items", Kind::Boolean);
const FROM: Parameter = Parameter::new("from", Kind::Text);
const FROM_LINE: Parameter = Parameter::new("from_line", NUMBER);
const HEAD: Parameter = Parameter::new("head", Kind::Text);
const LABELS: Parameter = Parameter::new("labels", Kind::List { of: &Kind::Text, most: 20 });
const LEFT: Parameter = Parameter::new("left", Kind::Boolean).about("Lines of the version before");
const LINE: Parameter = Parameter::new("line", NUMBER);
const MERGED_AS: Parameter =
    Parameter::new("merged_as", Kind::Boolean).about("It is the merge commit");
const MESSAGE: Parameter = Parameter::new("message", Kind::Text);
const MINE: Parameter = Parameter::new("mine", Kind::Boolean);
const PULL_REQUEST: Parameter = Parameter::new("pull_request", NUMBER);
const RECURSIVE: Parameter = Parameter::new("recursive", Kind::Boolean);
const REMOVE: Parameter = Parameter::new("remove", PEOPLE);
const REQUIRED: Parameter = Parameter::new("required", Kind::Boolean);
const REVIEWED: Parameter =
    Parameter::new("commit", Kind::Text).about("Last commit of the source, from get_pull_request");
const REVIEWER: Parameter = Parameter::new("reviewer", Kind::Person);
const REVIEWERS: Parameter = Parameter::new("reviewers", PEOPLE);
const SINCE_ITERATION: Parameter = Parameter::new("since_iteration", NUMBER);
const SOURCE: Parameter = Parameter::new("source", Kind::Text);
const STATE: Parameter =
    Parameter::new("status", Kind::OneOf(&["active", "completed", "abandoned", "all"]));
const STRATEGY: Parameter =
    Parameter::new("strategy", Kind::OneOf(&["noFastForward", "squash", "rebase", "rebaseMerge"]));
const TARGET: Parameter = Parameter::new("target", Kind::Text);
const THREAD: Parameter = Parameter::new("thread", NUMBER);
const THREAD_STATE: Parameter = Parameter::new(
    "status",
    Kind::OneOf(&["active", "fixed", "wontFix", "closed", "byDesign", "pending"]),
);
const TO_LINE: Parameter = Parameter::new("to_line", NUMBER);
const TO_STATE: Parameter = Parameter::new("status", Kind::OneOf(&["active", "abandoned"]));
const UNTIL: Parameter = Parameter::new("until", Kind::Text);
const VOTE: Parameter = Parameter::new(
    "vote",
    Kind::OneOf(&["approve", "approve_with_suggestions", "wait", "reject", "reset"]),
);
const WORK_ITEMS: Parameter = Parameter::new("work_items", Kind::List { of: &NUMBER, most: 50 });

/// The parts of a repository that are shown.
const SHOWN: &str = "name id project:project.name default:defaultBranch|branch size disabled:isDisabled fork:isFork \
     url:webUrl";

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("list_repositories", Repos, "Git repositories of a project, or of all.")
        .takes(&[PROJECT])
        .get("/{project?}/_apis/git/repositories")
        .shows(SHOWN),
    Tool::new("get_repository", Repos, "One repository.")
        .takes(&[PROJECT.required(), REPOSITORY.required()])
        .get("/{project}/_apis/git/repositories/{repository}")
        .shows(SHOWN),
    Tool::new("list_branches", Repos, "Branches, those whose name contains a text, or the user's.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), TEXT, MINE, LIMIT, NEXT])
        .get("/{project}/_apis/git/repositories/{repository}/refs")
        .query(&[
            ("filter", "=heads/"),
            ("filterContains", "text"),
            ("includeMyBranches", "mine"),
        ])
        .pages(Paging::Token)
        .shows("name|branch commit:objectId by:creator.displayName"),
    Tool::new("create_branch", Repos, "Creates a branch at another branch or at a commit.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), BRANCH.required(), FROM.required()])
        .has(Effect::Adds)
        .steps(crafted::create_branch),
    Tool::new("list_files", Repos, "Files below a folder, at a branch, tag or commit.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), PATH, AT, RECURSIVE, NEXT])
        .get("/{project}/_apis/git/repositories/{repository}/items")
        .query(&[
            ("scopePath", "path"),
            ("recursionLevel", "recursive?Full:OneLevel"),
            ("versionDescriptor.version", "at|version"),
            ("versionDescriptor.versionType", "at|version_type"),
        ])
        .pages(Paging::Cut)
        .shows("path folder:isFolder"),
    Tool::new("get_file", Repos, "A file, or some of its lines; an image as an image.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), PATH.required(), AT, FROM_LINE, TO_LINE])
        .steps(crafted::get_file),
    Tool::new("push_files", Repos, "Commits changed files to a branch.")
        .takes(&[
            PROJECT.required(),
            REPOSITORY.required(),
            BRANCH.required(),
            MESSAGE.required(),
            CHANGES.required(),
        ])
        .has(Effect::Changes)
        .steps(crafted::push_files),
    Tool::new("list_commits", Repos, "Commits, newest first: of a branch, a path, an author, a time.")
        .takes(&[
            PROJECT.required(), REPOSITORY.required(), BRANCH, PATH, AUTHOR, SINCE, UNTIL, LIMIT, NEXT,
        ])
        .get("/{project}/_apis/git/repositories/{repository}/commits")
        .query(&[
            ("searchCriteria.itemVersion.version", "branch"),
            ("searchCriteria.itemPath", "path"),
            ("searchCriteria.author", "author"),
            ("searchCriteria.fromDate", "since"),
            ("searchCriteria.toDate", "until"),
        ])
        .pages(Paging::Skip)
        .shows("id:commitId by:author.name at:author.date|time comment changes:changeCounts"),
    Tool::new(
        "get_diff",
        Repos,
        "What a commit changed, or what `head` changed since it left `base`, as a unified diff.",
    )
    .takes(&[PROJECT.required(), REPOSITORY.required(), HEAD.required(), BASE, PATH, NEXT])
    .steps(crafted::get_diff),
    Tool::new("list_pull_requests", Repos, "Pull requests of a project or repository, newest first.")
        .takes(&[
            PROJECT.required(), REPOSITORY, STATE, CREATOR, REVIEWER, SOURCE, TARGET, LIMIT, NEXT,
        ])
        .get("/{project}/_apis/git/{repositories/repository?}/pullrequests")
        .query(&[
            ("searchCriteria.status", "status"),
            ("searchCriteria.creatorId", "creator"),
            ("searchCriteria.reviewerId", "reviewer"),
            ("searchCriteria.sourceRefName", "source|ref"),
            ("searchCriteria.targetRefName", "target|ref"),
        ])
        .pages(Paging::Skip)
        .shows(
            "id:pullRequestId title status draft:isDraft by:createdBy.displayName created:creationDate|time \
             source:sourceRefName|branch target:targetRefName|branch repository:repository.name merge:mergeStatus \
             reviewers[name:displayName vote|vote]",
        ),
    Tool::new("find_pull_requests_by_commit", Repos, "Pull requests that contain or merged a commit.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), COMMIT.required(), MERGED_AS])
        .call(Verb::Post, "/{project}/_apis/git/repositories/{repository}/pullrequestquery")
        .body(&[
            ("queries.0.items", "commit|list"),
            ("queries.0.type", "merged_as?lastMergeCommit:commit"),
        ])
        .items("results.0.*")
        .shows(
            "id:pullRequestId title status by:createdBy.displayName source:sourceRefName|branch \
             target:targetRefName|branch",
        ),
    Tool::new(
        "get_pull_request",
        Repos,
        "A pull request: reviewers, checks, work items, labels, changed files.",
    )
    .takes(&[PROJECT.required(), PULL_REQUEST.required()])
    .steps(crafted::get_pull_request),
    Tool::new(
        "get_pull_request_diff",
        Repos,
        "A pull request's changes as a unified diff; of one path, or since an iteration.",
    )
    .takes(&[PROJECT.required(), PULL_REQUEST.required(), PATH, SINCE_ITERATION, NEXT])
    .steps(crafted::get_pull_request_diff),
    Tool::new(
        "list_pull_request_threads",
        Repos,
        "Review comments, without the system's own; only open ones unless all are asked for.",
    )
    .takes(&[PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), ALL, NEXT])
    .steps(crafted::list_pull_request_threads),
    Tool::new("create_pull_request", Repos, "Opens a pull request.")
        .takes(&[
            PROJECT.required(), REPOSITORY.required(), SOURCE.required(), TARGET.required(), TITLE.required(),
            DESCRIPTION, DRAFT, REVIEWERS, WORK_ITEMS, LABELS,
        ])
        .has(Effect::Adds)
        .call(Verb::Post, "/{project}/_apis/git/repositories/{repository}/pullrequests")
        .body(&[
            ("sourceRefName", "source|ref"), ("targetRefName", "target|ref"), ("title", "title"),
            ("description", "description"), ("isDraft", "draft"), ("reviewers", "reviewers|as:id"),
            ("workItemRefs", "work_items|texts|as:id"), ("labels", "labels|as:name"),
        ])
        .shows("id:pullRequestId title status url:repository.webUrl"),
    Tool::new(
        "update_pull_request",
        Repos,
        "Changes a pull request: its texts, target, draft state, auto-complete, or whether it is abandoned.",
    )
    .takes(&[
        PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), TITLE, DESCRIPTION, TARGET, DRAFT,
        AUTO_COMPLETE, TO_STATE,
    ])
    .has(Effect::Changes)
    .call(Verb::Patch, "/{project}/_apis/git/repositories/{repository}/pullrequests/{pull_request}")
    .body(&[
        ("title", "title"), ("description", "description"), ("targetRefName", "target|ref"),
        ("isDraft", "draft"), ("status", "status"), ("autoCompleteSetBy.id", "auto_complete|me_or_nobody"),
    ])
    .shows("id:pullRequestId title status draft:isDraft auto_complete:autoCompleteSetBy.displayName"),
    Tool::new(
        "complete_pull_request",
        Repos,
        "Merges a pull request at the commit that was reviewed.",
    )
    .takes(&[
        PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), REVIEWED.required(), STRATEGY, MESSAGE,
        DELETE_SOURCE, FINISH,
    ])
    .has(Effect::Destroys)
    .call(Verb::Patch, "/{project}/_apis/git/repositories/{repository}/pullrequests/{pull_request}")
    .body(&[
        ("status", "=completed"), ("lastMergeSourceCommit.commitId", "commit"),
        ("completionOptions.mergeStrategy", "strategy"), ("completionOptions.mergeCommitMessage", "message"),
        ("completionOptions.deleteSourceBranch", "delete_source"),
        ("completionOptions.transitionWorkItems", "finish_work_items"),
    ])
    .shows("id:pullRequestId status merge:mergeStatus commit:lastMergeCommit.commitId"),
    Tool::new("change_pull_request_reviewers", Repos, "Adds or removes reviewers.")
        .takes(&[
            PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), ADD, REMOVE, REQUIRED,
        ])
        .has(Effect::Changes)
        .steps(crafted::change_pull_request_reviewers),
    Tool::new("vote_on_pull_request", Repos, "Gives the user's vote.")
        .takes(&[
            PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), VOTE.required(),
        ])
        .has(Effect::Changes)
        .call(
            Verb::Put,
            "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/reviewers/{=me}",
        )
        .body(&[("vote", "vote|vote")])
        .shows("name:displayName vote|vote"),
    Tool::new(
        "comment_on_pull_request",
        Repos,
        "Comments on a pull request, on lines of a file, or in a thread.",
    )
    .takes(&[
        PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), CONTENT.required(), THREAD, PATH, LINE,
        TO_LINE, LEFT,
    ])
    .has(Effect::Adds)
    .steps(crafted::comment_on_pull_request),
    Tool::new(
        "update_pull_request_thread",
        Repos,
        "Resolves or reopens a thread, or edits a comment in it.",
    )
    .takes(&[
        PROJECT.required(), REPOSITORY.required(), PULL_REQUEST.required(), THREAD.required(), THREAD_STATE, COMMENT,
        CONTENT,
    ])
    .has(Effect::Changes)
    .steps(crafted::update_pull_request_thread),
];
