//! A table on the terminal, the same figures as JSON, and a chart.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::chart::{self, Bar};
use crate::figures::Figures;
use crate::sizing::thousands;
use crate::table::markdown;

/// Where figures go, apart from the terminal.
#[derive(Args, Debug)]
pub(crate) struct ReportOptions {
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a chart of own time to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Prints a table and writes the files. The chart has the subjects that gave one kind of answer.
pub(crate) fn calls(
    options: &ReportOptions,
    figures: &[Figures],
    answer: &str,
) -> Result<(), String> {
    println!("{}", table(figures));
    if let Some(path) = &options.json {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let document = json!({"cores": cores, "figures": figures});
        write(path, &format!("{document:#}\n"))?;
    }
    if let Some(path) = &options.svg {
        let title = format!("Own processor time of a call with an answer of {answer}, in µs");
        write(path, &chart::svg(&title, &bars(figures, answer)))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn bars(figures: &[Figures], answer: &str) -> Vec<Bar> {
    let of_answer = figures.iter().filter(|figures| figures.answer == answer);
    let mut bars: Vec<Bar> = of_answer
        .filter_map(|figures| Some(Bar { label: figures.subject.clone(), length: figures.own_us? }))
        .collect();
    bars.sort_unstable_by(|one, other| one.length.total_cmp(&other.length));
    bars
}

fn table(figures: &[Figures]) -> String {
    let head = [
        "subject",
        "answer",
        "own time, µs",
        "p50, ms",
        "p99, ms",
        "calls a second",
        "peak memory, MB",
        "requests to AWS",
    ];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let rows: Vec<_> = figures
        .iter()
        .map(|figures| {
            [
                figures.subject.clone(),
                figures.answer.to_owned(),
                or_dash(figures.own_us.map(thousands)),
                format!("{:.2}", figures.p50_ms),
                format!("{:.2}", figures.p99_ms),
                thousands(figures.per_second),
                or_dash(figures.memory_mb.map(|memory| format!("{memory:.1}"))),
                or_dash(requests(figures)),
            ]
        })
        .collect();
    markdown(head, &rows)
}

/// The requests of a call by operation, such as `4.00: GetItem 4.00`.
fn requests(figures: &Figures) -> Option<String> {
    let of_call = figures.aws.iter().filter(|(_, number)| **number >= 0.005);
    let each: Vec<_> = of_call.map(|(name, number)| format!("{name} {number:.2}")).collect();
    (!each.is_empty()).then(|| each.join(", "))
}
