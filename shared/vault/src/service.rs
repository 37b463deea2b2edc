//! Settings of the whole service: the kill switch, and the largest number of shards of the refresh schedule so far.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use ground::clock::Clock;
use ground::remembered::Remembered;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::table::{Condition, Write, n, read, to_value};

pub(crate) const KEY: &str = "service";
pub(crate) const WHAT: &str = "service settings";

/// How long a process caches the switch, which must take effect everywhere within five seconds.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(3);

/// Whether the service calls Entra and Azure DevOps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does.
    #[default]
    Running,
    /// The operator stopped it: no token is used, renewed or handed out, and no user is sent to Entra. A status of a newer
    /// release reads as this.
    #[serde(other)]
    Paused,
}

/// The settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct ServiceSettings {
    /// The kill switch.
    #[serde(default)]
    pub status: Status,
    /// The largest number of shards that the refresh schedule was ever configured with.
    #[serde(default)]
    pub refresh_shards: u32,
}

impl ServiceSettings {
    /// Goes on only if the operator has not stopped the service.
    ///
    /// # Errors
    /// [`NotRunning::Paused`].
    pub fn require_running(self) -> Result<(), NotRunning> {
        match self.status {
            Status::Running => Ok(()),
            Status::Paused => Err(NotRunning::Paused),
        }
    }
}

/// Why the service may not be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotRunning {
    /// The operator stopped it.
    #[error("the operator has stopped the service")]
    Paused,
    /// Its status cannot be read.
    #[error(transparent)]
    Unknown(#[from] Error),
}

/// The service's settings, in the table `integrations`.
#[derive(Clone)]
pub struct Service {
    client: Client,
    table: String,
    known: Remembered<(), ServiceSettings>,
}

impl Service {
    /// The settings in the given table.
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        let known = Remembered::new(clock, KNOWN_FOR).or_stale(SignedDuration::MAX, KNOWN_FOR);
        Self { client, table, known }
    }

    /// The settings, by a consistent read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn settings(&self) -> Result<ServiceSettings, Error> {
        Ok(read(&self.client, &self.table, KEY, WHAT).await?.unwrap_or_default())
    }

    /// Whether the operator stopped the service, as of at most three seconds ago. While DynamoDB does not answer, the last
    /// known value counts.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing is known yet and DynamoDB does not answer.
    pub async fn is_paused(&self) -> Result<bool, Error> {
        Ok(self.recent_settings().await?.status == Status::Paused)
    }

    /// Goes on only if the operator has not stopped the service; see [`Service::is_paused`].
    ///
    /// # Errors
    /// [`NotRunning`].
    pub async fn require_running(&self) -> Result<(), NotRunning> {
        self.recent_settings().await?.require_running()
    }

    async fn recent_settings(&self) -> Result<ServiceSettings, Error> {
        let read = || async { Ok(self.settings().await?) };
        self.known.get(&(), read).await
    }

    /// Turns the kill switch.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn turn(&self, status: Status) -> Result<(), Error> {
        Write::update(&self.table, KEY)
            .set("status", to_value(WHAT, &status)?)
            .attempt(&self.client)
            .await?;
        self.known.forget(&()).await;
        Ok(())
    }

    /// The number of shards to drain: the configured one, or a larger one configured earlier, because connections stay in
    /// the shards that they were scheduled in.
    ///
    /// # Errors
    /// As [`Self::settings`].
    pub async fn refresh_shards(&self, configured: u32) -> Result<u32, Error> {
        let known = self.settings().await?.refresh_shards;
        if known >= configured {
            return Ok(known);
        }
        let update = Write::update(&self.table, KEY)
            .when("refresh_shards", Condition::AbsentOrBelow(n(configured)))
            .set("refresh_shards", n(configured));
        if update.attempt(&self.client).await? {
            return Ok(configured);
        }
        // Another process, configured with more, was faster.
        Ok(self.settings().await?.refresh_shards.max(configured))
    }
}
