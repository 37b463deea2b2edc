//! Randomness, for all values that are minted or jittered.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rand_core::UnwrapErr;
use rand::rngs::{OsRng, StdRng};
use rand::{CryptoRng, RngCore, SeedableRng as _, TryRngCore as _};

/// The operating system's generator. It holds no state, so it may cross threads and awaits.
fn system() -> UnwrapErr<OsRng> {
    // Without randomness from the operating system nothing can go on: the handler catches the panic.
    OsRng.unwrap_err()
}

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
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        match self {
            Self::System => system().fill_bytes(destination),
            Self::Seeded(generator) => {
                generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(destination);
            }
        }
    }
}

impl CryptoRng for Random {}
