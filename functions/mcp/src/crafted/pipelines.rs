//! `create_pipeline` and `rename_pipeline`.

use serde_json::{Value, json};

use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const REPOSITORY: Call = Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}");
const CREATE: Call = Call::new(Verb::Post, "/{project}/_apis/pipelines");
const DEFINITION: Call = Call::new(Verb::Get, "/{project}/_apis/build/definitions/{pipeline}");
const REPLACE: Call = Call::new(Verb::Put, "/{project}/_apis/build/definitions/{pipeline}");

/// Finds the id of the repository, which a pipeline needs.
pub(super) async fn create_pipeline(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let repository = session.step(&REPOSITORY, arguments).await?.body;
    let path = arguments.text("path").unwrap_or_default().trim_start_matches('/');
    let body = json!({
        "name": arguments.text("name"),
        "folder": arguments.text("folder").unwrap_or("\\"),
        "configuration": {
            "type": "yaml",
            "path": format!("/{path}"),
            "repository": {"id": repository["id"], "type": "azureReposGit"},
        },
    });
    let made = session.step_with(&CREATE, arguments, Content::Json(&body)).await?.body;
    Ok(json!({"id": made["id"], "name": made["name"], "url": made["_links"]["web"]["href"]}))
}

/// Replaces the definition by itself with another name or folder. Azure DevOps refuses if its revision has changed.
pub(super) async fn rename_pipeline(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let (name, folder) = (arguments.text("name"), arguments.text("folder"));
    if name.is_none() && folder.is_none() {
        return Err(Failure::argument("name", "is missing, or `folder`"));
    }
    let mut definition = session.step(&DEFINITION, arguments).await?.body;
    for (member, value) in [("name", name), ("path", folder)] {
        if let Some(value) = value {
            definition[member] = value.into();
        }
    }
    let made = session.step_with(&REPLACE, arguments, Content::Json(&definition)).await?.body;
    Ok(json!({"id": made["id"], "name": made["name"], "folder": made["path"]}))
}
