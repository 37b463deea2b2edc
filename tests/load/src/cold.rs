//! What a cold start costs: from exec to the first event, and to the first answer, of every function.
//!
//! All functions start once in each round, so that other load on this machine meets all of them.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use local::{Aws, Environment, FunctionSettings, Stack, names};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use crate::chart::Bar;
use crate::entra_stand_in::EntraStandIn;
use crate::figures::{median, megabytes, micros};
use crate::functions::{self, CONSTANT, FunctionOptions};
use crate::report::{Report, ReportOptions, progress};
use crate::schedstat::own_time;
use crate::seed::{self, Seed};
use crate::table::markdown;
use crate::upstream::Upstream;
use crate::workload::{self, SMALL};

/// The longest time of a start, and of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The functions of the template, without the proxy that streams, which is the same executable.
const FUNCTIONS: [&str; 7] =
    ["authorize", "callback", "manage", "mcp", "proxy", "refresh", "rotate"];

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct ColdOptions {
    #[command(flatten)]
    functions: FunctionOptions,
    /// Starts of each function; figures are the medians.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    #[command(flatten)]
    report: ReportOptions,
}

/// A function to be started, and its first event.
struct Subject {
    name: &'static str,
    settings: FunctionSettings,
    event: Vec<u8>,
}

/// One start.
struct Start {
    ready: Duration,
    own_until_ready: Duration,
    answered: Duration,
    peak_memory: u64,
}

/// The medians of all starts of a function.
#[derive(Debug, Serialize)]
struct Figures {
    function: &'static str,
    /// From exec until it asks for an event, in milliseconds.
    ready_ms: f64,
    /// Own processor time until then, in microseconds.
    own_us: f64,
    /// From exec until its first answer, in milliseconds.
    answered_ms: f64,
    /// Peak memory until then, in megabytes.
    memory_mb: f64,
}

/// Starts every function in each round and reports.
pub(crate) async fn run(options: &ColdOptions) -> Result<(), String> {
    let names: Vec<_> = FUNCTIONS.into_iter().chain([CONSTANT]).collect();
    let binaries = options.functions.executables(&names).await?;
    let upstream = Upstream::start().await.map_err(|e| e.to_string())?;
    let entra = EntraStandIn::start(Duration::ZERO).await.map_err(|e| e.to_string())?;
    let stack = functions::stack(&binaries, entra.url(), upstream.url()).await?;
    let mut subjects = subjects(&stack).await?;
    let constant = Subject {
        name: CONSTANT,
        settings: FunctionSettings {
            executable: binaries.of(CONSTANT),
            ..stack.settings("proxy").clone()
        },
        event: b"{}".to_vec(),
    };
    subjects.insert(0, constant);

    let bar = progress((subjects.len() * (options.rounds + 1)) as u64);
    let mut starts: Vec<Vec<Start>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for (subject, starts) in subjects.iter().zip(&mut starts) {
            bar.set_message(subject.name);
            let start = subject.start().await.map_err(|e| format!("{}: {e}", subject.name))?;
            // The first one reads the executable from the disk.
            if round > 0 {
                starts.push(start);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures: Vec<Figures> = subjects
        .iter()
        .zip(&starts)
        .map(|(subject, starts)| Figures::of(subject.name, starts))
        .collect();
    let bar = |one: &Figures| Bar { label: one.function.to_owned(), length: one.own_us };
    let (table, bars) = (table(&figures), figures.iter().map(bar).collect());
    let title = "Own processor time from exec to the first event, in µs".to_owned();
    Report { figures: &figures, table, title, bars }.write(&options.report)
}

/// All functions with an event that each can answer, with as little work as possible.
async fn subjects(stack: &Stack) -> Result<Vec<Subject>, String> {
    let seed = Seed::new(stack.aws(), 1, 1).await?;
    let valid_until = Timestamp::now() + workload::VALID;
    let connection = seed.connect_one(0, valid_until).await?;
    let key = seed::api_key(stack.aws()).await?;
    let key = key.expose_secret();
    let rotation = rotation(stack.aws()).await?;
    let subject = |name| {
        let event = match name {
            "authorize" => workload::AUTHORIZE.replace("SESSION", "none").into_bytes(),
            "callback" => workload::CALLBACK.to_owned().into_bytes(),
            "manage" => workload::filled(workload::MANAGE, &connection, key).into_bytes(),
            "mcp" => {
                let of_manage = workload::filled(workload::MANAGE, &connection, key);
                of_manage.replace("/connections/", "/mcp/").into_bytes()
            }
            "refresh" => workload::SCHEDULE.to_owned().into_bytes(),
            "rotate" => rotation.clone(),
            _ => SMALL.event(&connection, key)?,
        };
        Ok(Subject { name, settings: stack.settings(name).clone(), event })
    };
    FUNCTIONS.into_iter().map(subject).collect()
}

/// The first step of a rotation that is finished, so that nothing is left to do.
async fn rotation(aws: &Aws) -> Result<Vec<u8>, String> {
    let name = format!("{}integrations/{}", names::SECRETS, seed::INTEGRATION);
    let secrets = &aws.secrets_manager;
    let started = secrets.rotate_secret().secret_id(&name).send().await;
    started.map_err(|e| format!("{e:?}"))?;
    let current = secrets.get_secret_value().secret_id(&name).send().await;
    let current = current.map_err(|e| format!("{e:?}"))?;
    let event = json!({
        "Step": "createSecret",
        "SecretId": current.arn(),
        "ClientRequestToken": current.version_id(),
    });
    Ok(event.to_string().into_bytes())
}

impl Subject {
    async fn start(&self) -> Result<Start, String> {
        let mut environment =
            Environment::start(&self.settings).await.map_err(|e| e.to_string())?;
        match timeout(PATIENCE, environment.asked(1)).await {
            Ok(true) => {}
            Ok(false) => return Err("ended at its start".to_owned()),
            Err(_) => return Err("does not get ready".to_owned()),
        }
        let ready = environment.age();
        let process = environment.process().ok_or("ended at its start")?;
        let own_until_ready = own_time(process).ok_or("ended at its start")?;
        let answered = environment.invoke(self.event.clone(), PATIENCE);
        let answered = timeout(PATIENCE, answered).await.ok().flatten();
        answered.ok_or("gives no answer")??;
        let answered = environment.age();
        let peak_memory = local::peak_memory(process).unwrap_or_default();
        Ok(Start { ready, own_until_ready, answered, peak_memory })
    }
}

impl Figures {
    fn of(function: &'static str, starts: &[Start]) -> Self {
        let median_of = |figure: &dyn Fn(&Start) -> f64| median(starts.iter().map(figure));
        Self {
            function,
            ready_ms: median_of(&|start| micros(start.ready) / 1e3),
            own_us: median_of(&|start| micros(start.own_until_ready)),
            answered_ms: median_of(&|start| micros(start.answered) / 1e3),
            memory_mb: median_of(&|start| megabytes(start.peak_memory)),
        }
    }
}

fn table(figures: &[Figures]) -> String {
    let head = [
        "function",
        "exec to ready, ms",
        "own time to ready, ms",
        "first answer, ms",
        "peak memory, MB",
    ];
    let rows: Vec<_> = figures
        .iter()
        .map(|one| {
            [
                one.function.to_owned(),
                format!("{:.1}", one.ready_ms),
                format!("{:.2}", one.own_us / 1e3),
                format!("{:.1}", one.answered_ms),
                format!("{:.1}", one.memory_mb),
            ]
        })
        .collect();
    markdown(head, &rows)
}
