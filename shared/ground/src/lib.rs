//! The ground of every crate of ado-connect: time, randomness, HTTP to other services, and remembered answers.
//!
//! ```text
//!    functions, calls, edge, vault, entra, devops
//!                       │
//!   clock        the current time, as a parameter
//!   minted       secrets of 256 random bits, each kind a type
//!   random       the source of minted and jittered values, as a parameter
//!   public_addresses   what a name that strangers choose may resolve to
//!   http         the one HTTP client, bounded bodies, the addresses that may receive a secret
//!   tls          the certificate authorities that a process trusts
//!   media_type   the type of a body, without its parameters
//!   bearer_token an access token that is valid in a header
//!   transport    one request and its whole response, as a function that a simulation can replace
//!   retry_after  the wait that an answer asks for
//!   seconds      numbers of seconds in answers, read leniently
//!   fields       named values, read with every fault at once
//!   fetch        a public JSON document, bounded in time and size
//!   remembered   answers that stay fresh for a while
//! ```
//!
//! It is independent of AWS, Entra and Azure DevOps, and imports no other crate of ours. Production code takes time,
//! randomness and HTTP clients from here and nowhere else; `.clippy.toml` forbids the other ways.

pub mod bearer_token;
pub mod clock;
pub mod fetch;
pub mod fields;
pub mod http;
pub mod media_type;
pub mod minted;
pub mod public_addresses;
pub mod random;
pub mod remembered;
pub mod retry_after;
pub mod seconds;
mod tls;
pub mod transport;
