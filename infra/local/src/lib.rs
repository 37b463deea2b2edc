//! The whole service on one machine: no AWS account, no Docker.
//!
//! ```text
//!  browser, curl ──> gateway ── payload 2.0 ──> runtime ── Runtime API ──> the functions' real processes
//!               └──> rest_api ─ format 1.0, streamed ─^                           │
//!                    schedule, queue ─────────────┘                              v
//!                                              aws: embedded DynamoDB, Secrets Manager, KMS, SQS, EventBridge, STS
//!                                              emulators: Entra ID, Azure DevOps
//! ```
//!
//! `cargo run -p local` starts a [`Stack`]; the end-to-end tests start one each. It uses the service's
//! contract and environment variables, and none of its code.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]

mod aws;
mod aws_request;
mod binaries;
mod cors;
mod decoded_path;
mod demo;
mod environment;
mod error;
mod event;
mod front;
mod gateway;
mod greeting;
pub mod names;
mod options;
pub mod permissions;
mod response_parameters;
mod rest_api;
mod routes;
mod run;
mod runtime;
mod runtime_api;
mod schedule;
mod secrets_manager;
mod stack;
pub mod sts;
pub mod tables;
pub mod template;
mod throttle;

pub use aws::{Aws, Observer};
pub use binaries::Binaries;
pub use environment::{Environment, FunctionSettings, Sink, peak_memory};
pub use error::StartError;
pub use event::InvalidTexts;
pub use gateway::{Challenges, GatewayOptions};
pub use response_parameters::AbsentSources;
pub use routes::{Route, Routes};
pub use run::run;
pub use runtime::InvokeError;
pub use runtime_api::{Answer, Answered, BrokenOff, Pieces};
pub use stack::{Stack, StackOptions, Upstream};
