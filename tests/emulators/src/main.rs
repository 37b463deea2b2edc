//! Serves both stand-ins on loopback: Entra on the port given, Azure DevOps on the next one.

use std::process::ExitCode;

use clap::Parser;
use emulators::{AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions, entra};
use tokio::net::TcpListener;

/// Stand-ins of Microsoft Entra ID and Azure DevOps.
#[derive(Parser)]
struct Arguments {
    /// Port of Entra; Azure DevOps gets the next one.
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Redirect URI of the default app; may be given several times.
    #[arg(long, default_value = "http://localhost:8080/integration-callback")]
    redirect_uri: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emulators: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let next = arguments
        .port
        .checked_add(1)
        .ok_or_else(|| std::io::Error::other("there is no port after the one given"))?;
    let entra_listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    let devops_listener = TcpListener::bind(("127.0.0.1", next)).await?;
    let options = EntraOptions { redirect_uris: arguments.redirect_uri, ..EntraOptions::default() };
    let entra = Entra::start(entra_listener, options)?;
    let devops = AzureDevOps::start(devops_listener, &entra, AzureDevOpsOptions::default())?;
    println!("Entra ID       {}", entra.base_url());
    println!("Azure DevOps   {}", devops.base_url());
    println!("client id      {}", entra::DEFAULT_CLIENT_ID);
    println!("client secret  {}", entra::DEFAULT_CLIENT_SECRET);
    tokio::signal::ctrl_c().await?;
    entra.shutdown().await;
    devops.shutdown().await;
    Ok(())
}
