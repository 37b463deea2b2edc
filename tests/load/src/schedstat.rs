//! A process' own time, from Linux's `/proc/PID/task/*/schedstat`
//! (<https://docs.kernel.org/scheduler/sched-stats.html>).

use std::fs;
use std::time::Duration;

/// Returns the time that the living threads of a process have been on a processor, or `None` if the process is gone.
/// Its children do not count, and neither do threads that have ended.
pub(crate) fn own_time(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let of_threads = threads.flatten().filter_map(|thread| {
        on_processor(&fs::read_to_string(thread.path().join("schedstat")).ok()?)
    });
    Some(of_threads.sum())
}

/// Reads the first of three numbers: nanoseconds on a processor, nanoseconds of waiting for one, and time slices.
fn on_processor(schedstat: &str) -> Option<Duration> {
    schedstat.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::hint::black_box;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_first_number_is_the_time_on_a_processor() {
        assert_eq!(on_processor("1500 20 3\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(on_processor(""), None);
        assert_eq!(on_processor("-1 0 0"), None);
    }

    #[test]
    fn the_time_of_all_threads_of_a_process_counts() {
        let own = || own_time(std::process::id()).unwrap();
        let (before, worked) = std::thread::scope(|scope| {
            let (start, wanted) = channel();
            let (done, finished) = channel();
            scope.spawn(move || {
                wanted.recv().unwrap();
                black_box((0..20_000_000_u64).fold(1_u64, |all, one| all.wrapping_mul(one | 1)));
                done.send(()).unwrap();
                wanted.recv().unwrap();
            });
            let before = own();
            start.send(()).unwrap();
            finished.recv().unwrap();
            let worked = own();
            // Only then the thread ends, and its time with it.
            start.send(()).unwrap();
            (before, worked)
        });
        assert!(worked > before);
        assert_eq!(own_time(u32::MAX), None);
    }
}
