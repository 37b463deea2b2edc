//! The functions' executables, built by Cargo or by SAM as for a deployment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::StartError;
use crate::template::Template;

/// The paths of the functions' executables.
#[derive(Debug, Clone, Default)]
pub struct Binaries(HashMap<String, PathBuf>);

impl Binaries {
    /// Builds the functions of the template, in the profile that this process was built in. Quick when nothing changed.
    ///
    /// # Errors
    /// [`StartError::Template`] when the template cannot be read, and [`StartError::Build`] when Cargo cannot be run or
    /// fails; Cargo has printed the reason by then.
    pub fn build() -> Result<Self, StartError> {
        let template = Template::read()?;
        Self::build_only(&template.packages().into_iter().collect::<Vec<_>>())
    }

    /// Builds some functions; the others cannot be invoked.
    ///
    /// # Errors
    /// [`StartError::Build`], as [`Self::build`].
    pub fn build_only(functions: &[&str]) -> Result<Self, StartError> {
        // `local` depends on all functions, so Cargo chooses the features of this process and compiles nothing again.
        let packages = functions.iter().chain(&["local"]);
        let mut cargo = cargo(packages);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        Self::built_by(cargo, functions)
    }

    /// Builds some executables as they are shipped: with the release profile, and with the features of dependencies that
    /// each package chooses for itself. `executables` has their names, which are those of their packages.
    ///
    /// # Errors
    /// [`StartError::Build`], as [`Self::build`].
    pub fn build_as_shipped(executables: &[&str]) -> Result<Self, StartError> {
        let mut built = HashMap::new();
        for name in executables {
            let mut cargo = cargo([name]);
            cargo.arg("--release");
            built.extend(Self::built_by(cargo, &[name])?.0);
        }
        Ok(Self(built))
    }

    /// Runs Cargo and takes the executables that it names.
    fn built_by(mut cargo: Command, functions: &[&str]) -> Result<Self, StartError> {
        let built = cargo.spawn().and_then(std::process::Child::wait_with_output);
        let built = built.map_err(|e| StartError::Build(format!("Cargo cannot be run: {e}")))?;
        if !built.status.success() {
            return Err(StartError::Build("Cargo failed, see above".to_owned()));
        }
        let messages = built.stdout.split(|byte| *byte == b'\n');
        let executables: HashMap<_, _> = messages
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .filter_map(|message| {
                let name = message["target"]["name"].as_str()?.to_owned();
                Some((name, PathBuf::from(message["executable"].as_str()?)))
            })
            .collect();
        match functions.iter().find(|function| !executables.contains_key(**function)) {
            Some(missing) => {
                Err(StartError::Build(format!("Cargo named no executable for {missing}")))
            }
            None => Ok(Self(executables)),
        }
    }

    /// Finds the functions in an output folder of `sam build`. `infra/build` writes to `target/sam`.
    ///
    /// # Errors
    /// [`StartError::Template`] when the template cannot be read, and [`StartError::Build`] when a function is missing.
    pub fn prebuilt(directory: &Path) -> Result<Self, StartError> {
        let template = Template::read()?;
        let ids = template.of_type("AWS::Serverless::Function").map(|(id, _)| id);
        let mut executables = HashMap::new();
        for (id, function) in ids.zip(template.functions()) {
            let executable = directory.join(id).join("bootstrap");
            if !executable.is_file() {
                return Err(StartError::Build(format!("there is no {}", executable.display())));
            }
            executables.insert(function.package.to_owned(), executable);
        }
        Ok(Self(executables))
    }

    /// Puts another executable in the place of a function's.
    #[must_use]
    pub fn with(mut self, function: &str, executable: PathBuf) -> Self {
        self.0.insert(function.to_owned(), executable);
        self
    }

    /// A function's executable; an empty path if there is none.
    pub fn of(&self, function: &str) -> PathBuf {
        self.0.get(function).cloned().unwrap_or_default()
    }
}

/// `cargo build` of some packages, which prints what it builds as JSON.
fn cargo<'a>(packages: impl IntoIterator<Item = &'a &'a str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--locked", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .stdout(Stdio::piped());
    for package in packages {
        command.args(["--package", package]);
    }
    // Cargo describes this package in the environment. Build scripts that read these variables would run again for the
    // functions, and compile their crates a second time.
    for (name, _) in std::env::vars_os() {
        let described = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if described {
            command.env_remove(name);
        }
    }
    command
}
