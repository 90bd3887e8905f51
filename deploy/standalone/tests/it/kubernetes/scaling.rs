//! The autoscalers: both alike, on their own namespace, and calm where data is missing.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::{Overlay, list, text, yaml};

const KEDA: &str = "k8s/components/keda";

fn scaled_object(name: &str) -> Value {
    Overlay::read(KEDA).object("ScaledObject", name)["spec"].clone()
}

fn autoscaler(name: &str) -> Value {
    Overlay::read("k8s/components/hpa-pods-metric").object("HorizontalPodAutoscaler", name)["spec"].clone()
}

/// What a metric is to have per pod, as both kinds of autoscaler say it.
fn target_of_metric(metric: &Value) -> Value {
    match text(&metric["type"]) {
        "Pods" => metric["pods"]["target"]["averageValue"].clone(),
        _ => metric["resource"]["target"]["averageUtilization"].to_string().into(),
    }
}

fn target_of_trigger(trigger: &Value) -> Value {
    match text(&trigger["type"]) {
        "prometheus" => trigger["metadata"]["threshold"].clone(),
        _ => trigger["metadata"]["value"].clone(),
    }
}

#[test]
fn both_autoscalers_scale_alike() {
    for name in ["scenecast-gateway", "scenecast-callback"] {
        let (hpa, keda) = (autoscaler(name), scaled_object(name));
        assert_eq!(hpa["minReplicas"], keda["minReplicaCount"], "{name}");
        assert_eq!(hpa["maxReplicas"], keda["maxReplicaCount"], "{name}");
        assert_eq!(hpa["behavior"], keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"], "{name}");
        let metrics: Vec<_> = list(&hpa, "metrics").map(target_of_metric).collect();
        let triggers: Vec<_> = list(&keda, "triggers").map(target_of_trigger).collect();
        assert_eq!(metrics, triggers, "{name}");
    }
}

#[test]
fn gateways_have_room_until_another_is_there_and_go_one_at_a_time() {
    let gateways = autoscaler("scenecast-gateway");
    let base = Overlay::read("k8s/base");
    let limit: f64 = base.environment("scenecast-gateway")["SCENECAST_LIMITS__CONNECTIONS"].parse().unwrap();
    let connections: f64 = text(&target_of_metric(&gateways["metrics"][0])).parse().unwrap();
    assert!((0.6..0.7).contains(&(connections / limit)), "{connections} of {limit}");
    // One pod goes, and has gone, before the next one does.
    let down = &gateways["behavior"]["scaleDown"]["policies"][0];
    let grace = base.pod("scenecast-gateway")["terminationGracePeriodSeconds"].as_u64();
    assert_eq!((&down["type"], &down["value"]), (&"Pods".into(), &1.into()));
    assert!(down["periodSeconds"].as_u64() > grace);
}

/// A test of promtool: a query over series of metrics, each with its values a minute apart, is worth this after each of
/// the minutes. `None` is no data.
fn promtool_test(query: &str, series: &[(String, &str)], worth: &[(&str, Option<f64>)]) -> Value {
    let series: Vec<_> = series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    let expected = worth.iter().map(|(time, value)| {
        let samples: Vec<_> = value.iter().map(|value| json!({ "labels": "{}", "value": value })).collect();
        json!({ "expr": query, "eval_time": time, "exp_samples": samples })
    });
    json!({ "interval": "1m", "input_series": series, "promql_expr_test": expected.collect::<Vec<_>>() })
}

#[test]
fn pods_that_are_not_scraped_take_no_pods_away() {
    let gateways = scaled_object("scenecast-gateway");
    let pod = |namespace: &str, pod: &str, more: &str| {
        format!(r#"{{namespace="{namespace}",pod="scenecast-gateway-{pod}"{more}}}"#)
    };
    // Prometheus loses one of three pods after five minutes, and all after twenty. Another release has other numbers.
    let lives = [("scenecast", "a", 20), ("scenecast", "b", 20), ("scenecast", "c", 5), ("staging", "a", 60)];
    let mut tests = vec![];
    for (trigger, (metric, labels, per_minute)) in list(&gateways, "triggers").zip([
        ("scenecast_connections_open", r#",transport="sse""#, 0),
        ("scenecast_turned_away_total", r#",why="connections""#, 120),
    ]) {
        // The mean of the pods that are known: Kubernetes multiplies it with the pods that are ready. No data is no value.
        assert_eq!(trigger["metricType"], "Value");
        assert_eq!(trigger["metadata"]["ignoreNullValues"], "false");
        // The second metric is a rate over one minute, so it needs values more often than each minute.
        let values = lives.map(|(namespace, _, minutes)| {
            let first = if namespace == "scenecast" { 12_000 } else { 1 };
            format!("{first}+{}x{} stale", per_minute / 4, minutes * 4)
        });
        let series: Vec<_> = lives
            .iter()
            .zip(&values)
            .map(|((namespace, name, _), values)| (metric.to_owned() + &pod(namespace, name, labels), values.as_str()))
            .collect();
        let value = if per_minute == 0 { 12_000.0 } else { f64::from(per_minute) / 60.0 };
        let query = text(&trigger["metadata"]["query"]);
        let mut test = promtool_test(query, &series, &[("4m", Some(value)), ("15m", Some(value)), ("30m", None)]);
        test["interval"] = "15s".into();
        tests.push(test);
    }
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("queries.test.yaml");
    std::fs::write(&path, json!({ "rule_files": [], "tests": tests }).to_string()).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&path).output();
    let output = output.expect("promtool is installed: `make needed`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_queries_of_a_release_follow_its_namespace() {
    let gateways = scaled_object("scenecast-gateway");
    let queries: Vec<_> = list(&gateways, "triggers").map(|trigger| text(&trigger["metadata"]["query"])).collect();
    let overlay = yaml("k8s/overlays/production/kustomization.yaml").remove(0);
    let replacement = &overlay["replacements"][0];
    assert_eq!(replacement["source"]["fieldPath"], "metadata.namespace");
    let target = &replacement["targets"][0];
    assert_eq!(target["select"]["name"], "scenecast-gateway");
    let paths: Vec<_> = list(target, "fieldPaths").map(text).collect();
    assert_eq!(paths, ["spec.triggers.0.metadata.query", "spec.triggers.1.metadata.query"]);
    assert_eq!(paths.len(), queries.len());
    // What is replaced is the namespace.
    let delimiter = text(&target["options"]["delimiter"]);
    let index = usize::try_from(target["options"]["index"].as_u64().unwrap()).unwrap();
    for query in queries {
        assert_eq!(query.split(delimiter).nth(index), Some("scenecast"), "{query}");
    }
}

#[test]
fn staging_and_production_fit_into_one_cluster() {
    let namespace = |overlay: &str| {
        let kustomization = yaml(Path::new("k8s/overlays").join(overlay).join("kustomization.yaml")).remove(0);
        text(&kustomization["namespace"]).to_owned()
    };
    assert_ne!(namespace("staging"), namespace("production"));
}
