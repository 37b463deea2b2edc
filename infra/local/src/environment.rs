//! One execution environment of a function: a process with its own Runtime API.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::runtime_api::{Answered, RuntimeApi};

/// Takes the functions' output: a function's name, and a line.
pub type Sink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// How a function is run.
#[derive(Clone)]
pub struct FunctionSettings {
    /// Its name.
    pub name: String,
    /// Its executable.
    pub executable: PathBuf,
    /// Its environment variables; it gets no others.
    pub variables: Vec<(String, String)>,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// A permit for each of its executions: its reserved ones, or those that it shares with the account's other functions.
    pub executions: Arc<Semaphore>,
    /// Where its output goes.
    pub sink: Sink,
}

/// A process that handles invocations. Dropping it kills the process.
pub struct Environment {
    started_at: Instant,
    pub(crate) child: Child,
    pub(crate) api: RuntimeApi,
}

impl Environment {
    /// Starts a process of a function. It is ready when it has asked for its first event: [`Self::asked`].
    ///
    /// # Errors
    /// If there is no free port, or the executable cannot be run.
    pub async fn start(settings: &FunctionSettings) -> std::io::Result<Self> {
        let api = RuntimeApi::start(&settings.name).await?;
        let started_at = Instant::now();
        let mut child = Command::new(&settings.executable)
            .env_clear()
            .envs(settings.variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", &settings.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", settings.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(output) = child.stdout.take() {
            forward(output, settings);
        }
        if let Some(output) = child.stderr.take() {
            forward(output, settings);
        }
        Ok(Self { started_at, child, api })
    }

    /// The time since the process was started.
    pub fn age(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// The id of the process, or `None` if it has ended and was waited for.
    pub fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process has asked for this many events since its start. Returns whether it did before it ended.
    pub async fn asked(&mut self, times: u64) -> bool {
        tokio::select! {
            () = self.api.asked(times) => true,
            _ = self.child.wait() => false,
        }
    }

    /// Waits until the process has ended.
    pub async fn ended(mut self) {
        // If there is nothing to wait for, it has ended.
        let _ = self.child.wait().await;
    }

    /// Hands an event to the process and waits for its answer. Returns `None` if it does not come.
    pub async fn invoke(&self, event: Vec<u8>, timeout: Duration) -> Option<Answered> {
        self.api.invoke(event, timeout).await
    }
}

fn forward(output: impl AsyncRead + Send + Unpin + 'static, settings: &FunctionSettings) {
    let (name, sink) = (settings.name.clone(), Arc::clone(&settings.sink));
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sink(&name, &line);
        }
    });
}

/// The most memory that a process has held, in bytes, if the operating system reports it (`VmHWM` of `proc(5)`).
pub fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
