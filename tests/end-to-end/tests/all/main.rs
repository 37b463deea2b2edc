//! The service from the outside, over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod contract;
mod management;
mod proxy;
mod races;
mod refresh;
mod refusals;
mod walk;
