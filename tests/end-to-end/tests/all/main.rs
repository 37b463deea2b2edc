//! The service from the outside, over HTTP.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod answers;
mod audit;
mod authorization;
mod browsers;
mod callers;
mod canary;
mod closed_areas;
mod contract;
mod crates;
mod crowds;
mod detection;
mod documents;
mod entra_refusals;
mod events;
mod federated;
mod framing;
mod headers;
mod keys;
mod kills;
mod limits;
mod lists;
mod management;
mod mcp;
mod narrowed;
mod oauth;
mod operations;
mod outages;
mod pages;
mod paths;
mod permissions;
mod policy;
mod portal;
mod proxy;
mod races;
mod reads;
mod refresh;
mod refusals;
mod rejected;
mod resets;
mod rotation;
mod saves;
mod several_events;
mod shares;
mod streaming;
mod switches;
mod template;
mod tenants;
mod undocumented;
mod walk;
