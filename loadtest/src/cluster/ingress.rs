//! nginx before the gateways, like an ingress. It also serves pages as files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use scenecast_simulator::http;
use scenecast_testing::Nginx;
use url::Url;

/// A running nginx. Dropping it kills it.
#[derive(Debug)]
pub struct Ingress {
    url: Url,
    nginx: Nginx,
}

impl Ingress {
    /// Serves these pages as files at this address, and proxies everything else to the gateways in turn.
    pub async fn start(address: SocketAddr, pages: &Path, gateways: &[SocketAddr]) -> Self {
        let nginx = Nginx::start(|files| configuration(address, pages, gateways, files)).await;
        Self { url: http(address), nginx }
    }

    /// The URL of a page, or of a gateway's path.
    pub fn url(&self, path: &str) -> String {
        self.url.join(path).expect("a valid path").to_string()
    }

    /// How many requests for paths with this prefix have been answered.
    pub fn answered(&self, path: &str) -> usize {
        let log = std::fs::read_to_string(access_log(self.nginx.files())).expect("nginx made it when it started");
        log.lines().filter(|request| request.starts_with(path)).count()
    }
}

fn access_log(files: &Path) -> PathBuf {
    files.join("access.log")
}

fn configuration(address: SocketAddr, pages: &Path, gateways: &[SocketAddr], files: &Path) -> String {
    let pages = pages.display();
    let log = access_log(files);
    let log = log.display();
    let servers: Vec<String> = gateways.iter().map(|gateway| format!("server {gateway};")).collect();
    let servers = servers.concat();
    format!(
        "types {{ text/html html; }}
        charset utf-8;
        log_format path '$request_uri';
        access_log {log} path;
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
        }}"
    )
}
