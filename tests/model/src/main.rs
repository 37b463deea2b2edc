//! Prints the invariants that each design breaks, and the shortest way to break each.

use model::protocol::Protocol;
use model::server::Server;
use model::trace::sentences;
use model::transitions::RefreshModel;
use model::verdict::{Verdict, check, shortest_violation};

/// The designs in the order of the table.
const DESIGNS: [(Protocol, Server, u8); 11] = [
    (Protocol::AsBuilt, Server::EntraLike, 0),
    (Protocol::AsBuilt, Server::EntraLike, 1),
    (Protocol::AsBuilt, Server::StrictlyRotating, 0),
    (Protocol::AsBuilt, Server::StrictlyRotating, 1),
    (Protocol::EarlyExpiry, Server::EntraLike, 0),
    (Protocol::EarlyExpiry, Server::EntraLike, 1),
    (Protocol::EarlyExpiry, Server::StrictlyRotating, 0),
    (Protocol::NoFence, Server::EntraLike, 0),
    (Protocol::NoFence, Server::StrictlyRotating, 0),
    (Protocol::BlindWrite, Server::EntraLike, 0),
    (Protocol::BlindWrite, Server::StrictlyRotating, 0),
];

fn main() {
    println!("design      | server           | crashes | states | violated");
    println!("------------|------------------|---------|--------|---------");
    let mut broken = Vec::new();
    for (protocol, server, crashes) in DESIGNS {
        let model = RefreshModel::new(protocol, server, crashes);
        let verdict = check(model);
        print_row(model, &verdict);
        broken.extend(verdict.violated.into_iter().map(|invariant| (model, invariant)));
    }
    for (model, invariant) in broken {
        print_violation(model, invariant);
    }
}

fn print_row(model: RefreshModel, verdict: &Verdict) {
    let numbers: Vec<_> =
        verdict.violated.iter().filter_map(|name| name.split(' ').next()).collect();
    println!(
        "{:11} | {:16} | {:7} | {:6} | {}",
        format!("{:?}", model.protocol),
        format!("{:?}", model.server),
        model.crashes,
        verdict.states,
        if numbers.is_empty() { "none".to_owned() } else { numbers.join(" ") }
    );
    for name in &verdict.unreached {
        println!("  never happened: {name}");
    }
}

fn print_violation(model: RefreshModel, invariant: &'static str) {
    let RefreshModel { protocol, server, crashes, .. } = model;
    println!("\n{protocol:?}, {server:?}, crashes {crashes}, breaks: {invariant}");
    let way = shortest_violation(model, invariant).unwrap_or_default();
    for (index, sentence) in sentences(&way).iter().enumerate() {
        println!("  {:2}. {sentence}", index + 1);
    }
}
