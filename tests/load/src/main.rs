//! Scale runs: `cargo run --release -p load -- refresh --connections 100000`.
//!
//! ```text
//!   seed: connections, all due ──> embedded DynamoDB <──tap── worker: the real binary `refresh`
//!                                                                  │
//!                                             stand-in of Entra <──┘  (with a delay; counts)
//! ```
//!
//! Everything runs on this machine, so the worker shares its processors with DynamoDB and Entra.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]

mod aws_requests;
mod callgrind;
mod chart;
mod cold;
mod cost;
mod cost_inputs;
mod entra_stand_in;
mod figures;
mod flow;
mod functions;
mod instructions;
mod instructions_baseline;
mod neighbours;
mod peers;
mod processes;
mod projection;
mod proxy;
mod refresh;
mod report;
mod schedstat;
mod seed;
mod sizing;
mod subject;
mod table;
mod upstream;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs the service at scale and prints figures.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Many connections are due in the same minute.
    Refresh(refresh::RefreshOptions),
    /// A quiet application calls beside one that sends fifty times as much.
    Neighbours(neighbours::NeighbourOptions),
    /// What a proxied call costs, beside the proxies of others.
    Proxy(proxy::ProxyOptions),
    /// How many instructions and allocations a start and a call of the proxy take.
    Instructions(instructions::InstructionOptions),
    /// What the cold start of each function costs.
    Cold(cold::ColdOptions),
    /// What each step of a connection's life costs.
    Flow(flow::FlowOptions),
    /// What a call, a connect and a renewal need of AWS, and its price.
    Cost(cost::CostOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let ran = match Options::parse().what {
        What::Refresh(options) => refresh::run(&options).await,
        What::Neighbours(options) => neighbours::run(&options).await,
        What::Proxy(options) => proxy::run(&options).await,
        What::Instructions(options) => instructions::run(&options).await,
        What::Cold(options) => cold::run(&options).await,
        What::Flow(options) => flow::run(&options).await,
        What::Cost(options) => cost::run(&options).await,
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
