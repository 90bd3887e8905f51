//! What the API server says to each overlay, before anything runs.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, path};

#[tokio::test]
async fn the_api_server_takes_every_overlay() {
    let cluster = Cluster::of_this_test().await;
    // Those of tests/ are staging and production with all that these leave open filled in, and have every component.
    for overlay in ["overlays/dev", "tests/overlays/logins", "tests/overlays/staging", "tests/overlays/production"] {
        cluster.kubectl(&["apply", "--dry-run=server", "-k", &path(overlay)]).await;
    }
    cluster.kubectl(&["apply", "--dry-run=server", "-f", &path("loadtest/load-test.yaml")]).await;
}

#[tokio::test]
async fn what_an_overlay_leaves_open_is_refused_by_name() {
    let cluster = Cluster::of_this_test().await;
    for overlay in ["overlays/staging", "overlays/production"] {
        let output = cluster.try_kubectl(&["apply", "--dry-run=server", "-k", &path(overlay)]).await;
        let refused = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && refused.contains("<host-for-pages>"), "{refused}");
        assert!(refused.contains("<host-for-wechat>"), "{refused}");
    }
}

#[tokio::test]
async fn the_api_server_takes_components_in_every_mix() {
    let cluster = Cluster::of_this_test().await;
    for scaling in ["hpa-pods-metric", "keda"] {
        for edge in ["ingress", "gateway-api"] {
            for watched in [&[][..], &["servicemonitor", "otel"]] {
                let overlay = mix(&[&["networkpolicy", scaling, edge][..], watched].concat());
                cluster.kubectl(&["apply", "--dry-run=server", "-k", &overlay.path().display().to_string()]).await;
            }
        }
    }
}

/// An overlay of the base and these components, with what they leave open filled in.
fn mix(components: &[&str]) -> TempDir {
    let overlay = tempfile::tempdir().unwrap();
    // kustomize takes no absolute path.
    let up = "../".repeat(overlay.path().canonicalize().unwrap().components().count() - 1);
    let found = |folder: &str| format!("{up}{}", path(folder).trim_start_matches('/'));
    let components: Vec<_> = components.iter().map(|component| found(&format!("components/{component}"))).collect();
    let patch = |kind: &str, operations: Value| json!({ "target": { "kind": kind }, "patch": operations.to_string() });
    let replace = |path: &str, value: Value| json!({ "op": "add", "path": path, "value": value });
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "scenecast",
        "resources": [found("base")],
        "components": components,
        "labels": [{ "pairs": { "app.kubernetes.io/part-of": "scenecast" } }],
        "patches": [
            patch("HTTPRoute", json!([
                replace("/spec/parentRefs", json!([{ "name": "public", "namespace": "gateways" }])),
                replace("/spec/hostnames", json!(["login.example.com"])),
            ])),
            patch("Ingress", json!([
                replace("/spec/rules/0/host", json!("login.example.com")),
                replace("/spec/ingressClassName", json!("public")),
            ])),
        ],
    });
    std::fs::write(overlay.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    overlay
}
