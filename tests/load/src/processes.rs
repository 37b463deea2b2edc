//! The processor time and memory of the worker's processes.

use std::fs;
use std::time::Duration;

use crate::schedstat::own_time;

/// Processor time and the highest memory of this process's children that run `name`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) processor_time: Duration,
    /// In bytes.
    pub(crate) peak_memory: u64,
    pub(crate) processes: u32,
}

/// Measures the children now.
pub(crate) fn of_children(name: &str) -> Cost {
    let own = std::process::id().to_string();
    let mut cost = Cost::default();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // pid (name) state ppid …: the name may contain parentheses, so it ends at the last one.
        let Some((head, tail)) = stat.rsplit_once(") ") else { continue };
        let parent = tail.split(' ').nth(1);
        if !head.ends_with(&format!("({name}")) || parent != Some(&own) {
            continue;
        }
        let Some(process) = head.split(' ').next().and_then(|id| id.parse().ok()) else { continue };
        cost.processor_time += own_time(process).unwrap_or_default();
        cost.peak_memory = cost.peak_memory.max(local::peak_memory(process).unwrap_or_default());
        cost.processes += 1;
    }
    cost
}
