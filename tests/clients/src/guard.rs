//! Proof that the guards see what they are there for.

use crate::install::Clients;
use crate::walk::Walk;

/// Lets both languages try to leave the proxy; each must be stopped and noted.
pub(crate) fn check(walk: &Walk, clients: &Clients) {
    let script =
        "require('node:http').get('http://127.0.0.1:9/').on('error', () => process.exit(7))";
    let node = walk.guarded_node(clients).args(["-e", script]).output().unwrap();
    assert!(!node.status.success(), "Node's guard let a connection through");
    assert_eq!(walk.bypasses(), "127.0.0.1:9\n");
    walk.forget_bypasses();

    let script = "import urllib.request; urllib.request.urlopen('http://dev.azure.com/')";
    let python = walk.guarded_python(clients).args(["-c", script]).output().unwrap();
    assert!(!python.status.success(), "Python's guard let a connection through");
    assert_eq!(walk.bypasses(), "dev.azure.com:80\n");
    walk.forget_bypasses();
}
