//! The program: reads the command line, starts the stack, and stops it on Ctrl-C.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::environment::Sink;
use crate::gateway::GatewayOptions;
use crate::options::{Options, Which};
use crate::stack::{PORTS_AFTER, Stack, StackOptions, Upstream, listen};
use crate::{Binaries, StartError, demo, greeting};

/// Runs the local stack until it is interrupted. An error ends it with one line.
pub async fn run() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return refuse(&error),
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help if it was asked for, and otherwise the error in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let lines: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    eprintln!(
        "local: {} (--help lists the options)",
        lines.join(" ").trim_start_matches("error: ")
    );
    ExitCode::from(2)
}

async fn serve(options: Options) -> Result<(), StartError> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    if options.port > u16::MAX - PORTS_AFTER {
        return Err(StartError::NoRoom(options.port));
    }
    let port = first_port(&options);
    // Before the build, so that a port in use is reported at once.
    for offset in [0, 1, 2, 4] {
        drop(listen(port.map(|port| port + offset)).await?);
    }
    let demo_listener = listen(port.map(|port| port + 3)).await?;
    let demo_url = format!("http://localhost:{}", demo_listener.local_addr()?.port());
    let binaries = tokio::task::spawn_blocking(Binaries::build)
        .await
        .map_err(|e| StartError::Build(e.to_string()))??;
    let stack = Stack::start(stack_options(&options, binaries)).await?;
    if let Some(path) = &options.env_file {
        tokio::fs::write(path, stack.env_file()).await?;
    }
    let greeting = greeting::prepare(&stack, &options, demo_url).await?;
    let demo = demo::serve(demo_listener, greeting.demo_settings(&stack));
    greeting.print(&stack);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    demo.abort();
    stack.shutdown().await;
    Ok(())
}

/// Returns the gateway's port, or `None` if the ports are to be free ones.
fn first_port(options: &Options) -> Option<u16> {
    (options.port != 0).then_some(options.port)
}

fn stack_options(options: &Options, binaries: Binaries) -> StackOptions {
    let upstream = |url: &Option<url::Url>| match (url, options.entra) {
        (Some(url), _) => Upstream::Url(url.clone()),
        (None, Which::Emulator) => Upstream::Emulator,
        (None, Which::Real) => Upstream::Microsoft,
    };
    StackOptions {
        port: first_port(options),
        operator_key: options.operator_key.clone(),
        entra: upstream(&options.entra_url),
        devops: upstream(&options.devops_url),
        tick: Some(options.tick),
        environments: options.environments,
        sink: sink(options.quiet),
        parameters: Vec::new(),
        variables: variables(options),
        gateway: GatewayOptions {
            cors_origins: options.cors_origins.clone(),
            ..GatewayOptions::default()
        },
        binaries,
    }
}

fn variables(options: &Options) -> Vec<(String, String)> {
    let of_jwt = [("JWT_ISSUER", &options.jwt_issuer), ("JWT_AUDIENCE", &options.jwt_audience)];
    let given = of_jwt.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let executions = ("EXECUTIONS", options.environments.to_string());
    given.chain([executions]).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn sink(quiet: bool) -> Sink {
    if quiet {
        Arc::new(|_, _| {})
    } else {
        Arc::new(|function, line| println!("{function:<15} {line}"))
    }
}
