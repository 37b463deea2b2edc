//! The whole service on one machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emulators::{AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions};
use rand::RngCore as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use url::Url;

use crate::StartError;
use crate::aws::Aws;
use crate::binaries::Binaries;
use crate::environment::{FunctionSettings, Sink, peak_memory};
use crate::gateway::{Gateway, GatewayOptions};
use crate::names;
use crate::rest_api::{Definition, RestApi};
use crate::runtime::{Function, InvokeError};
use crate::schedule::{SCHEDULE, SWEEP, Schedule};
use crate::template::{Template, TemplateFunction};
use crate::throttle::Throttle;

/// The function that is the package `proxy` with streamed responses.
const STREAMING_PROXY: &str = "streaming-proxy";
/// The tenant of the emulated app registration.
const APP_TENANT: &str = "a1a1a1a1-0000-4000-8000-00000000000a";
/// The number of ports after the gateway's that are used: Entra's, Azure DevOps', the demo application's, and the
/// streaming front's.
pub(crate) const PORTS_AFTER: u16 = 4;

/// A service of Microsoft, or a server in its place.
#[derive(Debug, Clone, Default)]
pub enum Upstream {
    /// An emulator that is started with the service.
    #[default]
    Emulator,
    /// A running server.
    Url(Url),
    /// Microsoft's service.
    Microsoft,
}

impl Upstream {
    fn url(&self) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.to_string()),
            Self::Emulator | Self::Microsoft => None,
        }
    }
}

/// The options of a stack.
#[derive(Clone)]
pub struct StackOptions {
    /// The gateway's port; the emulators of Entra and Azure DevOps get the next two, and the
    /// streaming front the fourth after it. `None` means free ports.
    pub port: Option<u16>,
    /// The first operator key; `None` means a random one.
    pub operator_key: Option<String>,
    /// Entra.
    pub entra: Upstream,
    /// Azure DevOps.
    pub devops: Upstream,
    /// The period of the refresh schedule; without one only [`Stack::tick`] runs it.
    pub tick: Option<Duration>,
    /// The most executions at a time of all functions together, as an account's quota. Reserved executions are a part of it.
    pub environments: usize,
    /// Takes the functions' output.
    pub sink: Sink,
    /// Parameters of the template in place of their defaults. They decide the throttle of both fronts and the executions
    /// that are reserved; the functions' environment is not made of them.
    pub parameters: Vec<(String, String)>,
    /// More environment variables for the functions.
    pub variables: Vec<(String, String)>,
    /// The HTTP API.
    pub gateway: GatewayOptions,
    /// The functions' executables.
    pub binaries: Binaries,
}

/// The running service. Dropping it kills the functions' processes.
pub struct Stack {
    public_url: String,
    streaming_url: String,
    operator_key: String,
    entra: Option<Entra>,
    azure_devops: Option<AzureDevOps>,
    aws: Aws,
    functions: Arc<HashMap<String, Arc<Function>>>,
    schedule: Arc<Schedule>,
    variables: Vec<(String, String)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Stack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Stack {
    /// Starts the functions, the embedded services and the emulators.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: StackOptions) -> Result<Self, StartError> {
        if let Some(port) = options.port
            && port > u16::MAX - PORTS_AFTER
        {
            return Err(StartError::NoRoom(port));
        }
        let port_after = |offset| options.port.map(|port| port + offset);
        let front = listen(options.port).await?;
        let public_url = format!("http://localhost:{}", front.local_addr()?.port());
        let streaming = listen(port_after(4)).await?;
        let template = Template::read()?.deployed_with(&options.parameters)?;
        let rest_api = Definition::of(&template)?;
        let streaming_host = format!("localhost:{}", streaming.local_addr()?.port());
        let streaming_url = format!("http://{streaming_host}/{}", rest_api.stage);
        let callback = format!("{public_url}/integration-callback");
        let entra = match options.entra {
            Upstream::Emulator => Some(start_entra(port_after(1), callback).await?),
            _ => None,
        };
        let azure_devops = match (&options.devops, &entra) {
            // The emulator of Azure DevOps accepts only tokens of the emulator of Entra.
            (Upstream::Emulator, Some(entra)) => {
                let listener = listen(port_after(2)).await?;
                Some(AzureDevOps::start(listener, entra, AzureDevOpsOptions::default())?)
            }
            _ => None,
        };
        let entra_url = options.entra.url().or_else(|| Some(entra.as_ref()?.base_url().to_owned()));
        let devops_url =
            options.devops.url().or_else(|| Some(azure_devops.as_ref()?.base_url().to_owned()));
        let operator_key = options.operator_key.clone().unwrap_or_else(fresh_operator_key);
        let aws = Aws::start(&operator_key).await?;

        let mut variables = aws.variables().to_vec();
        variables.extend(own_variables(&public_url, &streaming_url, &aws.queue_url));
        for name in ["ENTRA_URL", "GRAPH_URL"] {
            variables.extend(entra_url.iter().map(|url| (name.to_owned(), url.clone())));
        }
        variables.extend(devops_url.map(|url| ("DEVOPS_URL".to_owned(), url)));
        let cors_origins = options.gateway.cors_origins.join(",");
        variables.push(("CORS_ORIGINS".to_owned(), cors_origins));
        variables.extend(options.variables.iter().cloned());
        let functions = Arc::new(functions(&options, &variables, &template)?);
        let schedule = Arc::new(Schedule {
            refresh: Arc::clone(&functions["refresh"]),
            sqs: aws.sqs.clone(),
            queue_url: aws.queue_url.clone(),
        });
        let host = public_url.trim_start_matches("http://").to_owned();
        let gateway = Gateway::new(&template, Arc::clone(&functions), host, &options.gateway)?;
        let rest_api = RestApi {
            definition: rest_api,
            functions: Arc::clone(&functions),
            host: streaming_host,
            public_url: public_url.clone(),
            throttle: Throttle::of_rest_api(&template)?,
        };
        let mut tasks = gateway.serve(on_both_addresses(front).await);
        tasks.extend(rest_api.serve(on_both_addresses(streaming).await));
        tasks.extend(options.tick.map(|tick| Arc::clone(&schedule).every(tick)));
        Ok(Self {
            public_url,
            streaming_url,
            operator_key,
            entra,
            azure_devops,
            aws,
            functions,
            schedule,
            variables,
            tasks,
        })
    }

    /// The gateway's address, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The streaming front's address, without a slash at the end.
    pub fn streaming_url(&self) -> &str {
        &self.streaming_url
    }

    /// The first operator key.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// The emulator of Entra, if there is one.
    pub fn entra(&self) -> Option<&Entra> {
        self.entra.as_ref()
    }

    /// The emulator of Azure DevOps, if there is one.
    pub fn azure_devops(&self) -> Option<&AzureDevOps> {
        self.azure_devops.as_ref()
    }

    /// The environment of functions that are started elsewhere on this machine, one `NAME=value` on each line. The
    /// embedded services allow them everything, because the caller's function is unknown.
    pub fn env_file(&self) -> String {
        let anybody = ("AWS_ACCESS_KEY_ID".to_owned(), self.aws.administrator().to_owned());
        let variables = self.variables.iter().chain([&anybody]);
        let lines = variables.map(|(name, value)| format!("{name}={value}"));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    /// The embedded AWS services.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// How the processes of a function are run.
    ///
    /// # Panics
    /// When there is no such function.
    pub fn settings(&self, function: &str) -> &FunctionSettings {
        self.functions[function].settings()
    }

    /// Invokes a function with an event, past the gateway.
    ///
    /// # Errors
    /// [`InvokeError`].
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn invoke(&self, function: &str, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        self.functions[function].invoke(event).await
    }

    /// The peak memory of a function's idle processes, in bytes, if the operating system reports it (`VmHWM` of
    /// `proc(5)`).
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn peak_memory(&self, function: &str) -> Option<u64> {
        self.processes(function).await.into_iter().filter_map(peak_memory).max()
    }

    /// The ids of a function's idle processes.
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn processes(&self, function: &str) -> Vec<u32> {
        self.functions[function].processes().await
    }

    /// Kills the idle processes of all functions, as Lambda may at any time.
    pub async fn restart_functions(&self) {
        for function in self.functions.values() {
            function.restart().await;
        }
    }

    /// Runs the refresh schedule once, and the queue until it is empty.
    ///
    /// # Errors
    /// The error of the function or the queue.
    pub async fn tick(&self) -> Result<(), String> {
        self.schedule.run(SCHEDULE).await
    }

    /// Runs the daily sweep once.
    ///
    /// # Errors
    /// The error of the function or the queue.
    pub async fn sweep(&self) -> Result<(), String> {
        self.schedule.run(SWEEP).await
    }

    /// Kills all processes of a function with SIGKILL, including those in the middle of an invocation.
    pub async fn kill(&self, function: &str) {
        self.functions[function].kill().await;
    }

    /// Stops everything.
    pub async fn shutdown(self) {
        self.restart_functions().await;
    }
}

fn functions(
    options: &StackOptions,
    variables: &[(String, String)],
    template: &Template,
) -> Result<HashMap<String, Arc<Function>>, StartError> {
    let reserved: usize = template.functions().filter_map(|function| function.reserved).sum();
    let unreserved = options.environments.checked_sub(reserved);
    let unreserved = unreserved.ok_or(StartError::TooManyReserved(options.environments))?;
    let unreserved = Arc::new(Semaphore::new(unreserved));
    let function = |function: TemplateFunction<'_>| {
        let mut variables = variables.to_vec();
        // The caller of the AWS services, in place of a role's credentials.
        variables.push(("AWS_ACCESS_KEY_ID".to_owned(), function.name.clone()));
        if function.name == STREAMING_PROXY {
            variables.push(("RESPONSE_MODE".to_owned(), "streamed".to_owned()));
        }
        let settings = FunctionSettings {
            name: function.name.clone(),
            executable: options.binaries.of(function.package),
            variables,
            timeout: function.timeout,
            executions: match function.reserved {
                Some(reserved) => Arc::new(Semaphore::new(reserved)),
                None => Arc::clone(&unreserved),
            },
            sink: Arc::clone(&options.sink),
        };
        (function.name, Arc::new(Function::new(settings)))
    };
    Ok(template.functions().map(function).collect())
}

fn own_variables(public_url: &str, streaming_url: &str, queue_url: &str) -> Vec<(String, String)> {
    [
        ("PUBLIC_URL", public_url),
        ("STREAMING_URL", streaming_url),
        ("INTEGRATIONS_TABLE", names::INTEGRATIONS),
        ("SESSIONS_TABLE", names::SESSIONS),
        ("CONNECTIONS_TABLE", names::CONNECTIONS),
        ("TOKENS_TABLE", names::TOKENS),
        ("AUDIT_TABLE", names::AUDIT),
        ("PASSES_TABLE", names::PASSES),
        ("TOKENS_KEY_ID", names::KEY),
        ("SECRETS_PREFIX", names::SECRETS),
        ("OPERATOR_KEY_SECRET", names::OPERATOR_KEY),
        ("REFRESH_QUEUE_URL", queue_url),
        ("REFRESH_DEAD_LETTERS_ARN", names::DEAD_LETTERS_ARN),
        ("EVENT_BUS", names::BUS),
        ("FEDERATION_ROLE_ARN", names::FEDERATION_ROLE_ARN),
        ("ROTATION_TENANT", APP_TENANT),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn fresh_operator_key() -> String {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    format!("adoc_operator_{}", URL_SAFE_NO_PAD.encode(secret))
}

async fn start_entra(port: Option<u16>, callback: String) -> Result<Entra, StartError> {
    let listener = listen(port).await?;
    let options = EntraOptions {
        // The same host name as the gateway's, because browsers separate cookies and windows by host name.
        base_url: Some(format!("http://localhost:{}", listener.local_addr()?.port())),
        redirect_uris: vec![callback],
        ..EntraOptions::default()
    };
    Ok(Entra::start(listener, options)?)
}

/// A listener on the IPv4 loopback address: on this port, or on a free one.
pub(crate) async fn listen(port: Option<u16>) -> Result<TcpListener, StartError> {
    let wanted = port.unwrap_or(0);
    let bound = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), wanted)).await;
    bound.map_err(|source| match port {
        Some(port) => StartError::Port { port, source },
        None => source.into(),
    })
}

/// Adds the IPv6 loopback address, if there is one, because `localhost` may resolve to it first.
async fn on_both_addresses(first: TcpListener) -> Vec<TcpListener> {
    let second = match first.local_addr() {
        Ok(address) => {
            TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), address.port())).await.ok()
        }
        Err(_) => None,
    };
    std::iter::once(first).chain(second).collect()
}
