//! Azure DevOps as its clients see it: hosts and addresses, scopes, headers, rejections, identity.
//!
//! ```text
//!   proxy ──> address     what may be called, parsed once: authorized = sent
//!         ──> policy      what an integration lets through of it
//!         ──> headers     what passes up and down
//!         ──> rejection   whether an answer means "bad token"
//!         ──> rewrite     addresses in answers that must point back at the proxy
//!         ──> rate_limit  how long to wait
//!   callback, authorize, manage ──> client   who am I, which tenant backs an organization
//!   everyone ──> organization, scopes
//! ```
//!
//! It knows no AWS and no Entra. It holds no token longer than a request, and follows no redirect.

pub mod address;
pub mod client;
pub mod headers;
pub mod host;
pub mod organization;
pub mod policy;
pub mod rate_limit;
pub mod rejection;
pub mod rewrite;
pub mod scopes;
