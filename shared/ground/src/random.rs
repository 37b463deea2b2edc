//! Randomness, for all values that are minted or jittered.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rand_core::impls::{next_u32_via_fill, next_u64_via_fill};
use rand::rngs::{OsRng, StdRng};
use rand::{CryptoRng, RngCore, SeedableRng as _, TryRngCore as _};

/// The source of randomness, as a parameter.
#[derive(Debug, Clone, Default)]
pub enum Random {
    /// The operating system: the only choice in production.
    #[default]
    System,
    /// A seed, so that a simulated run can be repeated. The values it mints can be guessed.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Random {
    /// Returns a generator that repeats its numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        match self {
            // Without randomness from the operating system nothing can go on: the handler catches the panic.
            Self::System => OsRng.unwrap_err().fill_bytes(destination),
            Self::Seeded(generator) => {
                generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(destination);
            }
        }
    }
}

impl CryptoRng for Random {}
