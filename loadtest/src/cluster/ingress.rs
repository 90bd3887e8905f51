//! nginx before the gateways, like an ingress. It also serves pages as files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use url::Url;

use scenecast_simulator::http;

/// A running nginx. Dropping it kills it.
#[derive(Debug)]
pub struct Ingress {
    url: Url,
    files: TempDir,
    _process: Child,
}

impl Ingress {
    /// Serves these pages as files at this address, and proxies everything else to the gateways in turn.
    pub async fn start(address: SocketAddr, pages: &Path, gateways: &[SocketAddr]) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        let config = files.path().join("nginx.conf");
        std::fs::write(&config, configuration(address, pages, gateways, files.path())).expect("it can be written to");
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
        Self { url: http(address), files, _process: process }
    }

    /// The URL of a page, or of a gateway's path.
    pub fn url(&self, path: &str) -> String {
        self.url.join(path).expect("a valid path").to_string()
    }

    /// How many requests for paths with this prefix have been answered.
    pub fn answered(&self, path: &str) -> usize {
        let log = std::fs::read_to_string(access_log(self.files.path())).expect("nginx made it when it started");
        log.lines().filter(|request| request.starts_with(path)).count()
    }
}

fn access_log(files: &Path) -> PathBuf {
    files.join("access.log")
}

fn configuration(address: SocketAddr, pages: &Path, gateways: &[SocketAddr], files: &Path) -> String {
    let pages = pages.display();
    let log = access_log(files);
    let files = files.display();
    let servers: Vec<String> = gateways.iter().map(|gateway| format!("server {gateway};")).collect();
    let servers = servers.concat();
    // A single process, so that killing it leaves no worker behind.
    format!(
        "daemon off; master_process off; pid {files}/nginx.pid; error_log stderr notice;
        events {{ worker_connections 1024; }}
        http {{
            types {{ text/html html; }}
            charset utf-8;
            log_format path '$request_uri';
            access_log {} path;
            client_body_temp_path {files}/body; proxy_temp_path {files}/proxy; fastcgi_temp_path {files}/fastcgi;
            uwsgi_temp_path {files}/uwsgi; scgi_temp_path {files}/scgi;
            upstream gateways {{ {servers} }}
            map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
            server {{
                listen {address};
                root {pages};
                location / {{ try_files $uri @gateways; }}
                location @gateways {{
                    proxy_pass http://gateways;
                    proxy_http_version 1.1;
                    proxy_read_timeout 1h;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $connection_upgrade;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Forwarded-Proto $scheme;
                }}
            }}
        }}",
        log.display()
    )
}
