//! How many instructions and allocations a start and a call of the function `proxy` take, compared with the accepted ones.
//!
//! Times depend on the machine and its other load; these counts hardly do. A process makes few calls, another one more, and
//! the difference is that of the calls between.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use local::{Answer, FunctionSettings};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use vault::ids::ConnectionId;

use crate::callgrind::{self, Counted, Counts};
use crate::entra_stand_in::EntraStandIn;
use crate::figures::count;
use crate::functions::{self, FunctionOptions};
use crate::instructions_baseline::Baseline;
use crate::report::progress;
use crate::seed::{self, Seed};
use crate::sizing::thousands;
use crate::table::markdown;
use crate::upstream::Upstream;
use crate::workload::{LARGER, REFUSED, SMALL, VALID, Workload};

/// The longest time of a start and of a call. Under callgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_mins(2);
/// Calls after which a process has opened its connections and grown its memory.
const WARM_UP: usize = 20;
/// Counted calls.
const CALLS: usize = 60;
/// The name of a start.
const START: &str = "start";

/// What is counted, beside a start.
const CASES: [Case; 4] = [
    Case { name: "2 kB", workload: &SMALL, variables: &[] },
    Case { name: "2 kB with trust", workload: &SMALL, variables: &[("TRUST_SECONDS", "60")] },
    Case { name: "refused", workload: &REFUSED, variables: &[] },
    Case { name: "200 kB", workload: &LARGER[0], variables: &[] },
];

/// A kind of calls.
struct Case {
    name: &'static str,
    workload: &'static Workload,
    /// Variables of the function.
    variables: &'static [(&'static str, &'static str)],
}

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct InstructionOptions {
    #[command(flatten)]
    functions: FunctionOptions,
    /// Accepts the counts: writes them to `tests/load/instructions.toml`. Without this, a difference of more than 3 % is an
    /// error.
    #[arg(long)]
    write: bool,
}

/// Counts, prints and compares.
pub(crate) async fn run(options: &InstructionOptions) -> Result<(), String> {
    let binaries = options.functions.executables(&["proxy"]).await?;
    callgrind::install().await?;
    let upstream = Upstream::start().await.map_err(|e| e.to_string())?;
    let entra = EntraStandIn::start(Duration::ZERO).await.map_err(|e| e.to_string())?;
    let stack = functions::stack(&binaries, entra.url(), upstream.url()).await?;
    let connection =
        Seed::new(stack.aws(), 1, 1).await?.connect_one(0, Timestamp::now() + VALID).await?;
    let key = seed::api_key(stack.aws()).await?;

    let bench = Bench { settings: stack.settings("proxy"), connection, key };
    let counted = bench.all().await?;
    println!("{}", table(&counted));
    let mut baseline = Baseline::read()?;
    if options.write {
        return baseline.replace(&counted);
    }
    let differences = baseline.differences(&counted);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the counts differ from the accepted ones; `load instructions --write` accepts them:\n{}",
        differences.join("\n")
    ))
}

/// What a counted process needs.
struct Bench<'a> {
    settings: &'a FunctionSettings,
    connection: ConnectionId,
    key: SecretString,
}

impl Bench<'_> {
    async fn all(&self) -> Result<BTreeMap<&'static str, Counts>, String> {
        let bar = progress(1 + 2 * CASES.len() as u64);
        bar.set_message(START);
        let mut counted = BTreeMap::from([(START, self.count(&CASES[0], 0).await?)]);
        bar.inc(1);
        for case in &CASES {
            bar.set_message(case.name);
            let warm = self.count(case, WARM_UP).await?;
            bar.inc(1);
            let more = self.count(case, WARM_UP + CALLS).await?;
            bar.inc(1);
            counted.insert(case.name, more.beyond(warm, CALLS as u64));
        }
        bar.finish_and_clear();
        Ok(counted)
    }

    /// Counts a process from its start to the end of so many calls.
    async fn count(&self, case: &Case, calls: usize) -> Result<Counts, String> {
        let mut settings = self.settings.clone();
        let variables = case.variables.iter();
        settings.variables.extend(variables.map(|(name, value)| ((*name).into(), (*value).into())));
        let event = case.workload.event(&self.connection, self.key.expose_secret())?;
        let failed = |what: &str| format!("{}: {what}", case.name);

        let mut counted = Counted::start(&settings).await?;
        for called in 0..=calls {
            let environment = counted.environment();
            let asked = timeout(PATIENCE, environment.asked(called as u64 + 1)).await;
            if asked != Ok(true) {
                return Err(failed("the process asks for no event"));
            }
            if called < calls {
                match environment.invoke(event.clone(), PATIENCE).await {
                    Some(Ok(Answer::Whole(answer))) => case.workload.check(&answer)?,
                    _ => return Err(failed("no whole answer")),
                }
            }
        }
        counted.end().await
    }
}

fn table(counted: &BTreeMap<&str, Counts>) -> String {
    let rows = counted.iter().map(|(name, counts)| {
        [
            (*name).to_owned(),
            thousands(count(Some(counts.instructions))),
            thousands(count(Some(counts.allocations))),
        ]
    });
    markdown(["proxy", "instructions", "allocations"], &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    #[ignore = "needs Debian, and in BUILT_FUNCTIONS the output folder of infra/build"]
    async fn a_start_and_a_call_take_what_was_accepted() {
        let built = std::env::var_os("BUILT_FUNCTIONS").unwrap().into();
        let options =
            InstructionOptions { functions: FunctionOptions { built: Some(built) }, write: false };
        if let Err(difference) = run(&options).await {
            panic!("{difference}");
        }
    }
}
