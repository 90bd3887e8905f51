//! What the API server says to each overlay, before anything runs.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::cluster::{Cluster, path};

#[tokio::test]
async fn the_api_server_takes_every_overlay() {
    let cluster = Cluster::of_this_test().await;
    // Those of tests/ are staging and production with all that these leave open filled in, and have every component.
    for overlay in ["overlays/dev", "tests/overlays/logins", "tests/overlays/staging", "tests/overlays/production"] {
        cluster.kubectl(&["apply", "--dry-run=server", "-k", &path(overlay)]).await;
    }
}

/// Of a Deployment or a Job that breaks the namespace's Pod Security the API server only warns. Its pod it refuses.
#[tokio::test]
async fn the_pods_of_a_load_test_are_let_in() {
    let cluster = Cluster::of_this_test().await;
    let applied = cluster.kubectl(&["apply", "--dry-run=server", "--output=json", "-f", &path("loadtest")]).await;
    let applied: Value = serde_json::from_str(&applied).unwrap();
    let with_pods = applied["items"].as_array().unwrap().iter().filter(|object| object["spec"]["template"].is_object());
    let pod = |object: &Value| {
        let metadata = json!({ "name": object["metadata"]["name"] });
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": object["spec"]["template"]["spec"] })
    };
    let pods: Vec<_> = with_pods.map(pod).collect();
    assert_eq!(pods.len(), 3);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pods.json");
    std::fs::write(&file, json!({ "apiVersion": "v1", "kind": "List", "items": pods }).to_string()).unwrap();
    cluster.kubectl(&["create", "--dry-run=server", "-f", &file.display().to_string()]).await;
}

/// Two releases share a cluster if nothing of one names the other's namespace.
#[tokio::test]
async fn a_release_is_all_in_its_own_namespace() {
    let folder = TempDir::new().unwrap();
    // kustomize takes no absolute path.
    let up = "../".repeat(folder.path().canonicalize().unwrap().components().count() - 1);
    let shipped = std::fs::read_to_string(path("overlays/production/kustomization.yaml")).unwrap();
    let other = shipped
        .replace("namespace: scenecast\n", "namespace: other\n")
        .replace("../../", &format!("{up}{}/", path("").trim_matches('/')));
    std::fs::write(folder.path().join("kustomization.yaml"), other).unwrap();
    let rendered = Command::new("kubectl").arg("kustomize").arg(folder.path()).output().await.unwrap();
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    assert_eq!(rendered.matches(r#"{namespace="other","#).count(), 2, "{rendered}");
    assert!(rendered.contains("kind: Namespace\n") && rendered.contains("  name: other\n"));
    for left in ["namespace: scenecast\n", r#"namespace="scenecast""#, ".scenecast:", ".scenecast.svc"] {
        assert!(!rendered.contains(left), "{left} is left: {rendered}");
    }
}

#[tokio::test]
async fn what_an_overlay_leaves_open_is_refused_by_name() {
    let cluster = Cluster::of_this_test().await;
    // A namespace that exists may be created again.
    cluster.try_kubectl(&["create", "namespace", "scenecast-staging"]).await;
    for (overlay, namespace) in [("overlays/staging", "scenecast-staging"), ("overlays/production", "scenecast")] {
        let namespace = format!("--namespace={namespace}");
        let output = cluster.try_kubectl(&["apply", "--dry-run=server", "-k", &path(overlay), &namespace]).await;
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
