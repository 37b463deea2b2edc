//! The API Gateway side of ado-connect: the code that all functions share between an event and their own
//! subject.
//!
//! ```text
//!  API Gateway event (payload 2.0, or a REST API's 1.0)
//!        │
//!     gateway ── event -> http request, http response -> answer, both unaltered
//!        │
//!      serve ─── request id, route, panic and deadline guard, security headers, one log line
//!        │        │                                              │
//!        │      routes (the contract as a table)               log, metrics
//!        ▼
//!  the function's handler
//!        ├── caller       the caller: operator, application or user
//!        ├── site         requests that pages of other sites make browsers send
//!        ├── parameters   query and JSON body, strictly
//!        ├── cookies      the browser binding
//!        ├── csrf         tokens of forms
//!        ├── sign_in      the beginning of a sign-in at Entra
//!        ├── respond      JSON, redirects, passed-through answers
//!        ├── streaming    answers that begin before they are complete
//!        ├── page         HTML for people
//!        ├── problem      the one error of handlers, by stable code
//!        └── refusal      a problem as JSON or HTML with the same facts
//!
//!  config: the environment, read once at start, with every fault in one error
//!  deployment: the stores and clients that the configuration names
//! ```
//!
//! All functions call it; it calls [`vault`] for API keys and [`entra`] for key sets. It
//! stores nothing, decides nothing about connections, and never lets a query string, a header, a
//! body or a secret into a log line or an error.

pub mod caller;
pub mod claims_cookie;
pub mod config;
pub mod cookies;
pub mod cors_origins;
pub mod csrf;
pub mod deployment;
pub mod gateway;
pub mod log;
pub mod metrics;
pub mod page;
pub mod parameters;
pub mod prefetch;
pub mod problem;
mod refusal;
pub mod respond;
mod role;
pub mod routes;
pub mod serve;
pub mod sign_in;
pub mod site;
pub mod streaming;
pub mod wire;

pub use problem::{Code, Problem};
