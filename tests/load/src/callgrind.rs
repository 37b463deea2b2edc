//! Instructions and allocations of a process, counted by callgrind, a tool of Valgrind. Other load on the machine does not
//! change them.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use local::{Environment, FunctionSettings};
use tokio::process::Command;

/// The functions of the C library that give new memory.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"];
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/debian-package");
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load");

/// Counts of a process since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// Installs Valgrind below `target/load`, unless it is there.
///
/// # Errors
/// If this is no Debian, or its package cannot be had.
pub(crate) async fn install() -> Result<(), String> {
    let status = Command::new(INSTALL).args(["valgrind", "usr/bin/valgrind"]).status().await;
    if status.map_err(|e| format!("{INSTALL}: {e}"))?.success() {
        Ok(())
    } else {
        Err(format!("{INSTALL} failed"))
    }
}

/// A function that runs under callgrind.
pub(crate) struct Counted {
    environment: Environment,
    /// Where callgrind writes when the process ends.
    profile: PathBuf,
}

impl Counted {
    /// Starts a process of a function.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn start(settings: &FunctionSettings) -> Result<Self, String> {
        let installed = Path::new(INSTALLED).canonicalize().map_err(|e| e.to_string())?;
        let (script, profile) = (installed.join("counted"), installed.join("counted.profile"));
        let valgrind = installed.join("valgrind/usr");
        let tools = valgrind.join("libexec/valgrind");
        // The machine's own Valgrind finds its tools.
        let found_by = if tools.exists() {
            format!("VALGRIND_LIB='{}' ", tools.display())
        } else {
            String::new()
        };
        let text = format!(
            "#!/bin/sh\n{found_by}exec '{}' --quiet --tool=callgrind --callgrind-out-file='{}' '{}'\n",
            valgrind.join("bin/valgrind").display(),
            profile.display(),
            settings.executable.display(),
        );
        fs::write(&script, text)
            .and_then(|()| fs::set_permissions(&script, Permissions::from_mode(0o755)))
            .map_err(|e| format!("{}: {e}", script.display()))?;
        let settings = FunctionSettings { executable: script, ..settings.clone() };
        let environment = Environment::start(&settings).await.map_err(|e| e.to_string())?;
        Ok(Self { environment, profile })
    }

    /// The function's process.
    pub(crate) fn environment(&mut self) -> &mut Environment {
        &mut self.environment
    }

    /// Ends the process and returns its counts.
    ///
    /// # Errors
    /// If callgrind wrote none.
    pub(crate) async fn end(self) -> Result<Counts, String> {
        let process = self.environment.process().ok_or("the process has ended")?;
        // The usual signal, after which callgrind writes what it has counted.
        let sent = Command::new("kill").arg(process.to_string()).status().await;
        sent.map_err(|e| e.to_string())?;
        self.environment.ended().await;
        let profile = fs::read_to_string(&self.profile);
        let profile = profile.map_err(|e| format!("{}: {e}", self.profile.display()))?;
        Counts::of(&profile).ok_or_else(|| format!("{} has no sums", self.profile.display()))
    }
}

impl Counts {
    /// Returns the counts of each of some calls, which are all that this process did beyond the other one.
    pub(crate) fn beyond(self, other: Self, calls: u64) -> Self {
        let of_each = |all: u64, others: u64| all.saturating_sub(others) / calls.max(1);
        Self {
            instructions: of_each(self.instructions, other.instructions),
            allocations: of_each(self.allocations, other.allocations),
        }
    }

    /// Reads a profile (Valgrind's manual, "Callgrind Format Specification"). A function's name is there once, behind a
    /// number in parentheses that stands for it from then on.
    fn of(profile: &str) -> Option<Self> {
        let mut allocators = HashSet::new();
        let mut is_allocator = false;
        let (mut instructions, mut allocations) = (None, 0);
        for line in profile.lines() {
            let Some((key, value)) = line.split_once(['=', ':']) else { continue };
            match key {
                "fn" | "cfn" => {
                    let (id, name) = value.split_once(' ').unwrap_or((value, ""));
                    if ALLOCATORS.contains(&name) {
                        allocators.insert(id);
                    }
                    is_allocator = key == "cfn" && allocators.contains(id);
                }
                "calls" if is_allocator => {
                    let calls = value.split(' ').next().and_then(|calls| calls.parse().ok());
                    allocations += calls.unwrap_or(0);
                }
                "totals" => instructions = value.trim().parse().ok(),
                _ => {}
            }
        }
        Some(Self { instructions: instructions?, allocations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "# callgrind format\nevents: Ir\n\nob=(1) bootstrap\nfn=(1) 0x0001\n16 90\ncob=(2) libc.so.6\n\
        cfn=(2) malloc\ncalls=3 0 \n16 30\ncfn=(3) free\ncalls=3 0 \n16 12\n\nfn=(4) 0x0002\n18 7\ncob=(2)\ncfn=(2)\n\
        calls=2 0 \n18 20\n\nob=(2)\nfn=(2)\n0 50\n\ntotals: 159\n";

    #[test]
    fn calls_of_allocators_are_counted_wherever_they_are_named() {
        assert_eq!(Counts::of(PROFILE), Some(Counts { instructions: 159, allocations: 5 }));
        assert_eq!(Counts::of("events: Ir\n"), None);
    }
}
