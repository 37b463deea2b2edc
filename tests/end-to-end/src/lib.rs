//! Shared by the end-to-end tests: a running service, a browser without a screen, and a watch on leaks.
//!
//! The service is the real one: its functions are the real binaries in processes of their own, called over
//! HTTP. Only Microsoft and AWS are stand-ins.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expected by failing"
)]
#![allow(clippy::missing_panics_doc, reason = "panicking is what these are for")]

mod answer;
mod browser;
mod client_documents;
mod crowd;
pub mod documents;
mod federation;
mod identity_provider;
mod leaks;
pub mod portal;
mod steps;
mod world;

pub use answer::Answer;
pub use browser::Browser;
pub use client_documents::client_documents;
pub use crowd::crowd;
pub use federation::trust_only;
pub use identity_provider::{IdentityProvider, LATER};
pub use steps::at_every_step;
pub use world::{Caller, INTEGRATION, PROJECTS, World, WorldOptions};
