//! A real Prometheus reads the metrics of a running pod, in the formats that it asks for.

use std::{collections::BTreeSet, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::*;

/// The histogram that has more to tell than in plain text.
const HISTOGRAM: &str = "scenecast_scan_to_push_seconds";

/// A running Prometheus that scrapes one address ten times a second.
struct Prometheus {
    address: String,
    _process: Child,
    _files: TempDir,
}

impl Prometheus {
    async fn start(scraped: SocketAddr, features: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let config = files.path().join("prometheus.yml");
        let scrape = format!(
            "scrape_configs:\n- job_name: pod\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  static_configs:\n  \
             - targets: ['{scraped}']\n"
        );
        std::fs::write(&config, scrape).unwrap();
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", files.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!("--enable-feature={features}"))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed by `make test`");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = vec![];
        let address = loop {
            let line = log.next_line().await.unwrap().unwrap_or_else(|| panic!("it exited: {seen:#?}"));
            if line.contains("Listening on") {
                break line.split_once("address=").unwrap().1.split(' ').next().unwrap().to_owned();
            }
            seen.push(line);
        };
        // It would stop if nobody read its log.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { address, _process: process, _files: files }
    }

    /// What the API answers; `null` while it can't.
    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let Ok(answer) = reqwest::Client::new().get(url).query(query).send().await else { return Value::Null };
        answer.json::<Value>().await.map_or(Value::Null, |mut answer| answer["data"].take())
    }

    /// Waits until a query with one series has this value.
    async fn becomes(&self, query: &str, value: &str) {
        until(query, async || {
            let data = self.ask("query", &[("query", query)]).await;
            data.pointer("/result/0/value/1").and_then(Value::as_str) == Some(value)
        })
        .await;
    }

    /// The names of the pod's metrics, without those of Prometheus itself.
    async fn names(&self) -> BTreeSet<String> {
        let query = "count by (__name__) ({job='pod',__name__!~'up|scrape_.*'})";
        let data = self.ask("query", &[("query", query)]).await;
        let series = data["result"].as_array().unwrap();
        series.iter().map(|series| series["metric"]["__name__"].as_str().unwrap().to_owned()).collect()
    }

    /// The traces that are examples of the histogram.
    async fn traces(&self) -> Vec<String> {
        let query = [("query", HISTOGRAM), ("start", "0"), ("end", "9999999999")];
        let of_series = self.ask("query_exemplars", &query).await;
        let buckets = [("query", "scenecast_scan_to_push_seconds_bucket"), query[1], query[2]];
        let of_buckets = self.ask("query_exemplars", &buckets).await;
        let both = [of_series, of_buckets].into_iter().filter_map(|data| data.as_array().cloned()).flatten();
        let exemplars = both.filter_map(|series| series["exemplars"].as_array().cloned()).flatten();
        exemplars.map(|exemplar| exemplar["labels"]["trace_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The names of a pod's metrics in plain text.
async fn names_of(pod: SocketAddr) -> BTreeSet<String> {
    let (_, text) = admin(pod, "/metrics").await;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn prometheus_gets_from_a_slow_login_to_its_trace_in_each_format() {
    let settings = "[telemetry]\notlp_endpoint = 'http://127.0.0.1:9'\ntrace_share = 1.0\n".to_owned();
    let cluster = Cluster::start_as(Setup { settings, ..Setup::default() }).await;
    let (mut page, opened) = open(&cluster, 0).await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
    let context = cluster.redis.cli(&["HGET", &format!("wx:{}", opened.scene), "login_trace"]).await.unwrap();
    let trace = context.split('-').nth(1).unwrap().to_owned();
    let gateway = cluster.gateway_admin(0);
    let callback = cluster.callback_admin(0);
    // By OpenMetrics, and by protobuf.
    let (classic, native, of_callback) = tokio::join!(
        Prometheus::start(gateway, "exemplar-storage"),
        Prometheus::start(gateway, "exemplar-storage,native-histograms"),
        Prometheus::start(callback, "native-histograms"),
    );
    classic.becomes(&format!("{HISTOGRAM}_count"), "1").await;
    until("all names", async || classic.names().await == names_of(gateway).await).await;
    until("exemplar", async || classic.traces().await == [trace.clone()]).await;

    native.becomes(&format!("histogram_count({HISTOGRAM})"), "1").await;
    let parts: BTreeSet<_> = ["bucket", "count", "sum"].map(|part| format!("{HISTOGRAM}_{part}")).into();
    until("all names", async || {
        let plain = names_of(gateway).await;
        native.names().await == plain.difference(&parts).cloned().chain([HISTOGRAM.to_owned()]).collect()
    })
    .await;
    until("exemplar", async || native.traces().await == [trace.clone()]).await;

    // A callback has a histogram without traces.
    of_callback.becomes("scenecast_delivery_seconds_count", "1").await;
    until("all names", async || of_callback.names().await == names_of(callback).await).await;
}
