//! The executables of functions as they are shipped, and a stack around them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use local::{Binaries, GatewayOptions, Stack, StackOptions, Upstream};

/// The function that costs nothing of ours.
pub(crate) const CONSTANT: &str = "constant";

/// Where the functions come from.
#[derive(Args, Debug, Clone)]
pub(crate) struct FunctionOptions {
    /// The output folder of `infra/build`, usually `target/sam`; unless given, Cargo builds the functions as they are
    /// shipped.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) built: Option<PathBuf>,
}

impl FunctionOptions {
    /// Returns the executables of some functions; the constant one is always built.
    ///
    /// # Errors
    /// If one of them is missing or cannot be built.
    pub(crate) async fn executables(&self, names: &[&'static str]) -> Result<Binaries, String> {
        let (built, names) = (self.built.clone(), names.to_vec());
        let found = tokio::task::spawn_blocking(move || match built {
            None => Binaries::build_as_shipped(&names),
            Some(folder) => {
                let found = Binaries::prebuilt(&folder)?;
                if !names.contains(&CONSTANT) {
                    return Ok(found);
                }
                let constant = Binaries::build_as_shipped(&[CONSTANT])?;
                Ok(found.with(CONSTANT, constant.of(CONSTANT)))
            }
        });
        let found: Result<_, local::StartError> = found.await.map_err(|e| e.to_string())?;
        found.map_err(|e| e.to_string())
    }
}

/// Reads `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Starts the embedded services. Functions find the two servers in place of Microsoft's.
pub(crate) async fn stack(binaries: &Binaries, entra: &str, devops: &str) -> Result<Stack, String> {
    let options = StackOptions {
        entra: server(entra)?,
        devops: server(devops)?,
        ..stack_options(binaries.clone())
    };
    Stack::start(options).await.map_err(|e| e.to_string())
}

/// A server in place of one of Microsoft's.
///
/// # Errors
/// If its address is no URL.
pub(crate) fn server(url: &str) -> Result<Upstream, String> {
    url.parse().map(Upstream::Url).map_err(|_| format!("{url} is no URL"))
}

/// The options of a stack around these functions. It shows the errors that they log.
pub(crate) fn stack_options(binaries: Binaries) -> StackOptions {
    StackOptions {
        port: None,
        operator_key: None,
        entra: Upstream::Microsoft,
        devops: Upstream::Microsoft,
        tick: None,
        environments: 32,
        sink: Arc::new(|function, line| {
            if line.contains("\"ERROR\"") {
                eprintln!("{function}: {line}");
            }
        }),
        parameters: Vec::new(),
        variables: Vec::new(),
        gateway: GatewayOptions::default(),
        binaries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_a_value() {
        let read = variable("TRUST_SECONDS=5");
        assert_eq!(read, Ok(("TRUST_SECONDS".to_owned(), "5".to_owned())));
        assert!(variable("TRUST_SECONDS").is_err());
    }
}
