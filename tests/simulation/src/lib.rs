//! The refresh protocol under a seeded simulation: the real `vault`, the embedded DynamoDB, KMS and
//! Secrets Manager, a paused clock, and a network that loses, doubles, delays and refuses requests while
//! processes end at any of them.
//!
//! ```text
//!   scenario ──> process (the real vault) ──> wire ──fate──> cloud (embedded services, in process)
//!      │             │                          └──────────> audit, after every write
//!      │             └──────────> transport ──fate──> entra (simulated token endpoint)
//!      └── users who reconnect, leave, and an operator who pauses
//! ```
//!
//! There is no socket and one thread, and time moves only when nothing else does: the same seed gives
//! the same run. Every request of the protocol is an await point, and every one may meet a fault. What
//! must never be seen are the invariants I1 to I6: no lost grant, no older token over a newer one, one
//! exchange at a time, no connection taken from its user by us, no token under a foreign grant, and no
//! write by a refresh that began before a reconnect or a delete.

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
pub mod wire;
