//! The stage of a run: a paused clock, the services, Entra, and the processes on them.

use local::names;
use vault::aws::Clients;
use vault::events::Events;

use crate::clock::SimulatedClock;
use crate::cloud::Cloud;
use crate::entra::SimulatedEntra;
use crate::faults::Faults;
use crate::process::Process;
use crate::wire::{Sabotage, Wire};

/// Plays on a paused clock: waiting takes no time.
///
/// # Errors
/// Those of the play.
pub fn play<T>(play: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(play)
}

/// A stage without faults.
pub struct Stage {
    /// The AWS services.
    pub cloud: Cloud,
    /// The time.
    pub clock: SimulatedClock,
    /// Entra.
    pub entra: SimulatedEntra,
}

impl Stage {
    /// A stage with empty tables.
    ///
    /// # Errors
    /// The error of the embedded services.
    pub async fn new() -> Result<Self, String> {
        let stage = Self {
            cloud: Cloud::new(),
            clock: SimulatedClock::new(),
            entra: SimulatedEntra::default(),
        };
        set(&stage.cloud).await?;
        Ok(stage)
    }

    /// Starts one of so many workers, one for each shard. It sends its events.
    pub fn worker(&self, number: u32, of: u32) -> Process {
        let faults = Faults::none();
        let wire = Wire::new(self.cloud.clone(), faults.clone(), Sabotage::None, None);
        let seed = (number.into(), of);
        Process::with_events(&wire, &faults, &self.entra, self.clock, seed, |aws| {
            Events::to_bus(aws.eventbridge(), "bus".to_owned())
        })
    }
}

/// Creates the tables and the key.
///
/// # Errors
/// The error of the embedded services.
pub async fn set(cloud: &Cloud) -> Result<(), String> {
    let wire = Wire::new(cloud.clone(), Faults::none(), Sabotage::None, None);
    let aws = Clients::new(&wire.sdk_config());
    let template = local::template::Template::read().map_err(|e| e.to_string())?;
    local::tables::make(cloud.database(), &template).map_err(|e| e.to_string())?;
    let made = aws.kms().create_key().send().await.map_err(|e| format!("{e:?}"))?;
    let id = made.key_metadata.map(|key| key.key_id).unwrap_or_default();
    let alias = aws.kms().create_alias().alias_name(names::KEY).target_key_id(id);
    alias.send().await.map(drop).map_err(|e| format!("{e:?}"))
}
