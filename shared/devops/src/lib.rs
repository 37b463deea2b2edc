//! Azure DevOps as its clients see it: hosts and addresses, scopes, headers, rejections, identity.
//!
//! ```text
//!   proxy ──> address     the addresses that may be called, parsed once: authorized = sent
//!         ──> policy      the calls that an integration allows
//!         ──> closed      the areas that hand out credentials or persist access
//!         ──> batch       the calls inside a batch
//!         ──> headers     the headers that pass up and down
//!         ──> rejection   answers that reject the token
//!         ──> pace        the time to wait that an answer names
//!         ──> rewrite     addresses in answers that must point back at the proxy
//!   callback, authorize, manage ──> client   the user of a token, the tenant that backs an organization
//!   everyone ──> organization, scopes
//! ```
//!
//! It depends on neither AWS nor Entra. It holds no token longer than a request, and follows no redirect.

pub mod address;
pub mod batch;
pub mod client;
pub mod closed;
pub mod headers;
pub mod host;
pub mod method_override;
pub mod organization;
pub mod pace;
pub mod policy;
pub mod rejection;
pub mod rewrite;
pub mod scopes;
