//! Randomness from the operating system, for everything that is minted or jittered in production.

use rand::TryRngCore as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::OsRng;

/// The operating system's generator. It holds no state, so it may cross threads and awaits.
pub fn system() -> UnwrapErr<OsRng> {
    // An operating system without randomness is nothing to go on with: the panic is caught at the handler.
    OsRng.unwrap_err()
}
