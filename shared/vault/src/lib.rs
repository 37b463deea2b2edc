//! Everything that ado-connect stores, and the one way to renew its tokens.
//!
//! ```text
//!                 functions (through `edge`)
//!                           │
//!   ┌───────────────────────┴────────────────────────────────┐
//!   │ vault                                                  │
//!   │  integrations ─ api_keys, service table `integrations` │
//!   │  sessions, limits, tallies        table `sessions`     │
//!   │  connections ── schedule          table `connections`  │
//!   │  tokens ─────── sealing           table `tokens`, KMS  │
//!   │  passes                           table `passes`       │
//!   │  client_credentials, operator_key   Secrets Manager    │
//!   │  refresh    the refresh protocol over all of these     │
//!   │  events                             EventBridge        │
//!   │  audit                            table `audit`        │
//!   └───────┬───────────────────────────────────┬────────────┘
//!       entra, oauth                          devops
//! ```
//!
//! The functions call it; it calls AWS, and Entra only through [`refresh`]. It never sees an HTTP
//! request or response of the gateway, and it never logs or formats a secret: tokens leave it as
//! [`secrecy::SecretString`] and reach DynamoDB only sealed.
//!
//! Every write that could race is conditional, with the smallest condition that keeps the promise in its comment.
//! DynamoDB's TTL only tidies up: each read checks expiry itself.
//!
//! The table `sessions` holds everything that expires, hence also the items of [`limits`] and [`tallies`].

pub mod api_keys;
pub mod audit;
pub mod aws;
mod aws_http;
mod binary;
pub mod call_items;
pub mod client_credentials;
pub mod connections;
pub mod cursor;
pub mod direct_read;
mod error;
pub mod events;
pub mod federation;
pub mod ids;
pub mod integrations;
pub mod limits;
pub mod operator_key;
pub mod passes;
pub mod refresh;
pub mod schedule;
pub mod sealing;
pub mod secret_token;
pub mod service;
pub mod sessions;
mod table;
pub mod tallies;
pub mod tokens;

pub use error::Error;
/// Times as seconds since 1970, so that conditions and indexes can compare them.
pub(crate) use jiff::fmt::serde::timestamp::second as seconds;
