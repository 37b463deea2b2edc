//! OAuth 2.0 and OpenID Connect with Microsoft Entra ID, as a confidential multitenant client.
//!
//! ```text
//!   authorize ──> authorization   the URL to which the browser is sent
//!   callback  ──> token           code -> tokens          id_token   the user who signed in
//!   refresh   ──> token           refresh token -> tokens
//!   manage    ──> token           client credentials, to verify a set-up
//!   rotate    ──> graph           a new client secret
//!                   │
//!        credential (secret, certificate)   metadata, jwks (discovered, cached)
//!                   │
//!              error_class: whose fault a refusal is, as one total function for every leg
//! ```
//!
//! It is independent of AWS and stores nothing. It never retries, follows a redirect, reads an access token or keeps
//! Entra's `error_description`, which may hold personal data.

pub mod authorization;
pub mod claims;
pub mod cloud;
pub mod credential;
pub mod error_class;
pub mod graph;
pub mod id_token;
pub mod identifiers;
pub mod jwks;
#[cfg(test)]
mod loopback;
pub mod metadata;
pub mod token;
