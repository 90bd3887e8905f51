//! A real nginx.

use std::{path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A running nginx. Dropping it kills it.
#[derive(Debug)]
pub struct Nginx {
    files: TempDir,
    _process: Child,
}

impl Nginx {
    /// Starts nginx with this in its `http` block. Returns when it listens.
    pub async fn start(http: impl FnOnce(&Path) -> String) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        let config = files.path().join("nginx.conf");
        std::fs::write(&config, configuration(&http(files.path()), files.path())).expect("it can be written to");
        // Debian installs nginx in a directory that is only in root's path.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let mut process = Command::new("nginx")
            .env("PATH", path)
            .args(["-e", "stderr", "-p"])
            .arg(files.path())
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        loop {
            let line = log.next_line().await.expect("its log is text");
            let line = line.unwrap_or_else(|| panic!("nginx exited before it was ready: {:?}", process.try_wait()));
            // nginx logs this after it has bound its addresses.
            if line.contains("event method") {
                break;
            }
            assert!(!line.contains("[emerg]"), "{line}");
        }
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { files, _process: process }
    }

    /// Its directory, for files of its own.
    pub fn files(&self) -> &Path {
        self.files.path()
    }
}

fn configuration(http: &str, files: &Path) -> String {
    let files = files.display();
    // A single process, so that killing it leaves no worker behind.
    format!(
        "daemon off; master_process off; pid {files}/nginx.pid; error_log stderr notice;
        events {{ worker_connections 1024; }}
        http {{
            client_body_temp_path {files}/body; proxy_temp_path {files}/proxy; fastcgi_temp_path {files}/fastcgi;
            uwsgi_temp_path {files}/uwsgi; scgi_temp_path {files}/scgi;
            {http}
        }}"
    )
}
