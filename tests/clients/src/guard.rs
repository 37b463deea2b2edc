//! A check that the guards stop and record every connection that bypasses the proxy.

use std::process::Command;

use crate::install::Clients;
use crate::walk::Walk;

/// The attempts of `guard/escape.cjs`, in its order.
const NODE: &[&str] = &[
    "connect dev.azure.com:443",
    "connect app.vssps.visualstudio.com:443",
    "connect 127.0.0.2:443",
    "connect localhost:9",
    "lookup vssps.dev.azure.com",
    "lookup vsrm.dev.azure.com",
    "resolve4 vsaex.dev.azure.com",
    "datagram",
];
/// The attempts of `guard/escape.py`, in its order.
const PYTHON: &[&str] = &[
    "lookup dev.azure.com",
    "connect 127.0.0.2:443",
    "connect 127.0.0.1:9",
    "lookup app.vssps.visualstudio.com",
    "lookup vssps.dev.azure.com",
    "connect 127.0.0.1:53",
];

/// Tries to bypass the proxy in both languages, in the ways that a client could. Each attempt must be stopped and
/// recorded.
pub(crate) fn check(walk: &Walk, clients: &Clients) {
    let script = |name| walk.sources.join("guard").join(name);
    stopped(walk, walk.guarded_node(clients).arg(script("escape.cjs")), NODE);
    stopped(walk, walk.guarded_python(clients).arg(script("escape.py")), PYTHON);
}

fn stopped(walk: &Walk, command: &mut Command, tries: &[&str]) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(walk.bypasses().lines().collect::<Vec<_>>(), tries);
    walk.forget_bypasses();
}
