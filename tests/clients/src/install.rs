//! Installs the clients, pinned by their lock files, once.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The installed clients.
pub(crate) struct Clients {
    /// The folder with `node_modules` and `walk.cjs`.
    pub node: PathBuf,
    /// The interpreter of the virtual environment.
    pub python: PathBuf,
}

/// The installed clients of the MCP endpoint.
pub(crate) struct McpClients {
    /// The folder with `node_modules` and the scripts.
    pub node: PathBuf,
    /// The interpreter of the virtual environment.
    pub python: PathBuf,
}

/// Installs the packages of the lock files.
pub(crate) fn all(sources: &Path, target: &Path) -> Clients {
    let node = npm(&sources.join("node"), target.join("node"), &["walk.cjs"]);
    let python = pip(&sources.join("python/requirements.txt"), &target.join("python"));
    Clients { node, python }
}

/// Installs the packages of the lock files in `sources`.
pub(crate) fn mcp(sources: &Path, target: &Path) -> McpClients {
    let node = npm(
        sources,
        target.join("mcp-node"),
        &["older-node.mjs", "relay.mjs", "sdk.mjs", "sign_in.mjs"],
    );
    let python = pip(&sources.join("requirements.txt"), &target.join("mcp-python"));
    McpClients { node, python }
}

/// Installs packages into a folder, with these scripts beside them. Returns the folder.
fn npm(sources: &Path, folder: PathBuf, scripts: &[&str]) -> PathBuf {
    once(&folder, &sources.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(sources.join(file), folder.join(file)).unwrap();
        }
        run(Command::new("npm").args(["ci", "--silent", "--ignore-scripts"]).current_dir(&folder));
    });
    for script in scripts {
        std::fs::copy(sources.join(script), folder.join(script)).unwrap();
    }
    folder
}

/// Installs packages into a virtual environment. Returns its interpreter.
fn pip(requirements: &Path, environment: &Path) -> PathBuf {
    let python = environment.join("bin/python");
    once(environment, requirements, || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment));
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--no-deps", "-r"])
            .arg(requirements));
    });
    python
}

/// Installs into a folder, unless the same lock file was installed there before.
fn once(folder: &Path, lock: &Path, install: impl FnOnce()) {
    let (wanted, marker) = (std::fs::read(lock).unwrap(), folder.join(".installed"));
    if std::fs::read(&marker).is_ok_and(|installed| installed == wanted) {
        return;
    }
    std::fs::create_dir_all(folder).unwrap();
    install();
    std::fs::write(marker, wanted).unwrap();
}

fn run(command: &mut Command) {
    let status = command.status();
    let succeeded = status.as_ref().is_ok_and(std::process::ExitStatus::success);
    assert!(succeeded, "{command:?} failed: {status:?}");
}
