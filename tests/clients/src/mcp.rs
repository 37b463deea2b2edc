//! Clients of the MCP endpoint: the conformance suite, and the official clients, with a key in a header or with nothing but an
//! address, at which they sign their user in.
//!
//! ```text
//!   conformance suite ──> relay: adds the key ──┐
//!   TypeScript, Python client, with the key ────┼──> gateway, mcp ──the user's token──> Azure DevOps (stand-in)
//!   the same without a key ─────────────────────┘
//!             └── a browser: consent, Entra (stand-in)
//! ```
//!
//! A guard refuses every other connection of a client. A product has no fixtures of the suite, so a checked-in baseline
//! lists the scenarios that need them; a scenario that fails without being there, or that is there and passes, is an error.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use end_to_end::{Caller, INTEGRATION, World, client_documents};
use serde_json::json;

use crate::install;

/// The revisions of the protocol, with scenarios that a baseline must not list.
const REVISIONS: [(&str, &[&str]); 2] = [
    ("2026-07-28", &["server-stateless", "tools-list", "dns-rebinding-protection", "caching"]),
    ("2025-11-25", &["server-initialize", "ping", "tools-list", "dns-rebinding-protection"]),
];

/// The address of the metadata document of a client.
const DOCUMENT: &str = "https://sdk.example/metadata.json";

/// Runs the suite in both eras, and the clients.
///
/// # Panics
/// When one fails.
pub async fn run() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp");
    let target = sources.join("../../../target/clients");
    std::fs::create_dir_all(&target).expect("a folder below target");
    let target = target.canonicalize().unwrap();
    let installed = install::mcp(&sources, &target);
    let metadata = json!({
        "client_id": DOCUMENT, "client_name": "An SDK", "redirect_uris": ["http://localhost/callback"],
        "token_endpoint_auth_method": "none",
    });
    let hosts = client_documents(&[(DOCUMENT, metadata)]).await;
    let world = World::with_variables(&[("CLIENTS_URL", &hosts)]).await;
    let settings = json!({"scopes": ["vso.project", "vso.identity"], "mcp": {"access": "write"}});
    world.put_integration(INTEGRATION, settings).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", Some(INTEGRATION)).await;
    let endpoint = world.url(&format!("/mcp/{connection}"));
    let clients = Clients { sources, target, installed, endpoint, key };

    let relay = clients.relay();
    for (revision, needed) in REVISIONS {
        clients.conform(&relay, revision, needed);
    }
    clients.typescript();
    clients.python();

    let endpoint = world.url(&format!("/mcp/{INTEGRATION}"));
    let clients = Clients { endpoint, ..clients };
    clients.conform_as_authorization_server(&world).await;
    for document in [None, Some(DOCUMENT)] {
        let mut typescript = clients.node(&authority(&clients.endpoint));
        typescript.arg("sign_in.mjs");
        clients
            .sign_in("the TypeScript client without a key", document, &mut typescript, &world)
            .await;
        let mut python = clients.python_script("sign_in.py");
        clients.sign_in("the Python client without a key", document, &mut python, &world).await;
    }
}

/// Goes to an authorization server, lets the client in, and signs Ada in. Returns the address at which the browser ends.
async fn browse(world: &World, url: &str) -> String {
    let browser = world.browser();
    let entra = browser.let_in(url).await;
    let callback = browser.decide(&entra, &[("account", "ada"), ("action", "approve")]).await;
    browser.open(callback.as_str()).await.expect(303).location().into()
}

struct Clients {
    sources: PathBuf,
    target: PathBuf,
    installed: install::McpClients,
    endpoint: String,
    key: String,
}

/// A running relay.
struct Relay {
    process: Child,
    url: String,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Clients {
    fn relay(&self) -> Relay {
        let mut command = self.node(&authority(&self.endpoint));
        let mut process = command.arg("relay.mjs").stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Relay { process, url: format!("http://localhost:{}/mcp", port.trim()) }
    }

    fn conform(&self, relay: &Relay, revision: &str, needed: &[&str]) {
        let baseline = self.sources.join(format!("{revision}.yml"));
        let listed = std::fs::read_to_string(&baseline).unwrap();
        for scenario in needed {
            assert!(!listed.contains(&format!("- {scenario}\n")), "{scenario} must pass");
        }
        let mut command = self.node(&authority(&relay.url));
        command
            .args(["--import", "./older-node.mjs"])
            .arg("node_modules/@modelcontextprotocol/conformance/dist/index.js")
            .args(["server", "--url", &relay.url, "--requirements", revision])
            .arg("--expected-failures")
            .arg(baseline);
        self.finish(&format!("conformance with {revision}"), &mut command);
    }

    /// Runs the suite for authorization servers, and is its browser. A warning is a failure.
    async fn conform_as_authorization_server(&self, world: &World) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let metadata = json!({"redirect_uris": ["http://127.0.0.1/callback"]});
        let register = format!("/oauth/{INTEGRATION}/register");
        let registered = world.post(&Caller::Nobody, &register, metadata).await.expect(201).json();
        let mut command = self.node(&authority(&self.endpoint));
        command
            .args(["--import", "./older-node.mjs"])
            .arg("node_modules/@modelcontextprotocol/conformance/dist/index.js")
            .args(["authorization", "--url", &self.endpoint, "--resource", &self.endpoint])
            .args(["--client-id", registered["client_id"].as_str().unwrap()])
            .args(["--port", &port.to_string()]);
        let mut said = String::new();
        let browser = async |url: &str| {
            let back = browse(world, url).await;
            world.http().get(back).send().await.unwrap();
        };
        self.run_with_browser(
            "conformance as authorization server",
            &mut command,
            async |line, _| {
                if line.starts_with("http") {
                    browser(&line).await;
                } else {
                    said.push_str(&line);
                    println!("{line}");
                }
            },
        )
        .await;
        assert!(!said.contains("WARNING") && !said.contains("SKIPPED"), "{said}");
    }

    fn typescript(&self) {
        let mut command = self.node(&authority(&self.endpoint));
        self.finish("the TypeScript client", command.arg("sdk.mjs"));
    }

    fn python(&self) {
        self.finish("the Python client", &mut self.python_script("sdk.py"));
    }

    fn python_script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.installed.python);
        self.with_variables(&mut command, &authority(&self.endpoint));
        command
            .env("PYTHONPATH", self.sources.join("../guard"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(self.sources.join(name));
        command
    }

    /// Runs a client that has no key, and is its browser.
    async fn sign_in(
        &self,
        client: &str,
        document: Option<&str>,
        command: &mut Command,
        world: &World,
    ) {
        command.env_remove("API_KEY").stdin(Stdio::piped());
        command.envs(document.map(|address| ("CLIENT_DOCUMENT", address)));
        self.run_with_browser(client, command, async |line, input| {
            match (line.strip_prefix("authorize "), input) {
                // A client that has seen enough reads no more.
                (Some(url), Some(input)) => drop(writeln!(input, "{}", browse(world, url).await)),
                _ => println!("{line}"),
            }
        })
        .await;
    }

    /// Runs a client, and gives each of its lines to `read`, with its input.
    async fn run_with_browser(
        &self,
        client: &str,
        command: &mut Command,
        mut read: impl AsyncFnMut(String, Option<&mut ChildStdin>),
    ) {
        println!("{client}:");
        let _ = std::fs::remove_file(self.bypass_log());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut input = process.stdin.take();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            read(line.unwrap(), input.as_mut()).await;
        }
        self.ended(client, &process.wait());
    }

    /// Node with a guard that lets only this authority be reached.
    fn node(&self, authority: &str) -> Command {
        let mut command = Command::new("node");
        self.with_variables(&mut command, authority);
        let guard = self.sources.join("../guard/node.cjs");
        command.env("NODE_OPTIONS", format!("--require {}", guard.display()));
        command.current_dir(&self.installed.node);
        command
    }

    /// These variables and no others.
    fn with_variables(&self, command: &mut Command, authority: &str) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.target)
            .env("LANG", "C.UTF-8")
            .env("ENDPOINT", &self.endpoint)
            .env("API_KEY", &self.key)
            .env("PROXY_AUTHORITY", authority)
            .env("BYPASS_LOG", self.bypass_log());
    }

    fn bypass_log(&self) -> PathBuf {
        self.target.join("mcp-bypasses")
    }

    fn finish(&self, client: &str, command: &mut Command) {
        println!("{client}:");
        let _ = std::fs::remove_file(self.bypass_log());
        self.ended(client, &command.status());
    }

    fn ended(&self, client: &str, status: &std::io::Result<ExitStatus>) {
        let succeeded = status.as_ref().is_ok_and(ExitStatus::success);
        assert!(succeeded, "{client} failed: {status:?}");
        let bypasses = std::fs::read_to_string(self.bypass_log()).unwrap_or_default();
        assert_eq!(bypasses, "", "{client} tried to reach something else");
    }
}

/// `localhost:8080` of `http://localhost:8080/mcp/conn_1`
fn authority(url: &str) -> String {
    let rest = url.trim_start_matches("http://");
    rest.split('/').next().unwrap_or_default().to_owned()
}
