//! The files in `examples/`, started as their first lines say, against the local stack.

use std::path::{Path, PathBuf};
use std::process::Command;

use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::{INTEGRATION, World};
use serde_json::{Value, json};

use crate::install::Clients;
use crate::walk::Walk;

/// The results of the examples: an integration, a key, a connection of Ada's.
pub(crate) struct Examples {
    folder: PathBuf,
    scratch: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Examples {
    /// Runs the examples that lead to a connected user. `scopes` are those of the connection.
    pub async fn connect(sources: &Path, scratch: &Path, world: &World, scopes: &[&str]) -> Self {
        let scratch = scratch.join("examples");
        std::fs::create_dir_all(&scratch).unwrap();
        let mut examples = Self {
            folder: sources.join("../../examples").canonicalize().unwrap(),
            scratch,
            variables: vec![
                ("GATEWAY", world.stack.public_url().to_owned()),
                ("STREAMING", world.stack.streaming_url().to_owned()),
                ("OPERATOR_KEY", world.stack.operator_key().to_owned()),
                ("CLIENT_ID", DEFAULT_CLIENT_ID.to_string()),
                ("CLIENT_SECRET", DEFAULT_CLIENT_SECRET.to_owned()),
                ("SINCE", "2026-01-01T00:00:00Z".to_owned()),
                ("UNTIL", "2100-01-01T00:00:00Z".to_owned()),
            ],
        };
        let verified = examples.shell("integration.sh");
        assert!(verified.contains(r#""findings""#), "{verified}");
        world.put_integration(INTEGRATION, json!({"scopes": scopes})).await.expect(200);
        let key = examples.shell("key.sh");
        world.secret(&key);
        examples.variables.push(("APPLICATION_KEY", key));

        let link = examples.shell("connect.sh");
        let returned = world.browser().finish(&link, "ada").await.expect(303);
        for (variable, name) in
            [("CONNECTION_ID", "connection_id"), ("CONFIRMATION", "confirmation")]
        {
            examples.variables.push((variable, returned.location_parameter(name).unwrap()));
        }
        let confirmed: Value = serde_json::from_str(&examples.shell("confirm.sh")).unwrap();
        assert_eq!(confirmed["status"], "active");
        examples
    }

    /// A variable of the examples.
    pub fn variable(&self, name: &str) -> &str {
        &self.variables.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Runs the examples that call Azure DevOps.
    pub fn call(&self, walk: &Walk, clients: &Clients) {
        assert!(self.shell("projects.sh").contains("Website"));
        let installed = clients.node.join("projects.mjs");
        std::fs::copy(self.folder.join("projects.mjs"), &installed).unwrap();
        let node = self.output(walk.guarded_node(clients).arg(installed));
        let python = self.output(walk.guarded_python(clients).arg(self.folder.join("projects.py")));
        for listed in [node, python] {
            assert!(listed.lines().any(|name| name == "Website"), "{listed}");
        }
        self.shell("clone.sh");
        assert!(self.scratch.join("Website/README.md").exists());
        self.shell("audit.sh");
        let exported = std::fs::read_to_string(self.scratch.join("audit.ndjson")).unwrap();
        assert!(exported.contains(r#""what":"connection_confirmed""#), "{exported}");
        println!("the examples work");
    }

    /// Replaces the integration's secret by a certificate. The stand-in of Entra does not know it, so this comes last.
    pub fn certify(&self) {
        let stored = self.shell("certificate.sh");
        assert!(stored.contains(r#""certificate""#), "{stored}");
    }

    fn shell(&self, example: &str) -> String {
        self.output(Command::new(self.folder.join(example)).env_clear().current_dir(&self.scratch))
    }

    fn output(&self, command: &mut Command) -> String {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.env("HOME", &self.scratch).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
