//! What documents promise a reader: each link leads somewhere, and each setting, variable and metric that they name
//! exists.

#![expect(clippy::unwrap_used, reason = "a repository that can't be read fails its test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The files that show all settings: of gateway and callback, and of the load tester.
const SAMPLES: [&str; 4] =
    ["gateway/gateway.toml", "callback/callback.toml", "loadtest/simulator/simulator.toml", "loadtest/target.toml"];
/// Tables whose tables have names of the operator's choice.
const NAMED: [&str; 3] = ["accounts", "api_keys", "mini_programs"];
/// A variable that is no setting: it names the file with the settings.
const CONFIG_FILE: &str = "SCENECAST_CONFIG";
/// A cookie, whose name looks like a metric's.
const COOKIE: &str = "scenecast_grant";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All documents of the repository, by their paths.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut documents = BTreeMap::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(documents.len() > 50, "{:?}", documents.keys());
    documents
}

/// The documents that say what is true now. The changelog also says what was, and decisions what was decided then.
fn current_documents() -> BTreeMap<PathBuf, String> {
    let mut documents = documents();
    documents.retain(|path, _| !path.ends_with("CHANGELOG.md") && !path.starts_with(root().join("docs/decisions")));
    documents
}

/// The document's text without code.
fn without_code(document: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with("    ") {
            text.extend(line.split('`').step_by(2));
            text.push('\n');
        }
    }
    text
}

/// What is between backticks in the document's text.
fn code_spans(document: &str) -> Vec<&str> {
    let lines = document.lines().filter(|line| !line.trim_start().starts_with("```"));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut is_code = false;
    for line in document.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading == line || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let repeated = (1..).map(|count| format!("{anchor}-{count}"));
        let mut names = std::iter::once(anchor.clone()).chain(repeated);
        anchors.insert(names.find(|name| !anchors.contains(name)).unwrap());
    }
    anchors
}

/// The targets of links that stay inside the repository.
fn links(document: &str) -> Vec<String> {
    let text = without_code(document).replace('\n', " ");
    let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().trim().to_owned());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    let anchors: BTreeMap<_, _> = documents.iter().map(|(path, document)| (path.clone(), anchors(document))).collect();
    let mut broken = vec![];
    for (path, document) in &documents {
        for link in links(document) {
            let (file, anchor) = link.split_once('#').map_or((&link[..], None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { Ok(path.clone()) } else { path.with_file_name(file).canonicalize() };
            let leads = target.is_ok_and(|target| match anchor {
                // An anchor of a file that is no document names a line.
                Some(anchor) => anchors.get(&target).is_none_or(|anchors| anchors.contains(anchor)),
                None => true,
            });
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// A setting's path without names of the operator's choice: `accounts.*.token` for `accounts.demo.token`.
fn general(path: &str) -> String {
    let mut parts: Vec<_> = path.split('.').collect();
    if parts.len() > 1 && NAMED.contains(&parts[0]) {
        parts[1] = "*";
    }
    parts.join(".")
}

/// The path of the setting that a variable sets: `bus.url` for `SCENECAST_BUS__URL`.
fn path_of(variable: &str) -> String {
    general(&variable["SCENECAST_".len()..].to_lowercase().replace("__", "."))
}

/// Our variables that a text names. `…__` and the like stand for several.
fn variables(text: &str) -> Vec<&str> {
    let starts = text.match_indices("SCENECAST_").map(|(start, _)| &text[start..]);
    let ended = starts.map(|text| {
        let end = text.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
        &text[..end.unwrap_or(text.len())]
    });
    ended.filter(|name| !name.ends_with('_') && *name != CONFIG_FILE).collect()
}

/// The paths of all settings and tables that the sample files name, also in comments.
fn settings() -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    for sample in SAMPLES {
        let sample = fs::read_to_string(root().join(sample)).unwrap();
        let mut table = String::new();
        for line in sample.lines().map(|line| line.trim_start_matches("# ")) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| Some(rest.split_once(']')?.0)) {
                name.clone_into(&mut table);
                settings.insert(general(name));
            } else if let Some((name, _)) = line.split_once(" = ")
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                settings.insert(general(&format!("{table}.{name}")).trim_start_matches('.').to_owned());
            }
        }
        settings.extend(variables(&sample).into_iter().map(path_of));
    }
    let rotating: Vec<_> =
        settings.iter().filter_map(|path| path.strip_suffix(".current")).map(str::to_owned).collect();
    for path in rotating {
        settings.insert(format!("{path}.previous"));
        settings.insert(path);
    }
    settings
}

/// A name in a document that looks like a setting: its first part is one of our tables. `<name>` stands for a name of the
/// operator's choice.
fn named_setting(span: &str) -> Option<String> {
    let name = span.split([' ', '=']).next()?.trim_start_matches('[').trim_end_matches(']').replace("<name>", "name");
    let tables =
        ["accounts", "api_keys", "bus", "compatible", "drain", "limits", "listen", "mini_programs", "outbound"];
    let table = name.split('.').next()?;
    let is_name = name.contains('.') && !name.contains(['/', '<', '(', '*', '"', '{', ':']);
    (is_name && [&tables[..], &["telemetry", "wechat"]].concat().contains(&table)).then_some(name)
}

#[test]
fn settings_and_variables_that_documents_name_exist() {
    let settings = settings();
    assert!(settings.contains("limits.connections") && settings.contains("key_secret.previous"), "{settings:?}");
    let mut unknown = vec![];
    for (path, document) in current_documents() {
        let named = code_spans(&document).into_iter().filter_map(named_setting);
        let all = named.map(|name| general(&name)).chain(variables(&document).into_iter().map(path_of));
        unknown.extend(all.filter(|name| !settings.contains(name)).map(|name| format!("{}: {name}", path.display())));
    }
    assert!(unknown.is_empty(), "no sample file has these settings: {unknown:#?}");
}

/// Names in a text that look like those of our metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("scenecast_").map(|(start, _)| &text[start..]);
    let ended = starts.map(|text| {
        let end = text.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
        &text[..end.unwrap_or(text.len())]
    });
    ended.filter(|name| *name != COOKIE).collect()
}

/// The names of our crates as log lines have them: `scenecast_redis`.
fn crate_names() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let names = manifest.lines().filter_map(|line| line.strip_prefix("scenecast-")?.split(' ').next());
    names.map(|name| format!("scenecast_{}", name.replace('-', "_"))).collect()
}

#[test]
fn metrics_that_documents_name_exist() {
    let reference = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let known = metrics(&reference);
    let crates = crate_names();
    let mut unknown = vec![];
    for (path, document) in current_documents() {
        for name in metrics(&document) {
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let exists = known.contains(name) || plain.is_some_and(|plain| known.contains(plain));
            if !exists && !crates.contains(name) {
                unknown.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "docs/metrics.md lists none of these: {unknown:#?}");
}
