//! The refresh protocol under a seeded simulation: the real `vault`, the embedded DynamoDB, KMS and
//! Secrets Manager, a paused clock, and a network that loses, duplicates, delays and refuses requests.
//! Processes may crash at any request.
//!
//! ```text
//!   scenario ──> process (the real vault) ──> wire ──fate──> cloud (embedded services, in process)
//!      │             │                          └──────────> audit, after every write
//!      │             └──────────> transport ──fate──> entra (simulated token endpoint)
//!      └── users who reconnect, leave, and an operator who pauses
//! ```
//!
//! There are one thread and no socket, and time moves only while all tasks wait: the same seed gives
//! the same run. Every request of the protocol is an await point and may meet a fault. The invariants
//! are I1 to I6: no lost grant, no older token over a newer one, one exchange at a time, no connection
//! taken from its user by us, no token under a foreign grant, and no write by a refresh that began
//! before a reconnect or a delete.

pub mod audit;
pub mod clock;
pub mod cloud;
pub mod entra;
pub mod faults;
pub mod month;
pub mod process;
pub mod scenario;
pub mod stage;
pub mod storm;
pub mod tenants;
pub mod wire;
