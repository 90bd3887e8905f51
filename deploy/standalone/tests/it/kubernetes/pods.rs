//! What a pod may do, and where it runs.

use serde_json::{Value, json};

use super::{DEV, Overlay, list, text, yaml};

/// All pods that somebody is told to start: those of gateways and callbacks, those for trying out, and a load test's.
fn all_pods() -> Vec<(String, Value)> {
    let mut objects = Overlay::read(DEV).objects;
    objects.extend(yaml("k8s/loadtest/load-test.yaml"));
    let pod = |object: &Value| {
        let spec = object.pointer("/spec/template/spec")?;
        Some((text(&object["metadata"]["name"]).to_owned(), spec.clone()))
    };
    objects.iter().filter_map(pod).collect()
}

/// The Pod Security Standard `restricted`, of whose breaches in Deployments and Jobs the API server only warns.
#[test]
fn every_pod_is_restricted() {
    let pods = all_pods();
    assert_eq!(pods.len(), 8, "a pod is not looked at");
    for (name, pod) in pods {
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{name}");
        assert_eq!(security["runAsUser"], 65532, "{name}: an image's own user may be root, as busybox's is");
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        assert_eq!(pod["enableServiceLinks"], false, "{name}: the variables of links begin with SCENECAST_");
        for container in list(&pod, "containers") {
            let security = &container["securityContext"];
            let is = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(security, &is, "{name}: {}", container["name"]);
        }
    }
}

/// See docs/decisions/135-pods-prefer-other-nodes-and-never-wait-for-them.md.
#[test]
fn a_full_or_lost_node_keeps_no_pod_from_running() {
    let base = Overlay::read("k8s/base");
    for deployment in ["scenecast-gateway", "scenecast-callback"] {
        let pod = base.pod(deployment);
        for constraint in list(pod, "topologySpreadConstraints") {
            assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway", "{deployment}");
            // With two, the scheduler would ignore nodes without a zone.
            assert_eq!(constraint["topologyKey"], "topology.kubernetes.io/zone", "{deployment}");
        }
        let nodes = &pod["affinity"]["podAntiAffinity"];
        assert!(nodes["requiredDuringSchedulingIgnoredDuringExecution"].is_null(), "{deployment}");
        let term = &nodes["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
        assert_eq!(term["topologyKey"], "kubernetes.io/hostname", "{deployment}");
        assert_eq!(term["labelSelector"], json!({ "matchLabels": { "app.kubernetes.io/name": deployment } }));

        let tolerated: Vec<_> = list(pod, "tolerations").collect();
        for state in ["unreachable", "not-ready"] {
            let key = format!("node.kubernetes.io/{state}");
            let toleration = tolerated.iter().find(|toleration| toleration["key"] == key).unwrap();
            assert_eq!(toleration["effect"], "NoExecute");
            assert!(toleration["tolerationSeconds"].as_u64().is_some_and(|seconds| seconds <= 60), "{toleration}");
        }
    }
}

/// The patches of a component for gateways and callbacks: each one's container, and its pod.
fn patched(component: &str) -> Vec<(Value, Value)> {
    let kustomization = yaml(format!("k8s/components/{component}/kustomization.yaml")).remove(0);
    let patches = list(&kustomization, "patches")
        .map(|patch| -> Value { serde_saphyr::from_str(text(&patch["patch"])).expect("a patch is YAML") });
    let base = Overlay::read("k8s/base");
    patches
        .map(|patch| {
            let pod = patch["spec"]["template"]["spec"].clone();
            let container = pod["containers"][0].clone();
            let patched = base.container(text(&patch["metadata"]["name"]));
            assert_eq!(container["name"], patched["name"], "{component} patches a container that isn't there");
            (container, pod)
        })
        .collect()
}

#[test]
fn traces_say_which_pod_and_node_they_are_of() {
    let patches = patched("otel");
    assert_eq!(patches.len(), 2);
    for (container, _) in patches {
        let mut known = vec![];
        let mut attributes = vec![];
        for variable in list(&container, "env") {
            if variable["name"] == "OTEL_RESOURCE_ATTRIBUTES" {
                attributes
                    .extend(text(&variable["value"]).split(',').map(|attribute| attribute.split_once('=').unwrap()));
                // Only variables that are above can be named.
                let is_known = |(_, value): &(&str, &str)| known.contains(&(*value).to_owned());
                assert!(attributes.iter().all(is_known), "{attributes:?}");
            } else {
                known.push(format!("$({})", text(&variable["name"])));
            }
        }
        let names: Vec<_> = attributes.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["k8s.pod.name", "k8s.namespace.name", "k8s.node.name"]);
    }
}

#[test]
fn the_authority_of_redis_is_where_pods_look_for_it() {
    let component = Overlay::read("k8s/components/redis-ca");
    let patches = patched("redis-ca");
    assert_eq!((patches.len(), component.literals.len()), (2, 2));
    for ((container, pod), literals) in patches.iter().zip(component.literals.values()) {
        let mount = &container["volumeMounts"][0];
        assert_eq!(literals["SCENECAST_BUS__CA"], format!("{}/redis-ca.pem", text(&mount["mountPath"])));
        assert_eq!(pod["volumes"][0]["name"], mount["name"]);
        // The name that an overlay generates, with a hash, so that another authority rolls the pods.
        assert_eq!(pod["volumes"][0]["configMap"]["name"], "scenecast-redis-ca");
    }
}
