//! The stores in the embedded AWS services, in one executable, because each is large to link.
#![allow(clippy::unwrap_used)]

mod api_keys;
mod call_items;
mod client_credentials;
mod confirmation;
mod passes;
mod sealing;
mod world;
