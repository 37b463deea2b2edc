//! What every crate of ado-connect stands on: time, randomness, HTTP to others, and remembering answers.
//!
//! ```text
//!    functions, calls, edge, vault, entra, devops
//!                       │
//!   clock        the present moment, as a parameter
//!   random       where minted and jittered values come from, as a parameter
//!   http         the one HTTP client, bounded bodies, which addresses may be trusted
//!   bearer_token an access token that can stand in a header
//!   transport    one request and its whole answer, as a function that a simulation can replace
//!   fields       named values, read with every fault at once
//!   fetch        a public JSON document, bounded in time and size
//!   remembered   answers that stay good for a while
//! ```
//!
//! It knows no AWS, no Entra and no Azure DevOps, and imports nothing else of ours. Production code takes time,
//! randomness and HTTP clients from here and nowhere else; `.clippy.toml` forbids the other ways.

pub mod bearer_token;
pub mod clock;
pub mod fetch;
pub mod fields;
pub mod http;
pub mod random;
pub mod remembered;
pub mod transport;
