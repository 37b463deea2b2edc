//! What a proxied call costs, beside the proxies of others.
//!
//! ```text
//!   harness ── Runtime API ──> the real binary `proxy` ──> embedded AWS services (counted by operation)
//!      │                                  └──────────────> upstream, a stand-in for Azure DevOps
//!      ├──── HTTP ──> nginx, http-proxy, Express + axios ──────^
//!      └──── HTTP ─────────────────────────────────────────────^ (direct)
//! ```
//!
//! Each subject has a process of its own for each size of answer. They are measured one after the other, again and again,
//! so that other load on this machine meets all of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use local::{Environment, FunctionSettings, Stack};
use secrecy::{ExposeSecret as _, SecretString};
use vault::ids::ConnectionId;

use crate::aws_requests::AwsRequests;
use crate::chart::Bar;
use crate::entra_stand_in::EntraStandIn;
use crate::figures::{self, Figures, Round};
use crate::functions::{self, CONSTANT, FunctionOptions};
use crate::peers::{self, PEERS};
use crate::report::{Report, ReportOptions, progress};
use crate::seed::{self, Seed};
use crate::subject::Subject;
use crate::upstream::Upstream;
use crate::workload::{LARGER, REFUSED, SMALL, VALID, Workload};

/// The name of our proxy in the table.
const OURS: &str = "ado-connect";
/// The name of Azure DevOps' stand-in without a proxy.
const DIRECT: &str = "direct";
/// Rounds that do not count, in which Node compiles its scripts.
const WARM_UP: usize = 3;

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct ProxyOptions {
    #[command(flatten)]
    functions: FunctionOptions,
    /// Another build of the function `proxy`, measured in the same rounds.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// A variable for the function, which is then measured with and without it. May be repeated.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = functions::variable)]
    variables: Vec<(String, String)>,
    /// Measures only subjects whose name and answer, such as `nginx, 2 kB`, contain this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Leaves out the proxies of others.
    #[arg(long)]
    without_peers: bool,
    /// Rounds; figures are the medians of all.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Calls in a round, for answers of 2 kB; fewer for larger ones.
    #[arg(long, default_value_t = SMALL.calls)]
    calls: usize,
    /// Calls at a time.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    #[command(flatten)]
    report: ReportOptions,
}

impl ProxyOptions {
    fn wants(&self, name: &str, workload: &Workload) -> bool {
        format!("{name}, {}", workload.answer).contains(&self.only)
    }

    fn calls(&self, workload: &Workload) -> usize {
        (workload.calls * self.calls / SMALL.calls).max(1)
    }
}

/// Measures everything and reports.
pub(crate) async fn run(options: &ProxyOptions) -> Result<(), String> {
    let binaries = options.functions.executables(&["proxy", CONSTANT]).await?;
    if !options.without_peers {
        peers::install().await?;
    }
    let upstream = Upstream::start().await.map_err(|e| e.to_string())?;
    let entra = EntraStandIn::start(Duration::ZERO).await.map_err(|e| e.to_string())?;
    let stack = functions::stack(&binaries, entra.url(), upstream.url()).await?;
    let aws = AwsRequests::to(stack.aws());
    let stage = Stage {
        options,
        connection: Seed::new(stack.aws(), 1, 1)
            .await?
            .connect_one(0, Timestamp::now() + VALID)
            .await?,
        key: seed::api_key(stack.aws()).await?,
        stack: &stack,
        upstream: &upstream,
        constant: binaries.of(CONSTANT),
    };
    let mut subjects = stage.subjects().await?;
    let rounds = rounds(options, &mut subjects, &aws).await?;
    let figures = subjects.iter().zip(&rounds).map(|(subject, rounds)| Figures {
        memory_mb: subject.peak_memory(),
        ..Figures::of(&subject.name, subject.workload.answer, rounds)
    });
    let figures: Vec<Figures> = figures.collect();
    let small = figures.iter().filter(|figures| figures.answer == SMALL.answer);
    let bars = small.filter_map(|figures| {
        Some(Bar { label: figures.subject.clone(), length: figures.own_us? })
    });
    let title = format!("Own processor time of a call with an answer of {}, in µs", SMALL.answer);
    let (table, bars) = (figures::table(&figures), bars.collect());
    Report { figures: &figures, table, title, bars }.write(&options.report)
}

/// Measures all subjects in each round.
async fn rounds(
    options: &ProxyOptions,
    subjects: &mut [Subject],
    aws: &AwsRequests,
) -> Result<Vec<Vec<Round>>, String> {
    let bar = progress((subjects.len() * (WARM_UP + options.rounds)) as u64);
    let mut all: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..WARM_UP + options.rounds {
        for (subject, rounds) in subjects.iter_mut().zip(&mut all) {
            bar.set_message(format!("{}, {}", subject.name, subject.workload.answer));
            let calls = options.calls(subject.workload);
            let measured = subject.round(calls, options.in_flight, aws).await?;
            if round >= WARM_UP {
                rounds.push(measured);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(all)
}

/// Everything that subjects need.
struct Stage<'a> {
    options: &'a ProxyOptions,
    stack: &'a Stack,
    upstream: &'a Upstream,
    connection: ConnectionId,
    key: SecretString,
    /// The executable of the constant function.
    constant: PathBuf,
}

impl Stage<'_> {
    /// Starts the subjects that are wanted.
    async fn subjects(&self) -> Result<Vec<Subject>, String> {
        let mut subjects = Vec::new();
        for workload in [&SMALL, &REFUSED].into_iter().chain(&LARGER) {
            for (name, settings) in self.functions(workload) {
                if self.options.wants(&name, workload) {
                    subjects.push(self.function(name, &settings, workload).await?);
                }
            }
            // Only ours refuses a call without a key.
            if *workload != REFUSED {
                subjects.extend(self.servers(workload).await?);
            }
        }
        Ok(subjects)
    }

    /// The functions with one kind of calls: their names, and how they are run.
    fn functions(&self, workload: &Workload) -> Vec<(String, FunctionSettings)> {
        let ours = self.stack.settings(workload.function());
        let mut all = vec![(OURS.to_owned(), ours.clone())];
        let variables = &self.options.variables;
        if !variables.is_empty() {
            let names: Vec<_> =
                variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut settings = ours.clone();
            settings.variables.extend(variables.iter().cloned());
            all.push((format!("{OURS}, {}", names.join(" ")), settings));
        }
        if let Some(path) = &self.options.against {
            let settings = FunctionSettings { executable: path.clone(), ..ours.clone() };
            all.push((format!("{OURS}, {}", path.display()), settings));
        }
        if *workload == SMALL {
            let settings = FunctionSettings { executable: self.constant.clone(), ..ours.clone() };
            all.push(("constant function".to_owned(), settings));
        }
        all
    }

    async fn function(
        &self,
        name: String,
        settings: &FunctionSettings,
        workload: &'static Workload,
    ) -> Result<Subject, String> {
        let started = Environment::start(settings).await;
        let environment = started.map_err(|e| format!("{}: {e}", settings.executable.display()))?;
        let event = workload.event(&self.connection, self.key.expose_secret())?;
        Ok(Subject::function(name, workload, environment, event))
    }

    async fn servers(&self, workload: &'static Workload) -> Result<Vec<Subject>, String> {
        let (token, _) = EntraStandIn::first_tokens(0);
        let mut subjects = Vec::new();
        if self.options.wants(DIRECT, workload) {
            subjects.push(Subject::server(DIRECT, workload, self.upstream.url(), &token, None)?);
        }
        let peers = if self.options.without_peers { &[][..] } else { &PEERS };
        for peer in peers {
            if self.options.wants(peer.name(), workload) {
                let (url, process) = peer.start(self.upstream.url(), &token).await?;
                let subject = Subject::server(peer.name(), workload, &url, &token, Some(process));
                subjects.push(subject?);
            }
        }
        Ok(subjects)
    }
}
