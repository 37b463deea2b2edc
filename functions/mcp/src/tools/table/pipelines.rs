//! The toolset `pipelines`: pipelines and their builds.

use vault::integrations::Toolset::Pipelines;

use crate::crafted;
use crate::tools::parameter::{
    BRANCH, Kind, LIMIT, NAME, NEXT, PATH, PROJECT, Parameter, REPOSITORY, SINCE, TEXT,
};
use crate::tools::tool::{Effect, Paging, Tool, Verb};

const NUMBER: Kind = Kind::Integer { most: None };
const ACTION: Parameter = Parameter::new("do", Kind::OneOf(&["cancel", "retry"]));
const BUILD: Parameter = Parameter::new("build", NUMBER);
const FOLDER: Parameter = Parameter::new("folder", Kind::Text);
const FROM_LINE: Parameter = Parameter::new("from_line", NUMBER);
const LOG: Parameter = Parameter::new("log", NUMBER);
const PARAMETERS: Parameter = Parameter::new("parameters", Kind::Object);
const PIPELINE: Parameter = Parameter::new("pipeline", NUMBER);
const PREVIEW: Parameter = Parameter::new("preview", Kind::Boolean);
const REQUESTED_FOR: Parameter = Parameter::new("requested_for", Kind::Text);
const RESULT: Parameter = Parameter::new(
    "result",
    Kind::OneOf(&["succeeded", "partiallySucceeded", "failed", "canceled"]),
);
const SKIPPED: Parameter = Parameter::new("skip_stages", Kind::List { of: &Kind::Text, most: 50 });
const STAGE: Parameter = Parameter::new("stage", Kind::Text);
const STATUS: Parameter = Parameter::new(
    "status",
    Kind::OneOf(&["inProgress", "completed", "notStarted", "cancelling", "all"]),
);
const TO_LINE: Parameter = Parameter::new("to_line", NUMBER);
const VARIABLES: Parameter = Parameter::new("variables", Kind::Object);

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("list_pipelines", Pipelines, "Pipelines (build definitions) with their last build.")
        .takes(&[PROJECT.required(), TEXT, PATH, LIMIT, NEXT])
        .get("/{project}/_apis/build/definitions")
        .query(&[
            ("name", "text|contains"), ("path", "path"), ("includeLatestBuilds", "=true"),
            ("queryOrder", "=definitionNameAscending"),
        ])
        .pages(Paging::Token)
        .shows(
            "id name folder:path latest:latestBuild.result at:latestBuild.finishTime|time disabled:queueStatus|disabled",
        ),
    Tool::new("list_builds", Pipelines, "Builds, newest first.")
        .takes(&[
            PROJECT.required(), PIPELINE, BRANCH, STATUS, RESULT, REQUESTED_FOR, SINCE, LIMIT, NEXT,
        ])
        .get("/{project}/_apis/build/builds")
        .query(&[
            ("definitions", "pipeline"), ("branchName", "branch|ref"), ("statusFilter", "status"),
            ("resultFilter", "result"), ("requestedFor", "requested_for"), ("minTime", "since"),
            ("queryOrder", "=queueTimeDescending"),
        ])
        .pages(Paging::Token)
        .shows(
            "id number:buildNumber pipeline:definition.name branch:sourceBranch|branch commit:sourceVersion status \
             result reason for:requestedFor.displayName queued:queueTime|time finished:finishTime|time tags",
        ),
    Tool::new(
        "get_build",
        Pipelines,
        "A build: its stages and jobs, and for each failed step the errors and the end of its log.",
    )
    .takes(&[PROJECT.required(), BUILD.required()])
    .steps(crafted::get_build),
    Tool::new(
        "get_build_log",
        Pipelines,
        "A step's log: its end, some of its lines, or the lines that contain a text.",
    )
    .takes(&[PROJECT.required(), BUILD.required(), LOG.required(), FROM_LINE, TO_LINE, TEXT])
    .steps(crafted::get_build_log),
    Tool::new("list_build_changes", Pipelines, "Commits that are new in a build.")
        .takes(&[PROJECT.required(), BUILD.required(), LIMIT, NEXT])
        .get("/{project}/_apis/build/builds/{build}/changes")
        .pages(Paging::Token)
        .shows("id by:author.displayName at:timestamp|time message"),
    Tool::new("list_artifacts", Pipelines, "A build's artifacts, and where to download them.")
        .takes(&[PROJECT.required(), BUILD.required()])
        .get("/{project}/_apis/build/builds/{build}/artifacts")
        .shows(
            "name type:resource.type size:resource.properties.artifactsize url:resource.downloadUrl",
        ),
    Tool::new("run_pipeline", Pipelines, "Starts a pipeline; with `preview` only shows the final YAML.")
        .takes(&[
            PROJECT.required(), PIPELINE.required(), BRANCH, PARAMETERS, VARIABLES, SKIPPED, PREVIEW,
        ])
        .has(Effect::Adds)
        .call(Verb::Post, "/{project}/_apis/pipelines/{pipeline}/runs")
        .body(&[
            ("resources.repositories.self.refName", "branch|ref"), ("templateParameters", "parameters"),
            ("variables", "variables|values"), ("stagesToSkip", "skip_stages"), ("previewRun", "preview"),
        ])
        .shows("id name state url:_links.web.href yaml:finalYaml"),
    Tool::new("change_build", Pipelines, "Cancels or retries a build, or one of its stages.")
        .takes(&[PROJECT.required(), BUILD.required(), ACTION.required(), STAGE])
        .has(Effect::Destroys)
        .steps(crafted::change_build),
    Tool::new("create_pipeline", Pipelines, "Creates a pipeline from a YAML file of a repository.")
        .takes(&[
            PROJECT.required(), NAME.required(), REPOSITORY.required(), PATH.required(), FOLDER,
        ])
        .has(Effect::Adds)
        .steps(crafted::create_pipeline),
    Tool::new("rename_pipeline", Pipelines, "Renames or moves a pipeline.")
        .takes(&[PROJECT.required(), PIPELINE.required(), NAME, FOLDER])
        .has(Effect::Changes)
        .steps(crafted::rename_pipeline),
];
