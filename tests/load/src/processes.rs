//! The processor time and memory of the worker's process, from Linux's `/proc`.

use std::fs;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time and the highest memory of this process's children that run `name`.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) processor_time: Duration,
    pub(crate) peak_memory_kib: u64,
    pub(crate) processes: u32,
}

/// Measures the children now.
pub(crate) fn of_children(name: &str) -> Cost {
    let own = std::process::id().to_string();
    let mut cost = Cost::default();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        // pid (name) state ppid …: the name may contain parentheses, so it ends at the last one.
        let Some((head, tail)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = tail.split(' ').collect();
        if !head.ends_with(&format!("({name}")) || fields.get(1) != Some(&own.as_str()) {
            continue;
        }
        let ticks =
            |index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        cost.processor_time += TICK * (ticks(11) + ticks(12));
        cost.processes += 1;
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
        cost.peak_memory_kib = cost.peak_memory_kib.max(kib);
    }
    cost
}
