//! The proxies of others that ours is measured beside.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The longest time that one of them takes to listen.
const START: Duration = Duration::from_secs(20);
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load");

/// A proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    Nginx,
    /// A script for Node.
    Node {
        name: &'static str,
        script: &'static str,
    },
}

/// All of them.
pub(crate) const PEERS: [Peer; 3] = [
    Peer::Nginx,
    Peer::Node { name: "http-proxy", script: "http-proxy.js" },
    Peer::Node { name: "Express + axios", script: "express-axios.js" },
];

/// Installs all of them, unless they are.
pub(crate) async fn install() -> Result<(), String> {
    let script = Path::new(SOURCES).join("install");
    let status = Command::new(&script).status().await.map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("{} failed", script.display()));
    }
    let node = installed("node");
    for peer in PEERS {
        if let Peer::Node { script, .. } = peer {
            std::fs::copy(Path::new(SOURCES).join(script), node.join(script))
                .map_err(|e| e.to_string())?;
        }
    }
    let run = installed("run");
    // Absent before the first run.
    let _ = std::fs::remove_dir_all(&run);
    std::fs::create_dir_all(&run).map_err(|e| e.to_string())
}

fn installed(name: &str) -> PathBuf {
    Path::new(INSTALLED).join(name)
}

impl Peer {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Node { name, .. } => name,
        }
    }

    /// Starts a process in front of a server. Returns its address, without a slash at the end.
    pub(crate) async fn start(
        self,
        upstream: &str,
        token: &str,
    ) -> Result<(String, Child), String> {
        let started = match self {
            Self::Nginx => nginx(upstream, token).await,
            Self::Node { script, .. } => node(script, upstream, token).await,
        };
        started.map_err(|error| format!("{}: {error}", self.name()))
    }
}

/// Nginx cannot choose a free port itself, so another process may take it before.
async fn nginx(upstream: &str, token: &str) -> std::io::Result<(String, Child)> {
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let run = installed("run");
    let template = std::fs::read_to_string(Path::new(SOURCES).join("nginx.conf"))?;
    let config = template
        .replace("PORT", &port.to_string())
        .replace("UPSTREAM", upstream.trim_start_matches("http://"))
        .replace("TOKEN", token);
    let path = run.join(format!("nginx-{port}.conf"));
    std::fs::write(&path, config)?;
    let mut child = Command::new(installed("nginx/usr/sbin/nginx"))
        .arg("-p")
        .arg(&run)
        .arg("-c")
        .arg(&path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let deadline = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            return Err(std::io::Error::other("does not listen"));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok((format!("http://127.0.0.1:{port}"), child))
}

/// A script prints its port when it listens.
async fn node(script: &str, upstream: &str, token: &str) -> std::io::Result<(String, Child)> {
    let mut child = Command::new("node")
        .arg(installed("node").join(script))
        .env("NODE_ENV", "production")
        .env("UPSTREAM", upstream)
        .env("TOKEN", token)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or_else(|| std::io::Error::other("has no output"))?;
    let mut lines = BufReader::new(output).lines();
    let port = timeout(START, lines.next_line()).await.map_err(std::io::Error::other)??;
    let port = port.ok_or_else(|| std::io::Error::other("has ended"))?;
    Ok((format!("http://127.0.0.1:{port}"), child))
}
