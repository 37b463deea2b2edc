//! The functions' real binaries: built by Cargo, as whoever deploys them does.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::StartError;

/// The functions.
pub const FUNCTIONS: [&str; 6] = ["authorize", "callback", "manage", "proxy", "refresh", "rotate"];

/// Where each function's executable is.
#[derive(Debug, Clone)]
pub struct Binaries(HashMap<String, PathBuf>);

#[derive(Deserialize)]
struct CargoMessage {
    #[serde(default)]
    target: Option<CargoTarget>,
    #[serde(default)]
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
}

impl Binaries {
    /// Builds all of them, in the profile that this was built in. Quick when nothing changed.
    ///
    /// # Errors
    /// [`StartError::Build`] when Cargo cannot be run or fails; Cargo has said why by then.
    pub fn build() -> Result<Self, StartError> {
        Self::build_only(&FUNCTIONS)
    }

    /// Builds some of them; the others cannot be invoked.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_only(functions: &[&str]) -> Result<Self, StartError> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "build",
                "--locked",
                "--message-format=json-render-diagnostics",
                "--manifest-path",
            ])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .stdout(Stdio::piped());
        // `local` is named as well, and depends on all of them, so that Cargo chooses the same features as for this
        // process and compiles no dependency again.
        for package in functions.iter().chain(&["local"]) {
            command.args(["--package", package]);
        }
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let built = command.spawn().and_then(std::process::Child::wait_with_output);
        let built = built.map_err(|e| StartError::Build(format!("Cargo cannot be run: {e}")))?;
        if !built.status.success() {
            return Err(StartError::Build("Cargo failed, see above".to_owned()));
        }
        let messages = built.stdout.split(|byte| *byte == b'\n');
        let executables: HashMap<_, _> = messages
            .filter_map(|line| serde_json::from_slice::<CargoMessage>(line).ok())
            .filter_map(|message| Some((message.target?.name, message.executable?)))
            .collect();
        match functions.iter().find(|function| !executables.contains_key(**function)) {
            Some(missing) => {
                Err(StartError::Build(format!("Cargo named no executable for {missing}")))
            }
            None => Ok(Self(executables)),
        }
    }

    /// A function's executable.
    pub(crate) fn of(&self, function: &str) -> PathBuf {
        self.0.get(function).cloned().unwrap_or_default()
    }
}
