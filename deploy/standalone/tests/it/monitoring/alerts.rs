//! The alerts in `deploy/prometheus` fire as their own tests say, and are in the runbook.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::process::Command;

use super::{expression, file, files, path, rules};

/// All alerts.
fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_only_then() {
    for (suffix, verb) in [(".rules.yaml", "check"), (".rules.test.yaml", "test")] {
        let directory = "deploy/prometheus";
        let mut promtool = Command::new("promtool");
        promtool.args([verb, "rules"]).args(files(directory, suffix)).current_dir(path(directory));
        let output = promtool.output().await;
        let output = output.expect("promtool is installed: `make needed`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn each_alert_is_tested_and_has_a_severity_texts_and_a_runbook_section() {
    let runbook = file("docs/runbook.md");
    let tests = files("deploy/prometheus", ".rules.test.yaml")
        .into_iter()
        .map(|name| file(&format!("deploy/prometheus/{name}")));
    let tests: String = tests.collect();
    let of_healthy_fleets = file("deploy/prometheus/scenecast.healthy.rules.test.yaml");
    for rules in files("deploy/prometheus", ".rules.yaml") {
        assert!(of_healthy_fleets.contains(&rules), "nobody looks whether {rules} is silent where all is well");
    }
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

#[test]
fn each_metric_has_an_alert_or_a_stated_reason_for_none() {
    let (document, runbook) = (file("docs/metrics.md"), file("docs/runbook.md"));
    let (_, reasons) = runbook.split_once("\n## What has no alert, and why\n").unwrap();
    let rules: String = rules().iter().map(|rule| expression(rule).to_owned()).collect();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let of_process = document.split('`').filter(|word| word.starts_with("process_"));
    for metric in
        rows.filter_map(|row| row.split('`').next()).filter(|name| name.starts_with("scenecast_")).chain(of_process)
    {
        let has_reason = reasons.contains(&format!("`{metric}`"));
        assert!(rules.contains(metric) || has_reason, "{metric} has no alert, and docs/runbook.md doesn't say why");
    }
}

/// A staging deployment at the same Prometheus must neither wake anybody for production nor hide it in a sum.
#[test]
fn each_sum_is_of_one_namespace() {
    for rule in rules() {
        // A word is before each parenthesis, and a blank before each word.
        let words = format!(" {}", expression(&rule).replace(['(', '\n'], " ( "));
        for aggregation in [" sum ", " max ", " min ", " avg ", " count "] {
            for labels in words.split(aggregation).skip(1).map(|rest| rest.split(')').next().unwrap().trim()) {
                let keeps = labels.starts_with("without") || labels.starts_with("by") && labels.contains("namespace");
                assert!(keeps, "{aggregation} in {}", expression(&rule));
            }
        }
    }
}
