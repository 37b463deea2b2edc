//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use ground::http::is_trustworthy;
use url::Url;

/// ado-connect on one machine: the functions, embedded AWS services, and emulators of Entra ID and Azure DevOps.
#[derive(Debug, Parser)]
#[command(name = "local")]
pub(crate) struct Options {
    /// The gateway's port; Entra, Azure DevOps, the demo application and the streaming proxy take the next four. 0 means
    /// free ports.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The operator key, of 32 characters or more; a random one unless given.
    #[arg(long, value_parser = operator_key)]
    pub(crate) operator_key: Option<String>,
    /// A server to use as Entra ID: loopback or https. The emulator of Azure DevOps does not accept its tokens.
    #[arg(long, value_parser = upstream, conflicts_with = "entra", requires = "devops_url")]
    pub(crate) entra_url: Option<Url>,
    /// A server to use as Azure DevOps: loopback or https.
    #[arg(long, value_parser = upstream, conflicts_with = "entra")]
    pub(crate) devops_url: Option<Url>,
    /// The Entra ID and Azure DevOps to use.
    #[arg(long, value_enum, default_value_t = Which::Emulator)]
    pub(crate) entra: Which,
    /// With `--entra real`: the Application (client) ID.
    #[arg(long, required_if_eq("entra", "real"))]
    pub(crate) client_id: Option<String>,
    /// With `--entra real`: the client secret's value.
    #[arg(long, required_if_eq("entra", "real"))]
    pub(crate) client_secret: Option<String>,
    /// With `--entra real`: the Azure DevOps organization.
    #[arg(long, required_if_eq("entra", "real"))]
    pub(crate) organization: Option<String>,
    /// The period of the refresh schedule, such as 60s or 2m.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(crate) tick: Duration,
    /// The most calls that all functions together handle at a time, each in an execution environment of its own.
    /// Environments start on demand, and a call beyond these is refused, as on Lambda.
    #[arg(long, value_name = "NUMBER", default_value_t = 32)]
    pub(crate) environments: usize,
    /// An origin whose pages may call the gateway from browsers; may be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub(crate) cors_origins: Vec<String>,
    /// An identity provider whose tokens name users, by its issuer: loopback or https. The integration then serves these
    /// users, and the demo application has one of its own.
    #[arg(long, value_name = "URL", value_parser = issuer, requires = "jwt_audience")]
    pub(crate) jwt_issuer: Option<String>,
    /// The audience of these tokens.
    #[arg(long, value_name = "NAME", requires = "jwt_issuer")]
    pub(crate) jwt_audience: Option<String>,
    /// Writes the functions' environment to this file, for `cargo lambda watch --env-file`.
    #[arg(long)]
    pub(crate) env_file: Option<PathBuf>,
    /// Hides the functions' log lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The Entra ID and Azure DevOps to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// The emulators.
    Emulator,
    /// Microsoft's.
    Real,
}

fn upstream(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| e.to_string())?;
    if is_trustworthy(&url) {
        Ok(url)
    } else {
        Err("must be https, or http on this machine".to_owned())
    }
}

/// The text itself, because `iss` is compared exactly.
fn issuer(text: &str) -> Result<String, String> {
    upstream(text).map(|_| text.to_owned())
}

/// The functions accept no shorter one.
fn operator_key(text: &str) -> Result<String, String> {
    if text.chars().count() < 32 {
        Err("must have 32 characters or more".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 500ms, 60s or 2m".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong()),
    };
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_and_servers_are_read_strictly() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(
            ["", "s", "0s", "1h", "-1s", "1.5s"].into_iter().all(|text| duration(text).is_err())
        );
        assert!(
            upstream("http://127.0.0.1:9").is_ok() && upstream("https://entra.example").is_ok()
        );
        assert!(upstream("http://entra.example").is_err() && upstream("nonsense").is_err());
    }

    #[test]
    fn a_bad_flag_and_half_of_a_real_app_are_refused() {
        assert!(Options::try_parse_from(["local", "--nonsense"]).is_err());
        assert!(Options::try_parse_from(["local", "--port", "99999"]).is_err());
        assert!(Options::try_parse_from(["local", "--entra", "real", "--client-id", "x"]).is_err());
        assert!(Options::try_parse_from(["local", "--entra-url", "http://evil.example"]).is_err());
        assert!(Options::try_parse_from(["local", "--port", "9000", "--quiet"]).is_ok());
        let issuer = ["local", "--jwt-issuer", "https://id.example/", "--jwt-audience", "x"];
        let read = Options::try_parse_from(issuer).unwrap();
        assert_eq!(read.jwt_issuer.as_deref(), Some("https://id.example/"));
        assert!(Options::try_parse_from(&issuer[..3]).is_err());
        assert!(Options::try_parse_from(["local", "--jwt-audience", "x"]).is_err());
        assert!(Options::try_parse_from(["local", "--operator-key", "hunter2"]).is_err());
    }
}
