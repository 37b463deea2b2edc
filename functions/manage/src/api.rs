//! The management API: routes, the JSON of requests and answers, and the description of both.

mod api_keys;
pub(crate) mod connect_sessions;
pub(crate) mod connections;
pub(crate) mod describe;
mod integrations;
pub mod openapi;
pub mod wire;
