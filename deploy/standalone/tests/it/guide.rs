//! What `docs/operating` promises somebody who installs Scenecast by it alone, held to the files that it speaks of.

#![expect(clippy::unwrap_used, reason = "a guide that can't be read fails its test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use scenecast_callback::CallbackConfig;
use scenecast_gateway::GatewayConfig;
use scenecast_service::config::load;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const INSTALL: &str = "docs/operating/install.md";

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of a folder's files that end so.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    assert!(!names.is_empty(), "{folder} has no {ending}");
    names
}

/// What stands between these two, the first time.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("there is no {begin}"));
    rest.split_once(end).unwrap_or_else(|| panic!("there is no {end} after {begin}")).0
}

/// `<such-as-this>` in an overlay, outside of comments.
fn placeholders(overlay: &str) -> BTreeSet<String> {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let lines = overlay.lines().filter(|line| !line.trim_start().starts_with('#'));
    let names = lines.flat_map(|line| line.split('<').skip(1).filter_map(|rest| rest.split_once('>')));
    names.filter(|(name, _)| is_name(name)).map(|(name, _)| format!("`<{name}>`")).collect()
}

#[test]
fn install_explains_each_placeholder() {
    let install = file(INSTALL);
    for overlay in ["production", "staging"] {
        let placeholders = placeholders(&file(&format!("k8s/overlays/{overlay}/kustomization.yaml")));
        assert!(placeholders.len() > 3, "{overlay}: {placeholders:?}");
        let unexplained: Vec<_> = placeholders.iter().filter(|name| !install.contains(*name)).collect();
        assert!(unexplained.is_empty(), "{INSTALL} doesn't explain these of {overlay}: {unexplained:?}");
    }
}

/// Another secret for each name: as long as those of `openssl rand -hex 16`.
fn random(name: &str) -> String {
    format!("{name}0123456789abcdef0123456789abcdef")[..32].to_owned()
}

/// The secrets of a file that `install.md` has the reader write, with values in place of the shell's.
fn secrets(install: &str, name: &str) -> Vec<(String, String)> {
    let written = between(install, &format!("cat >{name} <<END\n"), "\nEND");
    let variables = written.lines().map(|line| line.split_once('=').unwrap());
    let value = |value: &str| match value {
        "$(openssl rand -hex 32)" => random("keys"),
        "$internal" => random("calls"),
        address => ["GATEWAY", "CALLBACK"]
            .iter()
            .fold(address.to_owned(), |address, user| address.replace(&format!("${user}_PASSWORD"), &random(user))),
    };
    variables.map(|(name, text)| (name.to_owned(), value(text))).collect()
}

/// The settings that the check of an image is given beside its secrets: `-e NAME=value`.
fn settings(command: &str) -> Vec<(String, String)> {
    let words: Vec<_> = command.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "-e" && !pair[1].starts_with("SCENECAST_CONFIG="));
    pairs.map(|pair| pair[1].split_once('=').unwrap()).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn the_secrets_of_install_are_good_as_they_are_shown() {
    let install = file(INSTALL);
    let gateway = between(&install, "docker run --rm --env-file gateway.env", "check-config");
    load::<GatewayConfig>(None, [secrets(&install, "gateway.env"), settings(gateway)].concat()).unwrap();

    let accounts = between(&install, "```toml\n", "```")
        .replace("\"wx…\"", "\"wx0123456789abcdea\"")
        .replace("\"gh_…\"", "\"gh_0123456789ab\"")
        .replace(
            "aes_key = { current = \"…\" }",
            "aes_key = { current = \"0ZfEGZuCkXQ2JtP7nM5aVrLyWbDqHsToUiRgKcN3xA8\" }",
        )
        .replace("token = { current = \"…\" }", &format!("token = {{ current = \"{}\" }}", random("token")))
        .replace("key = { current = \"…\" }", &format!("key = {{ current = \"{}\" }}", random("backend")))
        .replace("secret = \"…\"", &format!("secret = \"{}\"", random("account")));
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("accounts.toml");
    fs::write(&path, accounts).unwrap();
    let callback = between(&install, "docker run --rm --env-file callback.env", "check-config");
    let variables = [secrets(&install, "callback.env"), settings(callback)].concat();
    load::<CallbackConfig>(Some(&path), variables).unwrap();
}

/// The objects that `upgrade.md` applies first are all but those with the gateways' name. A `ConfigMap` of callbacks with
/// a name label of its own, or a Deployment of gateways without one, would be on the wrong side.
#[test]
fn callbacks_can_be_upgraded_before_gateways() {
    const NAME: &str = "app.kubernetes.io/name";
    assert!(file("docs/operating/upgrade.md").contains("-l 'app.kubernetes.io/name!=scenecast-gateway'"));
    let objects = |path| -> Vec<Value> { serde_saphyr::from_multiple(&file(path)).unwrap() };
    let deployment = |path| objects(path).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    assert_eq!(deployment("k8s/base/gateway.yaml")["metadata"]["labels"][NAME], "scenecast-gateway");
    for object in objects("k8s/base/callback.yaml") {
        assert_eq!(object["metadata"]["labels"][NAME].as_str().unwrap_or("scenecast-callback"), "scenecast-callback");
    }
    let labels = objects("k8s/base/kustomization.yaml").remove(0)["labels"].clone();
    assert!(labels.as_array().unwrap().iter().all(|label| label["pairs"][NAME].is_null()), "{labels}");
}

#[test]
fn watching_begins_in_one_place() {
    let watch = file("docs/operating/watch.md");
    let monitoring = file("docs/monitoring.md");
    for rules in names("deploy/prometheus", ".rules.yaml") {
        assert!(watch.contains(&rules), "watch.md doesn't name {rules}");
    }
    for dashboard in names("deploy/grafana", ".json") {
        assert!(monitoring.contains(&dashboard), "monitoring.md doesn't name {dashboard}");
    }
    for document in ["monitoring.md", "observability.md", "metrics.md", "limits.md", "runbook.md"] {
        assert!(watch.contains(&format!("](../{document}")), "watch.md doesn't lead to {document}");
    }
    for document in ["docs/monitoring.md", "docs/observability.md", "README.md", INSTALL, "docs/operating/README.md"] {
        assert!(file(document).contains("watch.md"), "{document} doesn't lead to watch.md");
    }
}

#[test]
fn the_guide_leads_to_each_of_its_chapters() {
    let guide = file("docs/operating/README.md");
    for chapter in names("docs/operating", ".md") {
        assert!(chapter == "README.md" || guide.contains(&format!("]({chapter})")), "the guide doesn't have {chapter}");
    }
}
