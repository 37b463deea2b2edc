//! What is measured: a function's process, a proxy of others, or Azure DevOps' stand-in without anything between.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use local::{Answer, Environment};
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use crate::aws_requests::AwsRequests;
use crate::figures::{Round, megabytes};
use crate::schedstat::own_time;
use crate::workload::Workload;

/// The longest time of a call, and of a process' way to its next event.
const PATIENCE: Duration = Duration::from_mins(2);

/// A process with one kind of calls.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) workload: &'static Workload,
    way: Way,
}

enum Way {
    /// A function, called through the Runtime API.
    Function {
        environment: Environment,
        event: Vec<u8>,
        /// Number of calls so far.
        called: u64,
    },
    /// A server; no process of it is measured if it is the harness' own.
    Server { client: reqwest::Client, url: String, token: String, process: Option<Child> },
}

impl Subject {
    /// A function's process.
    pub(crate) fn function(
        name: impl Into<String>,
        workload: &'static Workload,
        environment: Environment,
        event: Vec<u8>,
    ) -> Self {
        let way = Way::Function { environment, event, called: 0 };
        Self { name: name.into(), workload, way }
    }

    /// A server below an address.
    ///
    /// # Errors
    /// If there can be no HTTP client.
    pub(crate) fn server(
        name: impl Into<String>,
        workload: &'static Workload,
        base: &str,
        token: &str,
        process: Option<Child>,
    ) -> Result<Self, String> {
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build();
        let client = client.map_err(|e| e.to_string())?;
        let way = Way::Server { client, url: workload.url(base), token: token.to_owned(), process };
        Ok(Self { name: name.into(), workload, way })
    }

    /// Calls a number of times, so many at a time.
    ///
    /// # Errors
    /// If an answer is not the expected one, or does not come.
    pub(crate) async fn round(
        &mut self,
        calls: usize,
        in_flight: usize,
        aws: &AwsRequests,
    ) -> Result<Round, String> {
        self.idle().await?;
        aws.take();
        let before = self.own_time();
        let began = Instant::now();
        let mut times = Vec::with_capacity(calls);
        if in_flight == 1 {
            for _ in 0..calls {
                times.push(self.call().await?);
                self.called(1);
                self.idle().await?;
            }
        } else {
            let subject = &*self;
            let sent = stream::iter((0..calls).map(|_| subject.call()));
            times = sent.buffer_unordered(in_flight).try_collect().await?;
            self.called(calls as u64);
            self.idle().await?;
        }
        let took = began.elapsed();
        let own_time = before.zip(self.own_time());
        let own_time = own_time.and_then(|(before, after)| after.checked_sub(before));
        Ok(Round { times, took, own_time, aws: aws.take() })
    }

    /// The most memory of the process until now, in megabytes.
    pub(crate) fn peak_memory(&self) -> Option<f64> {
        self.process().and_then(local::peak_memory).map(megabytes)
    }

    fn process(&self) -> Option<u32> {
        match &self.way {
            Way::Function { environment, .. } => environment.process(),
            Way::Server { process, .. } => process.as_ref()?.id(),
        }
    }

    fn own_time(&self) -> Option<Duration> {
        self.process().and_then(own_time)
    }

    fn called(&mut self, calls: u64) {
        if let Way::Function { called, .. } = &mut self.way {
            *called += calls;
        }
    }

    /// Waits until a function has asked for its next event: what it does after an answer counts, too.
    async fn idle(&mut self) -> Result<(), String> {
        let Way::Function { environment, called, .. } = &mut self.way else { return Ok(()) };
        match timeout(PATIENCE, environment.asked(*called + 1)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{}: the process has ended", self.name)),
            Err(_) => Err(format!("{}: the process asks for no event", self.name)),
        }
    }

    async fn call(&self) -> Result<Duration, String> {
        let failed = |what: String| format!("{}, {}: {what}", self.name, self.workload.answer);
        match &self.way {
            Way::Function { environment, event, .. } => {
                self.invoke(environment, event.clone()).await.map_err(failed)
            }
            Way::Server { client, url, token, .. } => {
                self.get(client.get(url).bearer_auth(token)).await.map_err(failed)
            }
        }
    }

    async fn invoke(&self, environment: &Environment, event: Vec<u8>) -> Result<Duration, String> {
        let began = Instant::now();
        let answered = environment.invoke(event, PATIENCE);
        let answered = timeout(PATIENCE, answered).await.ok().flatten().ok_or("no answer")?;
        match answered? {
            Answer::Whole(answer) => {
                let took = began.elapsed();
                self.workload.check(&answer)?;
                Ok(took)
            }
            Answer::Streamed(mut pieces) => {
                let mut bytes = 0;
                while let Some(piece) = pieces.recv().await {
                    bytes += piece.map_err(|e| e.to_string())?.len();
                }
                if bytes < self.workload.bytes {
                    return Err(format!("{bytes} bytes"));
                }
                Ok(began.elapsed())
            }
        }
    }

    async fn get(&self, request: reqwest::RequestBuilder) -> Result<Duration, String> {
        let began = Instant::now();
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|e| e.to_string())?;
        let mut bytes = 0;
        while let Some(piece) = answer.chunk().await.map_err(|e| e.to_string())? {
            bytes += piece.len();
        }
        if bytes == self.workload.bytes {
            Ok(began.elapsed())
        } else {
            Err(format!("{bytes} bytes"))
        }
    }
}
