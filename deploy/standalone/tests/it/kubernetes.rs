//! What `k8s/` says, held to the settings and files that it speaks of. No cluster is needed: files are read as files.

mod places;
mod pods;
mod scaling;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use scenecast_callback::CallbackConfig;
use scenecast_gateway::GatewayConfig;
use scenecast_service::{
    ceilings::HTTP_CONNECTION_BYTES,
    config::{ConfigError, load},
    memory::OWN_BYTES,
};
use scenecast_standalone::SiteProcessConfig;
use serde_json::Value;

use crate::monitoring::files;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Secrets that an operator makes. dev has its own.
const SECRETS: [(&str, &[(&str, &str)]); 2] = [
    (
        "scenecast-gateway",
        &[
            ("SCENECAST_BUS__URL", "redis://gateway:password-of-gateways@redis:6379"),
            ("SCENECAST_KEY_SECRET__CURRENT", "0123456789abcdef-of-keys"),
            ("SCENECAST_INTERNAL_SECRET__CURRENT", "0123456789abcdef-of-calls"),
        ],
    ),
    (
        "scenecast-callback",
        &[
            ("SCENECAST_BUS__URL", "redis://callback:password-of-callbacks@redis:6379"),
            ("SCENECAST_INTERNAL_SECRET__CURRENT", "0123456789abcdef-of-calls"),
        ],
    ),
];
const DEV: &str = "k8s/overlays/dev";

fn file(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: impl AsRef<Path>) -> Vec<Value> {
    serde_saphyr::from_multiple(&file(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A kustomization, with those that it includes.
#[derive(Default)]
struct Overlay {
    /// What its generators put into each `ConfigMap` and `Secret`, by its name: later files over earlier ones.
    literals: BTreeMap<String, BTreeMap<String, String>>,
    objects: Vec<Value>,
}

impl Overlay {
    fn read(folder: impl AsRef<Path>) -> Self {
        let mut overlay = Self::default();
        overlay.include(folder.as_ref());
        overlay
    }

    fn include(&mut self, folder: &Path) {
        let kustomization = yaml(folder.join("kustomization.yaml")).remove(0);
        for included in list(&kustomization, "resources").chain(list(&kustomization, "components")) {
            let path = folder.join(text(included));
            if path.extension().is_some() {
                self.objects.extend(yaml(path));
            } else {
                self.include(&path);
            }
        }
        for generated in list(&kustomization, "configMapGenerator").chain(list(&kustomization, "secretGenerator")) {
            let into = self.literals.entry(text(&generated["name"]).to_owned()).or_default();
            into.extend(list(generated, "literals").map(|literal| {
                let (name, value) = text(literal).split_once('=').expect("a literal is NAME=VALUE");
                (name.to_owned(), value.to_owned())
            }));
        }
    }

    fn object(&self, kind: &str, name: &str) -> &Value {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        self.objects.iter().find(is_it).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    fn pod(&self, deployment: &str) -> &Value {
        &self.object("Deployment", deployment)["spec"]["template"]["spec"]
    }

    fn container(&self, deployment: &str) -> &Value {
        &self.pod(deployment)["containers"][0]
    }

    /// The environment of a Deployment's container: what its generators say, and what it says itself. `SCENECAST_CONFIG`
    /// is no setting.
    fn environment(&self, deployment: &str) -> BTreeMap<String, String> {
        let container = self.container(deployment);
        let mut environment = BTreeMap::new();
        for from in list(container, "envFrom") {
            let reference = if from["secretRef"].is_null() { &from["configMapRef"] } else { &from["secretRef"] };
            let name = text(&reference["name"]);
            let made_by_operator = SECRETS.iter().find(|(secret, _)| *secret == name);
            for (name, value) in made_by_operator.into_iter().flat_map(|(_, settings)| *settings) {
                environment.insert((*name).to_owned(), (*value).to_owned());
            }
            environment.extend(self.literals.get(name).cloned().unwrap_or_default());
        }
        for variable in list(container, "env") {
            environment.insert(text(&variable["name"]).to_owned(), text(&variable["value"]).to_owned());
        }
        environment.remove("SCENECAST_CONFIG");
        environment
    }
}

fn filled(environment: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let fill = |(name, value): (String, String)| match value.starts_with('<') {
        true if name == "SCENECAST_ORIGINS" => (name, "https://www.example.com".to_owned()),
        true => (name, "10.0.0.0/8".to_owned()),
        false => (name, value),
    };
    environment.into_iter().map(fill).collect()
}

fn load_callback(environment: BTreeMap<String, String>) -> Result<CallbackConfig, ConfigError> {
    load(Some(&Path::new(ROOT).join(DEV).join("accounts.toml")), environment)
}

#[test]
fn pods_take_every_setting_that_an_overlay_gives_them() {
    for overlay in [DEV, "k8s/overlays/staging", "k8s/overlays/production", "k8s/tests/overlays/production"] {
        let overlay = Overlay::read(overlay);
        load::<GatewayConfig>(None, filled(overlay.environment("scenecast-gateway"))).unwrap();
        let mut environment = filled(overlay.environment("scenecast-callback"));
        // The accounts of this test are those of the simulator.
        for base in ["SCENECAST_WECHAT__API_BASE", "SCENECAST_WECHAT__PICTURE_BASE"] {
            environment.entry(base.to_owned()).or_insert("http://scenecast-simulator:8083".to_owned());
        }
        load_callback(environment).unwrap();
    }
    for component in ["gke", "otel"] {
        let mut overlay = Overlay::read("k8s/overlays/production");
        overlay.include(&Path::new("k8s/components").join(component));
        load::<GatewayConfig>(None, filled(overlay.environment("scenecast-gateway"))).unwrap();
    }
    load::<SiteProcessConfig>(None, Overlay::read(DEV).environment("scenecast-site")).unwrap();
}

#[test]
fn what_an_overlay_leaves_open_is_refused_by_name() {
    for overlay in ["k8s/overlays/staging", "k8s/overlays/production"] {
        let overlay = Overlay::read(overlay);
        let refused = load::<GatewayConfig>(None, overlay.environment("scenecast-gateway")).unwrap_err().to_string();
        assert!(refused.contains("origins: still has the placeholder"), "{refused}");
        assert!(refused.contains("trusted_proxies: still has the placeholder"), "{refused}");
        let refused = load_callback(overlay.environment("scenecast-callback")).unwrap_err().to_string();
        assert!(refused.contains("trusted_proxies: still has the placeholder"), "{refused}");
    }
}

/// The five seconds in which a pod ends after its drain, and one to spare.
const END: u64 = 6;

#[test]
fn kubernetes_lets_pods_drain() {
    let base = Overlay::read("k8s/base");
    let mut google = Overlay::read("k8s/base");
    google.include(Path::new("k8s/components/gke"));
    let deployments = ["scenecast-gateway", "scenecast-callback"];
    for (deployment, overlay) in deployments.into_iter().flat_map(|name| [(name, &base), (name, &google)]) {
        let environment = overlay.environment(deployment);
        let seconds = |setting: &str| environment[setting].parse::<u64>().unwrap();
        let drain = seconds("SCENECAST_DRAIN__NOTICE") + seconds("SCENECAST_DRAIN__WINDOW") + END;
        let grace = base.pod(deployment)["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= drain, "{deployment}: {grace} s are less than the {drain} s of a drain");
    }
}

#[test]
fn memory_limits_are_enough_for_the_connections() {
    let base = Overlay::read("k8s/base");
    for (deployment, listeners) in [("scenecast-gateway", 1), ("scenecast-callback", 2)] {
        let connections: u64 = base.environment(deployment)["SCENECAST_LIMITS__CONNECTIONS"].parse().unwrap();
        let needed = OWN_BYTES + connections * listeners * u64::from(HTTP_CONNECTION_BYTES);
        let limit = text(&base.container(deployment)["resources"]["limits"]["memory"]);
        let limit = limit.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() * 1024 * 1024;
        assert!(limit >= needed, "{deployment}: {limit} is less than {needed}");
    }
}

/// The ports of a container by name.
fn container_ports(container: &Value) -> BTreeMap<&str, u64> {
    list(container, "ports")
        .map(|port| (text(&port["name"]), port["containerPort"].as_u64().expect("a port is a number")))
        .collect()
}

#[test]
fn every_port_is_one_on_which_somebody_listens() {
    let dev = Overlay::read(DEV);
    for deployment in ["scenecast-gateway", "scenecast-callback"] {
        let listened: BTreeSet<u64> = dev
            .environment(deployment)
            .iter()
            .filter(|(name, _)| name.starts_with("SCENECAST_LISTEN__"))
            .map(|(_, address)| address.rsplit_once(':').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!(container_ports(dev.container(deployment)).into_values().collect::<BTreeSet<_>>(), listened);
    }
    for overlay in [DEV, "k8s/overlays/staging", "k8s/overlays/production"] {
        let overlay = Overlay::read(overlay);
        for service in overlay.objects.iter().filter(|object| object["kind"] == "Service") {
            let container = overlay.container(text(&service["spec"]["selector"]["app.kubernetes.io/name"]));
            for port in list(&service["spec"], "ports") {
                let name = text(&port["targetPort"]);
                assert_eq!(container_ports(container).get(name).copied(), port["port"].as_u64(), "{service}");
            }
        }
    }
}

#[test]
fn accounts_reload_and_other_settings_roll() {
    let base = Overlay::read("k8s/base");
    let callback = base.container("scenecast-callback");
    let mount = &callback["volumeMounts"][0];
    assert!(mount["subPath"].is_null(), "a file that is mounted by subPath never changes");
    let config = list(callback, "env").find(|variable| variable["name"] == "SCENECAST_CONFIG").unwrap();
    assert!(text(&config["value"]).starts_with(text(&mount["mountPath"])));
    // A Secret with a hash in its name would roll the pods instead.
    let dev = yaml("k8s/overlays/dev/kustomization.yaml").remove(0);
    let accounts = list(&dev, "secretGenerator").find(|secret| secret["name"] == "scenecast-accounts").unwrap();
    assert_eq!(accounts["options"]["disableNameSuffixHash"], true);
    for folder in ["k8s/base", DEV, "k8s/overlays/staging", "k8s/overlays/production"] {
        let kustomization = yaml(Path::new(folder).join("kustomization.yaml")).remove(0);
        for generated in list(&kustomization, "configMapGenerator") {
            assert!(generated["options"]["disableNameSuffixHash"].is_null(), "{generated}");
        }
    }
}

#[test]
fn copies_are_like_their_originals() {
    let users = file("deploy/redis/users.acl")
        .replace("${GATEWAY_PASSWORD}", "only-for-trying-out-gateway")
        .replace("${CALLBACK_PASSWORD}", "only-for-trying-out-callback");
    assert_eq!(file("k8s/components/redis-dev/users.acl"), users, "run `make kubernetes-copies`");

    let copies: Vec<_> =
        yaml("k8s/components/servicemonitor/rules.yaml").iter().map(|rules| rules["spec"].clone()).collect();
    let names = files("deploy/prometheus", ".rules.yaml");
    let originals: Vec<_> =
        names.iter().map(|name| yaml(Path::new("deploy/prometheus").join(name)).remove(0)).collect();
    assert_eq!(copies, originals, "run `make kubernetes-copies`");
}

#[test]
fn images_have_the_version_of_the_workspace() {
    for folder in ["k8s/base", DEV] {
        let kustomization = yaml(Path::new(folder).join("kustomization.yaml")).remove(0);
        for image in list(&kustomization, "images") {
            assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"), "{image}");
        }
    }
}

#[test]
fn images_are_built_from_every_crate() {
    let ignored = file(".dockerignore");
    let kept: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let workspace = file("Cargo.toml");
    let members = workspace.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    for member in members.split('"').filter(|text| text.chars().any(char::is_alphanumeric)) {
        let manifest = Path::new(member).join("Cargo.toml");
        assert!(kept.iter().any(|kept| manifest.starts_with(kept)), "{member} is not in .dockerignore");
    }
}
