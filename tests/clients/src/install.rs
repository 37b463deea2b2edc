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

/// Installs the packages of the lock files.
pub(crate) fn all(sources: &Path, target: &Path) -> Clients {
    let node = target.join("node");
    once(&node, &sources.join("node/package-lock.json"), || {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(sources.join("node").join(file), node.join(file)).unwrap();
        }
        run(Command::new("npm").args(["ci", "--silent", "--ignore-scripts"]).current_dir(&node));
    });
    std::fs::copy(sources.join("node/walk.cjs"), node.join("walk.cjs")).unwrap();

    let environment = target.join("python");
    let requirements = sources.join("python/requirements.txt");
    let python = environment.join("bin/python");
    once(&environment, &requirements, || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--no-deps", "-r"])
            .arg(&requirements));
    });
    Clients { node, python }
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
