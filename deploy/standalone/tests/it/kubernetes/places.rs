//! What differs from place to place: who may reach what, and what an overlay has to name.

use std::{collections::BTreeSet, fs, net::IpAddr, path::Path};

use serde_json::Value;

use super::{DEV, Overlay, ROOT, file, list, text, yaml};

fn policy(name: &str) -> Value {
    Overlay::read("k8s/components/networkpolicy").object("NetworkPolicy", name)["spec"].clone()
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

fn is_within(address: IpAddr, range: &str) -> bool {
    let (network, prefix) = range.split_once('/').expect("a range has a prefix");
    let (network, length) = bits(network.parse().expect("a range begins with an address"));
    let (address, own_length) = bits(address);
    let unlooked = length - prefix.parse::<u32>().expect("a prefix is a number of bits");
    length == own_length && network.checked_shr(unlooked).unwrap_or(0) == address.checked_shr(unlooked).unwrap_or(0)
}

/// Whether a policy lets its pods reach an address that isn't a pod's.
fn reaches(policy: &Value, address: &str, port: u16) -> bool {
    let address = address.parse().expect("the test asks for an address");
    let is_to = |to: &Value| {
        let block = &to["ipBlock"];
        !block.is_null()
            && is_within(address, text(&block["cidr"]))
            && !list(block, "except").any(|range| is_within(address, text(range)))
    };
    list(policy, "egress").any(|rule| {
        let port_is_open = list(rule, "ports").any(|open| open["port"] == port);
        port_is_open && (rule["to"].is_null() || list(rule, "to").any(is_to))
    })
}

/// See docs/decisions/134-policies-name-kinds-of-places.md.
#[test]
fn pods_reach_resolvers_and_redis_wherever_clusters_have_them() {
    let dns = policy("dns");
    // NodeLocal DNSCache, by itself and in the place of the DNS Service of kubeadm, EKS, k3s, GKE, and by IPv6.
    for resolver in ["169.254.20.10", "10.96.0.10", "172.20.0.10", "10.43.0.10", "34.118.224.10", "fd00:10:96::a"] {
        assert!(reaches(&dns, resolver, 53), "{resolver}");
    }
    let pods = &dns["egress"][0];
    let namespaces = &pods["to"][0]["namespaceSelector"]["matchExpressions"][0]["values"];
    assert_eq!(namespaces, &serde_json::json!(["kube-system", "openshift-dns"]));
    assert!([53, 5353].iter().all(|port| list(pods, "ports").filter(|open| open["port"] == *port).count() == 2));

    let redis = policy("redis-clients");
    for server in ["10.0.3.7", "172.31.0.4", "192.168.1.1", "100.64.0.9", "fd12::1"] {
        assert!(reaches(&redis, server, 6379) && reaches(&redis, server, 26379), "{server}");
    }
    assert_eq!(redis["egress"][0]["to"][0], serde_json::json!({ "namespaceSelector": {} }));
}

#[test]
fn pods_reach_the_internet_at_443_alone_and_never_the_metadata() {
    let policies = yaml("k8s/components/networkpolicy/policies.yaml");
    for policy in policies.iter().map(|policy| &policy["spec"]) {
        for address in ["8.8.8.8", "2001:4860:4860::8888"] {
            assert!(![53, 80, 4318, 6379, 26379].iter().any(|port| reaches(policy, address, *port)), "{policy}");
        }
        for address in ["169.254.169.254", "fd00:ec2::254"] {
            assert!(![80, 443].iter().any(|port| reaches(policy, address, *port)), "{policy}");
        }
    }
    assert!(reaches(&policy("scenecast-callback"), "8.8.8.8", 443));
    assert!(!reaches(&policy("scenecast-gateway"), "8.8.8.8", 443));
}

/// The first policy of a pod denies what no policy allows. So where networkpolicy isn't, none may be.
#[test]
fn no_other_component_cuts_gateways_or_callbacks_off() {
    for component in fs::read_dir(Path::new(ROOT).join("k8s/components")).unwrap() {
        let component = component.unwrap().file_name().into_string().unwrap();
        if component == "networkpolicy" {
            continue;
        }
        let policies = Overlay::read(Path::new("k8s/components").join(&component)).objects;
        for policy in policies.iter().filter(|object| object["kind"] == "NetworkPolicy") {
            let selected = policy["spec"]["podSelector"].to_string();
            assert!(!selected.contains("scenecast-gateway") && !selected.contains("scenecast-callback"), "{component}");
        }
    }
    let load_test = yaml("k8s/loadtest/load-test.yaml");
    assert!(load_test.iter().all(|object| object["kind"] != "NetworkPolicy"));
}

/// Whether one of the policies lets pods of a name reach those of another, at a port by its name; seen from one end.
fn is_let(policies: &[Value], end: &str, pods: &str, others: &str, port: &str) -> bool {
    let name = "app.kubernetes.io/name";
    let peers = if end == "ingress" { "from" } else { "to" };
    let mine = policies.iter().filter(|policy| policy["spec"]["podSelector"]["matchLabels"][name] == pods);
    mine.flat_map(|policy| list(&policy["spec"], end)).any(|rule| {
        let to_all = rule[peers].is_null();
        let named = list(rule, peers).any(|peer| peer["podSelector"]["matchLabels"][name] == others);
        (to_all || named) && list(rule, "ports").any(|open| open["port"] == port)
    })
}

#[test]
fn a_load_test_runs_where_all_else_is_denied() {
    let mut policies = yaml("k8s/components/networkpolicy/policies.yaml");
    policies.extend(yaml("k8s/loadtest/policies.yaml"));
    let (test, gateway, callback) = ("scenecast-loadtest", "scenecast-gateway", "scenecast-callback");
    for (from, to, port) in [
        (test, test, "redis"),
        (test, gateway, "public"),
        (test, callback, "public"),
        (test, callback, "internal"),
        (callback, test, "wechat"),
    ] {
        assert!(is_let(&policies, "egress", from, to, port), "{from} may not send to {to}, {port}");
        assert!(is_let(&policies, "ingress", to, from, port), "{to} takes nothing of {from}, {port}");
    }
    // Its pods get names resolved by the policy `dns`.
    for object in yaml("k8s/loadtest/load-test.yaml").iter().filter(|object| !object["spec"]["template"].is_null()) {
        assert_eq!(object["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"], "scenecast");
    }
}

/// All texts in a value that are `<…>`.
fn placeholders(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with('<') => _ = found.insert(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| placeholders(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| placeholders(field, found)),
        _ => {}
    }
}

#[test]
fn an_overlay_shows_all_that_its_components_leave_open() {
    // What a component has a good default for, and an overlay asks for all the same.
    let asked = [
        ("staging", &["<tls-secret-for-pages>", "<tls-secret-for-wechat>"][..]),
        ("production", &["<helm-release-of-your-prometheus>"]),
    ];
    for (overlay, asked) in asked {
        let folder = Path::new("k8s/overlays").join(overlay);
        let mut open = BTreeSet::new();
        Overlay::read(&folder).objects.iter().for_each(|object| placeholders(object, &mut open));
        let shown = file(folder.join("kustomization.yaml"));
        open.extend(asked.iter().chain(&["<namespace-of-your-prometheus>"]).map(|asked| (*asked).to_owned()));
        for placeholder in open {
            assert!(shown.contains(&placeholder), "{overlay} doesn't show {placeholder}");
        }
    }
    let mut open = BTreeSet::new();
    Overlay::read(DEV).objects.iter().for_each(|object| placeholders(object, &mut open));
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn googles_load_balancers_ask_where_pods_answer() {
    let base = Overlay::read("k8s/base");
    let policies = Overlay::read("k8s/components/gke");
    for name in ["scenecast-gateway", "scenecast-callback"] {
        let grace = base.pod(name)["terminationGracePeriodSeconds"].as_u64();
        for kind in ["HealthCheckPolicy", "GCPBackendPolicy"] {
            assert_eq!(policies.object(kind, name)["spec"]["targetRef"]["name"], name);
            base.object("Service", name);
        }
        let check = &policies.object("HealthCheckPolicy", name)["spec"]["default"]["config"]["httpHealthCheck"];
        // Both listeners that clients use have it, beside their limits.
        assert_eq!(
            (&check["requestPath"], &check["portSpecification"]),
            (&"/readyz".into(), &"USE_SERVING_PORT".into())
        );
        let default = &policies.object("GCPBackendPolicy", name)["spec"]["default"];
        assert!(default["connectionDraining"]["drainingTimeoutSec"].as_u64() > grace);
    }
}
