//! The environment variable that only this function reads.

use std::str::FromStr;

use edge::config::{FromVariables, Reader};
use ground::http::is_loopback;
use url::Url;

/// The configuration of this function alone.
#[derive(Debug, Clone, Default)]
pub struct AuthorizeConfig {
    /// `CLIENTS_URL`: takes the place of every host of a metadata document of an MCP client. It is on this machine, because
    /// anywhere else it would let one server speak for every client.
    pub clients_url: Option<Url>,
}

impl FromVariables for AuthorizeConfig {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let clients_url = reader.optional::<LoopbackUrl>("CLIENTS_URL").map(|url| url.0);
        Some(Self { clients_url })
    }
}

/// A URL on this machine.
struct LoopbackUrl(Url);

/// A value that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address on this machine")]
struct NotLoopback;

impl FromStr for LoopbackUrl {
    type Err = NotLoopback;

    fn from_str(text: &str) -> Result<Self, NotLoopback> {
        Url::parse(text).ok().filter(is_loopback).map(Self).ok_or(NotLoopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_on_this_machine_takes_the_place_of_clients_hosts() {
        let read = |url: &str| {
            let url = url.to_owned();
            AuthorizeConfig::from_variables(move |_| Some(url.clone()))
        };
        for good in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in
            ["https://clients.example", "http://10.0.0.1", "http://localhost.evil.example", "x"]
        {
            assert_eq!(read(bad).err().map(|error| error.faults.len()), Some(1), "{bad}");
        }
    }
}
