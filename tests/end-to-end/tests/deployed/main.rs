//! The deployed template: `infra/emulate` builds the functions as they ship; these tests deploy them with SAM to
//! emulated AWS accounts on loopback, and call them through API Gateway.
//!
//! ```text
//!  this ──> front (http://localhost) ──> API Gateway ──> the functions ──> Entra's and Azure DevOps' stand-ins
//!                                        Scheduler ──> refresh ──> queue ──> refresh ──> dead letters
//!                                        Secrets Manager ──> rotate ──> Entra's stand-in (Microsoft Graph)
//!                                        EventBridge ──> webhook
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod account;
mod defaults;
mod deployment;
mod failed_deployment;
mod options;
mod stack;
mod webhook;
