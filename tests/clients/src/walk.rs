//! Running one client against one front of the proxy.

use std::path::PathBuf;
use std::process::Command;

use crate::install::Clients;

/// The variables of every client.
pub(crate) struct Walk {
    /// The front of the proxy, for the output.
    pub front: &'static str,
    pub sources: PathBuf,
    pub scratch: PathBuf,
    /// `http://localhost:8080/proxy/<connection>/dev.azure.com/mycompany`
    pub organization_url: String,
    /// `decoded` where the front decodes paths, else `as sent`.
    pub paths: &'static str,
    /// Our key, which takes the place of a personal access token.
    pub key: String,
}

impl Walk {
    pub fn node(&self, clients: &Clients) {
        self.finish("Node", self.guarded_node(clients).arg("walk.cjs"));
    }

    pub fn python(&self, clients: &Clients) {
        let walk = self.sources.join("python/walk.py");
        self.finish("Python", self.guarded_python(clients).arg(walk));
    }

    pub fn git(&self, project: &str, push: usize) {
        let project = project.replace(' ', "%20");
        let folder = self.scratch.join(&project);
        std::fs::create_dir_all(&folder).unwrap();
        let trace = folder.join("trace");
        let mut git = self.with_variables(&self.sources.join("git/walk.sh").display().to_string());
        git.current_dir(folder)
            .env("REPOSITORY_URL", format!("{}/{project}/_git/{project}", self.organization_url))
            .env("PUSH_BYTES", push.to_string())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_TRACE_CURL", &trace)
            .env("GIT_TRACE_CURL_NO_DATA", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "Ada");
            git.env(format!("GIT_{role}_EMAIL"), "ada@mycompany.example");
        }
        self.finish("Git", &mut git);
        self.connected_nowhere_else(&std::fs::read_to_string(trace).unwrap());
    }

    /// Git has no guard, but its HTTP client logs every connection: `== Info:   Trying [::1]:8080...`
    fn connected_nowhere_else(&self, trace: &str) {
        let tries: Vec<_> = trace
            .lines()
            .filter_map(|line| line.split_once("Trying ")?.1.strip_suffix("..."))
            .collect();
        let (_, port) = self.authority().rsplit_once(':').unwrap();
        let proxy = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
        assert!(!tries.is_empty(), "Git's trace has no connection");
        for address in tries {
            assert!(proxy.iter().any(|known| known == address), "Git tried to reach {address}");
        }
    }

    /// Node with its guard.
    pub fn guarded_node(&self, clients: &Clients) -> Command {
        let guard = self.sources.join("guard/node.cjs");
        let mut node = self.with_variables("node");
        node.env("NODE_OPTIONS", format!("--require {}", guard.display()));
        node.current_dir(&clients.node);
        node
    }

    /// Python with its guard.
    pub fn guarded_python(&self, clients: &Clients) -> Command {
        let mut python = self.with_variables(&clients.python.display().to_string());
        python.env("PYTHONPATH", self.sources.join("guard")).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    }

    /// The connections that the guards refused.
    pub fn bypasses(&self) -> String {
        std::fs::read_to_string(self.bypass_log()).unwrap_or_default()
    }

    pub fn forget_bypasses(&self) {
        let _ = std::fs::remove_file(self.bypass_log());
    }

    fn bypass_log(&self) -> PathBuf {
        self.scratch.join("bypasses")
    }

    fn authority(&self) -> &str {
        let rest = self.organization_url.trim_start_matches("http://");
        rest.split('/').next().unwrap_or_default()
    }

    /// A program with these variables and no others: no user's home, no proxy settings.
    fn with_variables(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.scratch)
            .env("LANG", "C.UTF-8")
            .env("ORGANIZATION_URL", &self.organization_url)
            .env("API_KEY", &self.key)
            .env("PATHS", self.paths)
            .env("PROXY_AUTHORITY", self.authority())
            .env("BYPASS_LOG", self.bypass_log());
        command
    }

    fn finish(&self, client: &str, command: &mut Command) {
        let begun = std::time::Instant::now();
        println!("{client} at the {}:", self.front);
        let status = command.status();
        let succeeded = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        assert!(succeeded, "{client} failed: {status:?}");
        assert_eq!(self.bypasses(), "", "{client} tried to leave the proxy");
        println!("  done in {} ms", begun.elapsed().as_millis());
    }
}
