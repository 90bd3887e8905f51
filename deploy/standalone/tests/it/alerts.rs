//! The alerts in `deploy/prometheus` use metrics that pods export, fire as their own tests say, and are in the runbook.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use scenecast_browsers::login_page::{LoginPage, PageMessage};
use scenecast_loadtest::cluster::{Cluster, ORIGIN, Setup};
use scenecast_simulator::{CallFailure, WeChatUser};
use serde_json::Value;
use tokio::process::Command;

const PREFIX: &str = "scenecast_";
/// WeChat's error code for an account without the right to a call.
const FORBIDDEN: i64 = 48001;
/// Webhook settings with an address where nobody listens.
const SITE: &str = "[accounts.demo.webhooks]\nurl = 'http://127.0.0.1:1/'\n\
    secret.current = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'\n";

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules and their tests, whose names end in `suffix`.
fn rule_files(suffix: &str) -> Vec<String> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../prometheus");
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// All rules, alerts and others.
fn rules() -> Vec<Value> {
    let files = rule_files(".rules.yaml").into_iter().map(|name| file(&format!("deploy/prometheus/{name}")));
    let parsed = files.map(|text| serde_saphyr::from_str::<Value>(&text).unwrap());
    let groups = parsed.flat_map(|rules| rules["groups"].as_array().unwrap().clone());
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// All alerts.
fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(PREFIX))
}

/// The metrics that a pod exports.
async fn exported_metrics(admin: SocketAddr) -> BTreeSet<String> {
    let text = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(PREFIX));
    lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

async fn frame(page: &mut LoginPage, kind: &str) -> String {
    match tokio::time::timeout(Duration::from_secs(20), page.next_message()).await {
        Ok(PageMessage::Frame(frame)) if frame.kind == kind => frame.qr.url,
        other => panic!("instead of {kind}: {other:?}"),
    }
}

#[tokio::test]
async fn each_metric_in_a_rule_is_exported_by_a_pod() {
    let cluster = Cluster::start_as(Setup { callback_settings: SITE.to_owned(), ..Setup::default() }).await;
    // A login, and a refusal that lasts: a pod exports some metrics only after it has counted something.
    let mut pages = vec![];
    for _ in 0..2 {
        let mut page = LoginPage::connect(&cluster.gateway_address(0).to_string(), ORIGIN).await.unwrap();
        page.open("demo", None).await.unwrap();
        let qr_url = frame(&mut page, "opened").await;
        if pages.is_empty() {
            cluster.simulator.scan(&WeChatUser::nth(1), &qr_url).await.unwrap();
            frame(&mut page, "confirmed").await;
            cluster.simulator.fail_calls("/cgi-bin/qrcode/create", 1, CallFailure::Code(FORBIDDEN));
        }
        pages.push(page);
    }
    let rules = rules();
    let named: BTreeSet<_> = rules.iter().flat_map(|rule| metrics(rule["expr"].as_str().unwrap())).collect();
    let missing = async || {
        let (gateway, callback) =
            (exported_metrics(cluster.gateway_admin(0)).await, exported_metrics(cluster.callback_admin(0)).await);
        let is_missing = |name: &&str| !gateway.contains(*name) && !callback.contains(*name);
        named.iter().copied().filter(is_missing).collect::<Vec<_>>()
    };
    // The outbox is measured every second.
    let mut left = missing().await;
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = missing().await;
    }
    assert!(left.is_empty(), "no pod exports {left:?}");
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_only_then() {
    for (suffix, verb) in [(".rules.yaml", "check"), (".rules.test.yaml", "test")] {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../prometheus");
        let mut promtool = Command::new("promtool");
        let output = promtool.args([verb, "rules"]).args(rule_files(suffix)).current_dir(directory).output().await;
        let output = output.expect("promtool is installed: `make needed`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn each_alert_is_tested_and_has_a_severity_texts_and_a_runbook_section() {
    let runbook = file("docs/runbook.md");
    let tests = rule_files(".rules.test.yaml").into_iter().map(|name| file(&format!("deploy/prometheus/{name}")));
    let tests: String = tests.collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect();
    for section in runbook.lines().filter_map(|line| line.strip_prefix("## Scenecast")) {
        assert!(names.contains(&*format!("Scenecast{section}")), "the runbook has a section for no alert: {section}");
    }
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(matches!(alert["labels"]["severity"].as_str(), Some("critical" | "warning")), "{name}");
        for text in ["summary", "description"] {
            assert!(alert["annotations"][text].as_str().is_some_and(|text| !text.is_empty()), "{name}: {text}");
        }
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], anchor);
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no section in the runbook");
        let (fires, silent) = (format!("alertname: {name}\n"), format!("alertname: {name}, "));
        assert!(tests.contains(&fires) && tests.contains(&silent), "{name} is not tested");
    }
}
