//! The requests to AWS and the units of DynamoDB of a call, a connect and a renewal, and their price.

use std::collections::BTreeMap;

use clap::Args;

use crate::cost_inputs::{Counted, price};
use crate::figures::requests;
use crate::flow::{self, CONNECT, Figures, LifeOptions, NEXT_CALL};
use crate::functions::FunctionOptions;
use crate::refresh::{self, RenewalOptions};
use crate::table::markdown;

/// The largest difference of a counted figure that does not matter: its share, and beside it the part of a unit.
const TOLERANCE: f64 = 0.02;
/// Renewals of a run; what all of them share counts little then.
const RENEWALS: u32 = 2_000;

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct CostOptions {
    #[command(flatten)]
    functions: FunctionOptions,
    /// Writes the counted units to `infra/cost.toml`. Without this, other units in that file are an error.
    #[arg(long)]
    write: bool,
}

/// What something needs of AWS.
struct Needs {
    what: &'static str,
    requests: BTreeMap<String, f64>,
    read_units: f64,
    write_units: f64,
}

/// Counts, prices, and compares with `infra/cost.toml`.
pub(crate) async fn run(options: &CostOptions) -> Result<(), String> {
    let life = LifeOptions { functions: options.functions.clone(), rounds: 1, connections: 50 };
    let steps = flow::measure(&life).await?;
    let of_steps = |what, names: &[&str]| {
        Needs::of(what, steps.iter().filter(|step| names.contains(&step.step)))
    };
    let call = of_steps("a call", &[NEXT_CALL]);
    let connect = of_steps("a connect", &CONNECT);
    let renewal = renewal(options).await?;
    println!("{}", table(&[&call, &connect, &renewal]));

    let figures = [
        ("call-reads", call.read_units),
        ("connect-reads", connect.read_units),
        ("connect-writes", connect.write_units),
        ("connect-events", connect.requests("PutEvents")),
        ("renewal-reads", renewal.read_units),
        ("renewal-writes", renewal.write_units),
    ];
    compare(&figures, options.write)
}

async fn renewal(options: &CostOptions) -> Result<Needs, String> {
    let renewals = RenewalOptions {
        functions: options.functions.clone(),
        connections: RENEWALS,
        entra_delay: 0,
        concurrency: 16,
        rate: 100_000,
        shards: 1,
        tenants: 1,
    };
    let measured = refresh::measure(&renewals).await?;
    let per_refresh = measured.per_refresh();
    Ok(Needs {
        what: "a renewal",
        requests: measured.requests(),
        read_units: per_refresh.read_units,
        write_units: per_refresh.write_units,
    })
}

impl Needs {
    fn of<'a>(what: &'static str, steps: impl Iterator<Item = &'a Figures>) -> Self {
        let mut needs = Self { what, requests: BTreeMap::new(), read_units: 0.0, write_units: 0.0 };
        for step in steps {
            for (operation, number) in &step.aws {
                *needs.requests.entry(operation.clone()).or_default() += number;
            }
            needs.read_units += step.read_units;
            needs.write_units += step.write_units;
        }
        needs
    }

    fn requests(&self, operation: &str) -> f64 {
        self.requests.get(operation).copied().unwrap_or_default()
    }

    /// Dollars for a million: DynamoDB, KMS and EventBridge.
    fn dollars(&self) -> f64 {
        let of_kms = self.requests("Decrypt") + self.requests("GenerateDataKey");
        self.read_units * price("read-unit")
            + self.write_units * price("write-unit")
            + of_kms * price("kms-request")
            + self.requests("PutEvents") * price("event")
    }
}

fn table(all: &[&Needs]) -> String {
    let head =
        ["", "read units", "write units", "dollars a million, without Lambda", "requests to AWS"];
    let row = |needs: &&Needs| {
        [
            needs.what.to_owned(),
            format!("{:.2}", needs.read_units),
            format!("{:.2}", needs.write_units),
            format!("{:.2}", needs.dollars()),
            requests(&needs.requests).unwrap_or_default(),
        ]
    };
    markdown(head, &all.iter().map(row).collect::<Vec<_>>())
}

fn compare(figures: &[(&str, f64)], write: bool) -> Result<(), String> {
    let mut counted = Counted::read()?;
    let mut others = Vec::new();
    for (name, figure) in figures {
        let known = counted.get(name)?;
        if is_other(known, *figure) {
            others.push(format!("{name} is {figure:.2} and not {known:.2}"));
            counted.set(name, (figure * 100.0).round() / 100.0);
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let others = others.join("; ");
    if !write {
        return Err(format!("infra/cost.toml is not what was counted: {others}. Use --write"));
    }
    let path = counted.write()?;
    println!(
        "{others}: written to {}. Put what infra/cost prints into infra/README.md",
        path.display()
    );
    Ok(())
}

fn is_other(known: f64, figure: f64) -> bool {
    (known - figure).abs() > TOLERANCE * known + TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_the_sum_of_units_keys_and_events() {
        let step = |step, operation: &str, write_units| Figures {
            step,
            function: "manage",
            own_us: 0.0,
            aws: BTreeMap::from([(operation.to_owned(), 1.0)]),
            read_units: 2.0,
            write_units,
        };
        let steps = [step("link", "PutEvents", 1.0), step("confirm", "Decrypt", 3.0)];
        let needs = Needs::of("a connect", steps.iter());
        let expected = 4.0 * price("read-unit")
            + 4.0 * price("write-unit")
            + price("kms-request")
            + price("event");
        assert!((needs.dollars() - expected).abs() < 1e-9);
    }

    #[test]
    fn a_figure_is_another_beyond_two_percent() {
        assert!(!is_other(4.0, 4.02) && !is_other(0.0, 0.01));
        assert!(is_other(4.0, 3.0) && is_other(1.0, 0.0) && is_other(41.0, 42.0));
    }
}
