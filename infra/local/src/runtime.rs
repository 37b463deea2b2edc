//! Lambda for the functions: execution environments are processes that speak the Lambda Runtime API.
//!
//! An environment handles one invocation at a time. If all are busy, another one is started, up to the executions that
//! the function may have; an invocation beyond them is refused. An environment that dies or runs out of time is replaced.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use crate::environment::{Environment, FunctionSettings};
use crate::runtime_api::{Answer, BrokenOff, Pieces};

/// The longest time that the last bytes of an ended process take to arrive.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Why an invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function has no free execution (`TooManyRequestsException`).
    #[error("the function {function} has no free execution")]
    Throttled {
        /// Its name.
        function: String,
    },
    /// The process could not be started.
    #[error("the function {function} cannot be started: {source}")]
    Start {
        /// Its name.
        function: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The process ended during the invocation.
    #[error("the function {function} ended during an invocation")]
    Ended {
        /// Its name.
        function: String,
    },
    /// The function ran out of time; its process was killed.
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
        /// The error document.
        error: String,
    },
}

/// A function and its execution environments.
pub struct Function {
    settings: FunctionSettings,
    idle: Mutex<Vec<Environment>>,
    /// Notifies all invocations under way.
    killed: Notify,
}

/// An invocation whose answer is being streamed.
struct Stream {
    function: Arc<Function>,
    environment: Environment,
    execution: OwnedSemaphorePermit,
    end: Instant,
}

impl Stream {
    /// Passes the pieces on. After the last one the environment is idle again; after an error it is killed.
    fn watched(mut self, mut pieces: Pieces) -> Pieces {
        let (out, watched) = mpsc::channel(1);
        tokio::spawn(async move {
            let passed_on = tokio::select! {
                passed_on = pass_on(&mut pieces, &out) => passed_on,
                () = tokio::time::sleep_until(self.end) => Err(BrokenOff),
                () = self.function.killed.notified() => Err(BrokenOff),
            };
            match passed_on {
                Ok(()) => self.function.idle.lock().await.push(self.environment),
                Err(broken_off) => {
                    let _ = self.environment.child.kill().await;
                    let _ = out.send(Err(broken_off)).await;
                }
            }
            drop(self.execution);
        });
        watched
    }
}

async fn pass_on(
    pieces: &mut Pieces,
    out: &mpsc::Sender<Result<Bytes, BrokenOff>>,
) -> Result<(), BrokenOff> {
    while let Some(piece) = pieces.recv().await {
        // Also if the client has gone.
        let _ = out.send(Ok(piece?)).await;
    }
    Ok(())
}

impl Function {
    /// A function without environments; invocations start them.
    pub fn new(settings: FunctionSettings) -> Self {
        Self { settings, idle: Mutex::default(), killed: Notify::new() }
    }

    /// How its processes are run.
    pub fn settings(&self) -> &FunctionSettings {
        &self.settings
    }

    /// Invokes the function with an event, and returns its answer as a whole.
    ///
    /// # Errors
    /// [`InvokeError`].
    pub async fn invoke(self: &Arc<Self>, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let mut pieces = match self.begin(event).await? {
            Answer::Whole(answer) => return Ok(answer),
            Answer::Streamed(pieces) => pieces,
        };
        let mut whole = Vec::new();
        while let Some(piece) = pieces.recv().await {
            whole.extend_from_slice(&piece.map_err(|_| self.ended())?);
        }
        Ok(whole)
    }

    /// Invokes the function with an event, and returns its answer as it comes.
    ///
    /// # Errors
    /// [`InvokeError`].
    pub(crate) async fn begin(self: &Arc<Self>, event: Vec<u8>) -> Result<Answer, InvokeError> {
        let free = Arc::clone(&self.settings.executions).try_acquire_owned();
        let execution = free.map_err(|_| self.throttled())?;
        let mut environment = self.environment().await?;
        let end = Instant::now() + self.settings.timeout;
        let answered = {
            let answer = environment.api.invoke(event, self.settings.timeout);
            let mut answer = pin!(tokio::time::timeout_at(end, answer));
            tokio::select! {
                answer = &mut answer => answer,
                status = environment.child.wait() => {
                    // A process that ended by itself may have begun to answer, and the beginning is still on its way.
                    if status.is_ok_and(|status| status.code().is_none()) {
                        return Err(self.ended());
                    }
                    match tokio::time::timeout(LAST_BYTES, answer).await {
                        Ok(answered @ Ok(Some(_))) => answered,
                        _ => return Err(self.ended()),
                    }
                }
                () = self.killed.notified() => {
                    // SIGKILL; the process is gone when this returns.
                    let _ = environment.child.kill().await;
                    return Err(self.ended());
                }
            }
        };
        match answered {
            // Dropping the environment kills it.
            Err(_) | Ok(None) => {
                Err(InvokeError::TimedOut { function: self.settings.name.clone() })
            }
            Ok(Some(Ok(Answer::Streamed(pieces)))) => {
                let stream = Stream { function: Arc::clone(self), environment, execution, end };
                Ok(Answer::Streamed(stream.watched(pieces)))
            }
            Ok(Some(answered)) => {
                self.idle.lock().await.push(environment);
                answered.map_err(|error| InvokeError::Failed {
                    function: self.settings.name.clone(),
                    error,
                })
            }
        }
    }

    fn throttled(&self) -> InvokeError {
        InvokeError::Throttled { function: self.settings.name.clone() }
    }

    fn ended(&self) -> InvokeError {
        InvokeError::Ended { function: self.settings.name.clone() }
    }

    /// Kills all environments, including those in the middle of an invocation.
    pub async fn kill(&self) {
        self.killed.notify_waiters();
        self.restart().await;
    }

    /// Kills the environments that are idle: the next invocation begins in a fresh process.
    pub async fn restart(&self) {
        for mut environment in self.idle.lock().await.drain(..) {
            // An error means that it has ended already.
            let _ = environment.child.kill().await;
        }
    }

    /// The ids of the idle processes.
    pub async fn processes(&self) -> Vec<u32> {
        self.idle.lock().await.iter().filter_map(Environment::process).collect()
    }

    async fn environment(&self) -> Result<Environment, InvokeError> {
        while let Some(mut environment) = self.idle.lock().await.pop() {
            if matches!(environment.child.try_wait(), Ok(None)) {
                return Ok(environment);
            }
        }
        Environment::start(&self.settings)
            .await
            .map_err(|source| InvokeError::Start { function: self.settings.name.clone(), source })
    }
}
