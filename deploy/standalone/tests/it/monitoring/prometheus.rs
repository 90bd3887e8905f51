//! A Prometheus that scrapes pods every second, and evaluates the rules as often.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use scenecast_testing::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{file, files};

/// A job whose pods are scraped.
pub(super) struct ScrapedJob {
    pub(super) name: &'static str,
    pub(super) pods: Vec<SocketAddr>,
}

/// Dropping it ends the process.
pub(super) struct Prometheus {
    url: String,
    client: reqwest::Client,
    _process: Child,
    _files: TempDir,
}

impl Prometheus {
    /// Starts it at this address, and waits until it serves.
    pub(super) async fn start(address: SocketAddr, jobs: &[ScrapedJob]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rules = files("deploy/prometheus", ".rules.yaml");
        for name in &rules {
            // The objectives' rules are evaluated once a minute.
            let text = file(&format!("deploy/prometheus/{name}")).replace("interval: 1m\n", "interval: 1s\n");
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let job = |job: &ScrapedJob| {
            let labels = json!({ "namespace": "scenecast" });
            json!({ "job_name": job.name, "static_configs": [{ "targets": job.pods, "labels": labels }] })
        };
        let jobs: Vec<_> = jobs.iter().map(job).collect();
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": rules,
            "scrape_configs": jobs,
        });
        // JSON is YAML, too.
        std::fs::write(directory.path().join("prometheus.yml"), config.to_string()).unwrap();
        let process = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(directory.path())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed: `make needed`");
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let started = Self { url: format!("http://{address}"), client, _process: process, _files: directory };
        until("Prometheus is ready", async || {
            let answer = started.client.get(format!("{}/-/ready", started.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        started
    }

    /// The series that this query has data for now. A value that is not a number is none.
    pub(super) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let request = self.client.post(format!("{}/api/v1/query", self.url)).form(&[("query", query)]);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let series = answer["data"]["result"].as_array().unwrap().iter();
        Ok(series.filter(|series| series["value"][1] != "NaN").cloned().collect())
    }
}
