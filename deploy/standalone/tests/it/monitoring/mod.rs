//! What operators look at: the alerts and objectives in `deploy/prometheus`, and the dashboards in `deploy/grafana`.
//!
//! | module | what |
//! |---|---|
//! | `alerts` | they fire as their own tests say, and are in the runbook |
//! | `dashboards` | what their files say: units, thresholds, links, label values |
//! | `live` | a real Prometheus has data for each panel and each rule |
//! | `busy_cluster` | gateway and callback processes whose metrics all move |
//! | `prometheus` | a Prometheus that scrapes them |

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod alerts;
mod busy_cluster;
mod dashboards;
mod live;
mod prometheus;

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

fn path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The text of a file of this repository.
fn file(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in this directory that end in `suffix`, sorted.
pub(crate) fn files(directory: &str, suffix: &str) -> BTreeSet<String> {
    let names = std::fs::read_dir(path(directory)).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(suffix)).collect()
}

/// All rules of Prometheus: alerts, and what is recorded.
fn rules() -> Vec<Value> {
    let files = files("deploy/prometheus", ".rules.yaml").into_iter();
    let texts = files.map(|name| file(&format!("deploy/prometheus/{name}")));
    let parsed = texts.map(|text| serde_saphyr::from_str::<Value>(&text).unwrap());
    let groups = parsed.flat_map(|rules| rules["groups"].as_array().unwrap().clone());
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn expression(rule: &Value) -> &str {
    rule["expr"].as_str().unwrap()
}

/// The metrics of pods and the recorded series that an expression names.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| ["scenecast_", "scenecast:", "process_"].iter().any(|prefix| word.starts_with(prefix)))
}
