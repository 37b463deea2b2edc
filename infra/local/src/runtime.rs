//! Lambda, as far as a function can tell: execution environments that are real processes, speaking the
//! Lambda Runtime API.
//!
//! An environment handles one invocation at a time. When all are busy another one is started, up to a
//! limit; beyond it invocations wait. An environment that dies or runs out of time is replaced.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, Notify, Semaphore};

use crate::runtime_api::RuntimeApi;

/// Takes the lines that functions write: the function's name, and the line.
pub type Sink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Why an invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The process could not be started.
    #[error("the function {function} cannot be started: {source}")]
    Start {
        /// Its name.
        function: String,
        /// Why.
        source: std::io::Error,
    },
    /// The process ended while it had the invocation.
    #[error("the function {function} ended during an invocation")]
    Ended {
        /// Its name.
        function: String,
    },
    /// The function's time was up; its process was killed.
    #[error("the function {function} timed out")]
    TimedOut {
        /// Its name.
        function: String,
    },
    /// The function answered with an error.
    #[error("the function {function} failed: {error}")]
    Failed {
        /// Its name.
        function: String,
        /// What it said.
        error: String,
    },
}

/// How a function is run.
#[derive(Clone)]
pub struct FunctionSettings {
    /// Its name.
    pub name: &'static str,
    /// Its executable.
    pub executable: PathBuf,
    /// Its environment variables; it gets no others.
    pub variables: Vec<(String, String)>,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Most environments at a time.
    pub environments: usize,
    /// Where its output goes.
    pub sink: Sink,
}

/// A function and its execution environments.
pub struct Function {
    settings: FunctionSettings,
    idle: Mutex<Vec<Environment>>,
    room: Semaphore,
    /// Told to all who are busy.
    killed: Notify,
}

/// One process with its own Runtime API.
struct Environment {
    child: Child,
    api: RuntimeApi,
}

impl Function {
    /// Starts nothing yet.
    pub fn new(settings: FunctionSettings) -> Self {
        let room = Semaphore::new(settings.environments);
        Self { settings, idle: Mutex::default(), room, killed: Notify::new() }
    }

    /// Invokes the function with an event, and returns its answer.
    ///
    /// # Errors
    /// [`InvokeError`].
    pub async fn invoke(&self, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        // The semaphore is never closed, so this only waits.
        let _room = self.room.acquire().await.ok();
        let mut environment = self.environment().await?;
        let function = || self.settings.name.to_owned();
        let answer = environment.api.invoke(event, self.settings.timeout);
        let answered = tokio::select! {
            answer = tokio::time::timeout(self.settings.timeout, answer) => answer,
            _ = environment.child.wait() => return Err(InvokeError::Ended { function: function() }),
            () = self.killed.notified() => {
                // SIGKILL; the process is gone when this returns.
                let _ = environment.child.kill().await;
                return Err(InvokeError::Ended { function: function() });
            }
        };
        match answered {
            // Dropping the environment kills it.
            Err(_) | Ok(None) => Err(InvokeError::TimedOut { function: function() }),
            Ok(Some(Ok(answer))) => {
                self.idle.lock().await.push(environment);
                Ok(answer)
            }
            Ok(Some(Err(error))) => {
                self.idle.lock().await.push(environment);
                Err(InvokeError::Failed { function: function(), error })
            }
        }
    }

    /// Kills all environments, those that are in the middle of an invocation, too.
    pub async fn kill(&self) {
        self.killed.notify_waiters();
        self.restart().await;
    }

    /// Kills the environments that are idle: the next invocation begins in a fresh process.
    pub async fn restart(&self) {
        for mut environment in self.idle.lock().await.drain(..) {
            // It may have ended by itself; either way it is gone afterwards.
            let _ = environment.child.kill().await;
        }
    }

    async fn environment(&self) -> Result<Environment, InvokeError> {
        while let Some(mut environment) = self.idle.lock().await.pop() {
            if matches!(environment.child.try_wait(), Ok(None)) {
                return Ok(environment);
            }
        }
        self.start().await.map_err(|source| InvokeError::Start {
            function: self.settings.name.to_owned(),
            source,
        })
    }

    async fn start(&self) -> std::io::Result<Environment> {
        let api = RuntimeApi::start(self.settings.name).await?;
        let mut child = Command::new(&self.settings.executable)
            .env_clear()
            .envs(self.settings.variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", self.settings.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.settings.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(output) = child.stdout.take() {
            self.forward(output);
        }
        if let Some(output) = child.stderr.take() {
            self.forward(output);
        }
        Ok(Environment { child, api })
    }

    fn forward(&self, output: impl AsyncRead + Send + Unpin + 'static) {
        let (name, sink) = (self.settings.name, Arc::clone(&self.settings.sink));
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sink(name, &line);
            }
        });
    }
}
