//! A table on the terminal, the same figures as JSON, and a chart.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::chart::{self, Bar};

/// Where figures go, apart from the terminal.
#[derive(Args, Debug)]
pub(crate) struct ReportOptions {
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a chart of the most important figure to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The figures of a run.
pub(crate) struct Report<'a, T> {
    /// Everything.
    pub(crate) figures: &'a [T],
    /// For the terminal.
    pub(crate) table: String,
    /// The chart's title and unit.
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

impl<T: Serialize> Report<'_, T> {
    /// Prints the table and writes the files, with the shortest bar first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write(mut self, options: &ReportOptions) -> Result<(), String> {
        println!("{}", self.table);
        if let Some(path) = &options.json {
            let cores = std::thread::available_parallelism().map_or(0, usize::from);
            let document = json!({"cores": cores, "figures": self.figures});
            write(path, &format!("{document:#}\n"))?;
        }
        if let Some(path) = &options.svg {
            self.bars.sort_unstable_by(|one, other| one.length.total_cmp(&other.length));
            write(path, &chart::svg(&self.title, &self.bars))?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// A bar for so many steps; its message names the present one.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len} {per_sec}, {eta} left, {msg}");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
