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
use tokio::task::JoinHandle;
use url::Url;

use crate::StartError;
use crate::aws::Aws;
use crate::binaries::Binaries;
use crate::gateway::Gateway;
use crate::names;
use crate::routes::Routes;
use crate::runtime::{Function, FunctionSettings, InvokeError, Sink};
use crate::schedule::Schedule;
use crate::streaming_front::StreamingFront;
use crate::template::{Template, TemplateFunction};

/// The proxy once more, deployed to stream.
const STREAMING_PROXY: &str = "streaming-proxy";
/// The tenant of the emulated app registration.
const APP_TENANT: &str = "a1a1a1a1-0000-4000-8000-00000000000a";
/// How many ports after the gateway's are taken: Entra's, Azure DevOps', the demo application's, and the
/// streaming front's.
pub(crate) const PORTS_AFTER: u16 = 4;

/// Which Entra and Azure DevOps the service talks to.
#[derive(Debug, Clone, Default)]
pub enum Upstream {
    /// A stand-in that is started with the service.
    #[default]
    Emulator,
    /// A server that is running already.
    Url(Url),
    /// Microsoft's own.
    Microsoft,
}

/// How to start the service.
#[derive(Clone)]
pub struct StackOptions {
    /// The gateway's port; Entra's and Azure DevOps' stand-ins get the next two, and the
    /// streaming front the fourth after it. Without one, free ports.
    pub port: Option<u16>,
    /// The first operator key, instead of a fresh one.
    pub operator_key: Option<String>,
    /// Entra.
    pub entra: Upstream,
    /// Azure DevOps.
    pub devops: Upstream,
    /// How often the refresh schedule runs; without it only [`Stack::tick`] runs it.
    pub tick: Option<Duration>,
    /// Most processes per function.
    pub environments: usize,
    /// Where the functions' output goes.
    pub sink: Sink,
    /// More environment variables for the functions.
    pub variables: Vec<(String, String)>,
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
    /// Starts everything.
    ///
    /// # Errors
    /// [`StartError`], one clear line.
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
        let streaming_url = format!("http://localhost:{}", streaming.local_addr()?.port());
        let callback = format!("{public_url}/integration-callback");
        let (entra, entra_url) = start_entra(&options.entra, port_after(1), callback).await?;
        let (azure_devops, devops_url) =
            start_devops(&options.devops, port_after(2), entra.as_ref()).await?;
        let operator_key = options.operator_key.clone().unwrap_or_else(fresh_operator_key);
        let aws = Aws::start(&operator_key).await?;

        let mut variables = aws.variables().to_vec();
        variables.extend(own_variables(&public_url, &streaming_url, &aws.queue_url));
        for name in ["ENTRA_URL", "GRAPH_URL"] {
            variables.extend(entra_url.iter().map(|url| (name.to_owned(), url.clone())));
        }
        variables.extend(devops_url.map(|url| ("DEVOPS_URL".to_owned(), url)));
        variables.extend(options.variables.iter().cloned());
        let functions = Arc::new(functions(&options, &variables, &Template::read()?));
        let schedule = Arc::new(Schedule {
            refresh: Arc::clone(&functions["refresh"]),
            sqs: aws.sqs.clone(),
            queue_url: aws.queue_url.clone(),
        });
        let gateway = Gateway {
            routes: Routes::of_template()?,
            functions: Arc::clone(&functions),
            public_url: public_url.clone(),
        };
        let streaming_front = StreamingFront {
            function: Arc::clone(&functions[STREAMING_PROXY]),
            host: streaming_url.trim_start_matches("http://").to_owned(),
        };
        let mut tasks = gateway.serve(on_both_addresses(front).await);
        tasks.extend(streaming_front.serve(on_both_addresses(streaming).await));
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

    /// The gateway's own name, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Where the proxy that streams is reached, without a slash at the end.
    pub fn streaming_url(&self) -> &str {
        &self.streaming_url
    }

    /// The first operator key.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// The stand-in of Entra, if it is one.
    pub fn entra(&self) -> Option<&Entra> {
        self.entra.as_ref()
    }

    /// The stand-in of Azure DevOps, if it is one.
    pub fn azure_devops(&self) -> Option<&AzureDevOps> {
        self.azure_devops.as_ref()
    }

    /// What functions are told that run elsewhere on this machine: one `NAME=value` on each line. They may do
    /// anything with the embedded services, because nobody there knows which is which.
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

    /// The most memory that an idle process of a function has held so far, in bytes, where the operating system
    /// tells it (`VmHWM` of `proc(5)`).
    ///
    /// # Panics
    /// When there is no such function.
    pub async fn peak_memory(&self, function: &str) -> Option<u64> {
        self.functions[function].peak_memory().await
    }

    /// Kills the idle processes of all functions, as Lambda does whenever it likes.
    pub async fn restart_functions(&self) {
        for function in self.functions.values() {
            function.restart().await;
        }
    }

    /// Runs the refresh schedule once, and the queue until it is empty.
    ///
    /// # Errors
    /// What the function or the queue said.
    pub async fn tick(&self) -> Result<(), String> {
        self.schedule.tick().await
    }

    /// Runs the daily sweep once.
    ///
    /// # Errors
    /// What the function or the queue said.
    pub async fn sweep(&self) -> Result<(), String> {
        self.schedule.sweep().await
    }

    /// Kills a function's processes with SIGKILL, busy ones, too: what they were doing ends where it is.
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
) -> HashMap<String, Arc<Function>> {
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
            environments: options.environments,
            sink: Arc::clone(&options.sink),
        };
        (function.name, Arc::new(Function::new(settings)))
    };
    template.functions().map(function).collect()
}

fn own_variables(public_url: &str, streaming_url: &str, queue_url: &str) -> Vec<(String, String)> {
    [
        ("PUBLIC_URL", public_url),
        ("STREAMING_URL", streaming_url),
        ("INTEGRATIONS_TABLE", names::INTEGRATIONS),
        ("SESSIONS_TABLE", names::SESSIONS),
        ("CONNECTIONS_TABLE", names::CONNECTIONS),
        ("TOKENS_TABLE", names::TOKENS),
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

async fn start_entra(
    upstream: &Upstream,
    port: Option<u16>,
    callback: String,
) -> Result<(Option<Entra>, Option<String>), StartError> {
    match upstream {
        Upstream::Microsoft => Ok((None, None)),
        Upstream::Url(url) => Ok((None, Some(url.to_string()))),
        Upstream::Emulator => {
            let listener = listen(port).await?;
            // Browsers keep cookies and open windows by name, so both go by the same one.
            let base_url = format!("http://localhost:{}", listener.local_addr()?.port());
            let options = EntraOptions {
                base_url: Some(base_url.clone()),
                redirect_uris: vec![callback],
                ..EntraOptions::default()
            };
            Ok((Some(Entra::start(listener, options)?), Some(base_url)))
        }
    }
}

async fn start_devops(
    upstream: &Upstream,
    port: Option<u16>,
    entra: Option<&Entra>,
) -> Result<(Option<AzureDevOps>, Option<String>), StartError> {
    match (upstream, entra) {
        (Upstream::Url(url), _) => Ok((None, Some(url.to_string()))),
        (Upstream::Emulator, Some(entra)) => {
            let listener = listen(port).await?;
            let devops = AzureDevOps::start(listener, entra, AzureDevOpsOptions::default())?;
            let url = devops.base_url().to_owned();
            Ok((Some(devops), Some(url)))
        }
        // The stand-in of Azure DevOps takes only the tokens of the stand-in of Entra.
        (Upstream::Emulator | Upstream::Microsoft, _) => Ok((None, None)),
    }
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

/// `localhost` may mean the IPv6 loopback address first; it is served where there is one.
async fn on_both_addresses(first: TcpListener) -> Vec<TcpListener> {
    let second = match first.local_addr() {
        Ok(address) => {
            TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), address.port())).await.ok()
        }
        Err(_) => None,
    };
    std::iter::once(first).chain(second).collect()
}
