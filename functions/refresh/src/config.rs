//! The function's own environment variables.

use std::num::NonZeroU32;

use edge::config::{Config, FromVariables, Reader, UpstreamUrl};
use url::Url;

/// The configuration of the function.
#[derive(Debug, Clone)]
pub struct RefreshConfig {
    /// The configuration of every function.
    pub common: Config,
    /// `REFRESH_QUEUE_URL`: the FIFO queue between dispatcher and workers.
    pub queue_url: Url,
    /// `REFRESH_DEAD_LETTERS_ARN`: the queue of messages that could not be handled. Without it they stay in the first
    /// queue.
    pub dead_letters_arn: Option<String>,
    /// `REFRESH_CONCURRENCY`: connections that one worker renews at the same time; 16 unless set.
    pub concurrency: NonZeroU32,
    /// `REFRESH_RATE`: the most token requests per second of all workers together to Entra for one tenant; 100 unless
    /// set.
    pub rate: NonZeroU32,
}

const DEFAULT_CONCURRENCY: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

impl FromVariables for RefreshConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let common = Config::read(reader);
        let queue_url = reader.required::<UpstreamUrl>("REFRESH_QUEUE_URL");
        let dead_letters_arn = reader.optional("REFRESH_DEAD_LETTERS_ARN");
        let concurrency = reader.optional("REFRESH_CONCURRENCY").unwrap_or(DEFAULT_CONCURRENCY);
        let rate = reader.optional("REFRESH_RATE").unwrap_or(DEFAULT_RATE);
        let (common, UpstreamUrl(queue_url)) = (common?, queue_url?);
        Some(Self { common, queue_url, dead_letters_arn, concurrency, rate })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_empty_environment_is_refused_with_every_missing_name() {
        let mut expected = Config::from_variables(|_| None).unwrap_err().faults;
        expected.push("REFRESH_QUEUE_URL is missing".to_owned());
        assert_eq!(RefreshConfig::from_variables(|_| None).unwrap_err().faults, expected);
    }
}
