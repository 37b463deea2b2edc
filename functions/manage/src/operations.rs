//! What the management API and the portal do.

mod confirm;
pub(crate) mod integration_fields;
pub(crate) mod integration_store;
mod pause;
mod verify;
