//! The stack: SAM's commands, and its resources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::account::{Account, told};

pub const STACK: &str = "ado-connect";

/// Returns the built template.
pub fn template() -> PathBuf {
    told("SAM_BUILD").join("template.yaml")
}

/// Writes a changed copy of the built template beside it, so that it finds the same built functions. `sam build` writes
/// intrinsic functions in full, so a copy in JSON means the same.
pub fn changed_template(name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let built = std::fs::read_to_string(template()).unwrap();
    let mut changed: Value = serde_saphyr::from_str(&built).unwrap();
    change(&mut changed);
    let path = template().with_file_name(name);
    std::fs::write(&path, changed.to_string()).unwrap();
    path
}

/// Returns a command with the account's address and credentials.
pub fn command(account: &Account, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(told("SAM_BUILD"))
        .env("AWS_ENDPOINT_URL", &account.endpoint)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("SAM_CLI_TELEMETRY", "0")
        .stdin(Stdio::null());
    command
}

fn sam(account: &Account) -> Command {
    command(account, told("SAM"))
}

/// Runs `sam deploy`. Returns whether it succeeded.
pub async fn deploy(account: &Account, template: &Path, parameters: &[(&str, &str)]) -> bool {
    let parameters = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let status = sam(account)
        .args(["deploy", "--stack-name", STACK, "--template-file"])
        .arg(template)
        .args(["--resolve-s3", "--capabilities", "CAPABILITY_IAM"])
        .args(["--no-confirm-changeset", "--no-progressbar", "--parameter-overrides"])
        .args(parameters)
        .status()
        .await;
    status.unwrap().success()
}

/// Returns the physical id of each resource.
pub async fn resources(account: &Account) -> BTreeMap<String, String> {
    let listed = sam(account)
        .args(["list", "resources", "--template-file", "template.yaml", "--stack-name", STACK])
        .args(["--output", "json"])
        .output()
        .await
        .unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    listed
        .iter()
        .map(|one| (text(&one["LogicalResourceId"]), text(&one["PhysicalResourceId"])))
        .collect()
}

/// Returns the outputs of the stack.
pub async fn outputs(account: &Account) -> BTreeMap<String, String> {
    let listed = sam(account)
        .args(["list", "stack-outputs", "--stack-name", STACK, "--output", "json"])
        .output()
        .await
        .unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    listed.iter().map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"]))).collect()
}
