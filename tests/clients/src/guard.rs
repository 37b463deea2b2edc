//! Proof that the guards see what they are there for.

use std::process::Command;

use crate::install::Clients;
use crate::walk::Walk;

/// What `guard/escape.cjs` tries, in its order.
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
/// What `guard/escape.py` tries, in its order.
const PYTHON: &[&str] = &[
    "lookup dev.azure.com",
    "connect 127.0.0.2:443",
    "connect 127.0.0.1:9",
    "lookup app.vssps.visualstudio.com",
    "lookup vssps.dev.azure.com",
    "connect 127.0.0.1:53",
];

/// Lets both languages try to leave the proxy in the ways that a client could; each must be stopped and noted.
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
