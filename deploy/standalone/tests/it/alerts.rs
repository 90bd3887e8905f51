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

/// All alerts.
fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&file("deploy/prometheus/scenecast.rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
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
async fn each_metric_in_an_alert_is_exported_by_a_pod() {
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
    let alerts = alerts();
    let named: BTreeSet<_> = alerts.iter().flat_map(|alert| metrics(alert["expr"].as_str().unwrap())).collect();
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
    for arguments in [["check", "rules", "scenecast.rules.yaml"], ["test", "rules", "scenecast.rules.test.yaml"]] {
        let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../prometheus");
        let output = Command::new("promtool").args(arguments).current_dir(rules).output().await;
        let output = output.expect("promtool is installed: `make needed`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn each_alert_is_tested_and_has_a_severity_texts_and_a_runbook_section() {
    let (tests, runbook) = (file("deploy/prometheus/scenecast.rules.test.yaml"), file("docs/runbook.md"));
    for alert in alerts() {
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
