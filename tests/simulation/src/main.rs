//! Runs many seeds, a storm, or a month: `cargo run --release -p simulation -- seeds --count 100000`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulation::entra::Mood;
use simulation::month::{self, Month};
use simulation::scenario::{self, Clocks};
use simulation::wire::Sabotage;
use simulation::{storm, tenants};

/// Runs the refresh protocol on a simulated network.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Many seeds of ten bad minutes each; the run ends at the first violation and names its seed.
    Seeds {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Number of seeds.
        #[arg(long, default_value_t = 10_000)]
        count: u64,
        /// Clocks are up to ten minutes apart.
        #[arg(long)]
        apart: bool,
    },
    /// All connections are due at once, and Entra refuses every refresh for a while.
    Storm {
        /// The error of Entra.
        refusal: Refusal,
        /// Number of connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Duration of the refusals, in minutes.
        #[arg(long, default_value_t = 90)]
        minutes: u64,
    },
    /// All connections of fifty tenants are due at once, and half of the tenants refuse the app, each in another way.
    Tenants {
        /// Number of connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
    /// Thirty days with two outages of six hours.
    Month {
        /// Connections that are used every hour.
        #[arg(long, default_value_t = 200)]
        used: usize,
        /// Connections that are never used.
        #[arg(long, default_value_t = 2000)]
        idle: usize,
    },
}

/// The error of Entra.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Refusal {
    /// `invalid_client`: the app's secret has expired.
    InvalidClient,
    /// `invalid_grant` with AADSTS50196: the loop detector, with the error of a dead grant.
    Throttle,
}

fn main() -> ExitCode {
    match Options::parse().what {
        What::Seeds { from, count, apart } => seeds(from, count, apart),
        What::Tenants { connections } => print(&tenants::run(connections)),
        What::Month { used, idle } => one_month(used, idle),
        What::Storm { refusal, connections, minutes } => one_storm(refusal, connections, minutes),
    }
}

fn seeds(from: u64, count: u64, apart: bool) -> ExitCode {
    let clocks = if apart { Clocks::Apart } else { Clocks::Close };
    let (mut exchanges, mut crashes) = (0, 0);
    for seed in from..from + count {
        match scenario::run(seed, clocks, Sabotage::None) {
            Ok(report) => {
                exchanges += report.exchanges;
                crashes += u64::from(report.crashes);
            }
            Err(violation) => {
                println!("\nseed {seed}: {violation}");
                return ExitCode::FAILURE;
            }
        }
        let done = seed + 1 - from;
        if done.is_multiple_of(10) || done == count {
            print!(
                "\r{done} of {count} seeds, {exchanges} exchanges, {crashes} crashes, 0 violations"
            );
            drop(std::io::stdout().flush());
        }
    }
    println!();
    ExitCode::SUCCESS
}

fn one_storm(refusal: Refusal, connections: usize, minutes: u64) -> ExitCode {
    let mood = match refusal {
        Refusal::InvalidClient => Mood::RejectsCredential,
        Refusal::Throttle => Mood::Throttling,
    };
    print(&storm::run(mood, connections, minutes))
}

fn print<R: std::fmt::Debug>(result: &Result<R, String>) -> ExitCode {
    match result {
        Ok(report) => {
            println!("{report:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn one_month(used: usize, idle: usize) -> ExitCode {
    let month = Month {
        days: 30,
        every: 1,
        used,
        idle,
        outages: [(5 * 24, 5 * 24 + 6), (20 * 24, 20 * 24 + 6)],
    };
    print(&month::run(month))
}
