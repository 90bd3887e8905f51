//! House rules (CONTRIBUTING.md) that the compiler doesn't enforce: files import each other without circles, no type name
//! exists twice, ARCHITECTURE.md draws exactly the dependencies between crates, and docs/metrics.md lists exactly the
//! metrics that the code registers.

#![expect(clippy::unwrap_used, reason = "a repository that can't be read fails its test")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, ExprCall, ExprLit, ExprMethodCall, Ident, Item, ItemUse, Lit, UseTree,
    visit::{self, Visit},
};

/// The methods of `Metrics` that register a metric under their first argument, and its type. The third argument has the
/// labels, if there are any.
const REGISTERING: [(&str, &str); 8] = [
    ("counter", "counter"),
    ("counter_vec", "counter"),
    ("gauge", "gauge"),
    ("gauge_vec", "gauge"),
    ("sampled_gauge", "gauge"),
    ("seconds_gauge_vec", "gauge"),
    ("seconds_histogram", "histogram"),
    ("traced_seconds_histogram", "histogram"),
];
/// The function that puts our prefix before the names that `Metrics` registers itself.
const PREFIXING: &str = "prefixed";

/// The path of a module inside its crate; empty for the crate's root.
type ModulePath = Vec<String>;

/// A file of a crate, without its tests.
struct SourceFile {
    path: PathBuf,
    module: ModulePath,
    items: Vec<Item>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The sources of each crate of the workspace, by the crate's directory.
fn crates() -> BTreeMap<PathBuf, Vec<SourceFile>> {
    let mut crates = BTreeMap::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        let sources = directory.join("src");
        if directory.join("Cargo.toml").exists() && sources.exists() {
            let mut files = vec![];
            read_sources(&sources, &sources, &mut files);
            assert!(!files.is_empty(), "{} has no sources", directory.display());
            crates.insert(directory.clone(), files);
        }
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !name.starts_with('.') && !["target", "src", "tests"].contains(&name.as_str()) {
                directories.push(path);
            }
        }
    }
    assert!(crates.len() >= 12, "{:?}", crates.keys());
    crates
}

fn read_sources(sources: &Path, directory: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(sources, &path, files);
            continue;
        }
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if !is_rust || stem.ends_with("tests") || stem == "main" {
            continue;
        }
        let relative = path.strip_prefix(sources).unwrap().with_extension("");
        let mut module: ModulePath = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
            module.pop();
        }
        let mut items = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap().items;
        items.retain(|item| !is_test(item));
        files.push(SourceFile { path, module, items });
    }
}

fn is_test(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// Collects the paths that a file imports, and those that it names in its code from the crate's root.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl Paths {
    fn add_use(&mut self, tree: &UseTree, prefix: &[String]) {
        let with = |name: String| [prefix, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&path.tree, &with(path.ident.to_string())),
            UseTree::Name(name) => self.0.push(with(name.ident.to_string())),
            UseTree::Rename(rename) => self.0.push(with(rename.ident.to_string())),
            UseTree::Glob(_) => self.0.push(prefix.to_vec()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(tree, prefix)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if ["crate", "super", "self"].contains(&names[0].as_str()) && names.len() > 1 {
            self.0.push(names);
        }
        visit::visit_path(self, path);
    }
}

/// The file of this crate that a path leads to, seen from a module.
fn resolve(path: &[String], from: &ModulePath, modules: &BTreeSet<&ModulePath>) -> Option<ModulePath> {
    let mut module = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            module.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        child if modules.contains(&[&from[..], &[child.to_owned()]].concat()) => {}
        _ => return None,
    }
    for name in rest {
        let child = [&module[..], std::slice::from_ref(name)].concat();
        if !modules.contains(&child) {
            break;
        }
        module = child;
    }
    Some(module)
}

fn imports(files: &[SourceFile]) -> HashMap<ModulePath, BTreeSet<ModulePath>> {
    let modules: BTreeSet<_> = files.iter().map(|file| &file.module).collect();
    let imported_by = |file: &SourceFile| {
        let mut paths = Paths::default();
        file.items.iter().for_each(|item| paths.visit_item(item));
        let targets = paths.0.iter().filter_map(|path| resolve(path, &file.module, &modules));
        targets.filter(|target| *target != file.module).collect()
    };
    files.iter().map(|file| (file.module.clone(), imported_by(file))).collect()
}

/// Everything that can be reached from this module over imports.
fn reachable(from: &ModulePath, imports: &HashMap<ModulePath, BTreeSet<ModulePath>>) -> BTreeSet<ModulePath> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = imports[from].iter().cloned().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(imports.get(&module).into_iter().flatten().cloned());
        }
    }
    reached
}

#[test]
fn files_import_each_other_without_circles() {
    for (directory, files) in crates() {
        let imports = imports(&files);
        let in_a_circle: Vec<_> =
            imports.keys().filter(|module| reachable(module, &imports).contains(*module)).collect();
        assert!(in_a_circle.is_empty(), "{}: {in_a_circle:?} import one another", directory.display());
    }
}

#[derive(Default)]
struct TypeNames(Vec<String>);

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => self.0.push(item.ident.to_string()),
            Item::Enum(item) => self.0.push(item.ident.to_string()),
            Item::Trait(item) => self.0.push(item.ident.to_string()),
            Item::Type(item) => self.0.push(item.ident.to_string()),
            Item::Union(item) => self.0.push(item.ident.to_string()),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

#[test]
fn no_type_name_exists_twice() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in crates().into_values().flatten() {
        let mut names = TypeNames::default();
        file.items.iter().for_each(|item| names.visit_item(item));
        for name in names.0 {
            places.entry(name).or_default().push(file.path.clone());
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// Collects all names in the code of a file.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, name: &'ast Ident) {
        self.0.insert(name.to_string());
    }
}

#[test]
fn a_gateway_names_nothing_by_which_it_could_write() {
    let writing = ["SceneWriter", "connect_writer", "in_memory", "Store"];
    let gateway = &crates()[&root().join("gateway")];
    for file in gateway {
        let mut names = Names::default();
        file.items.iter().for_each(|item| names.visit_item(item));
        let named: Vec<_> = writing.iter().filter(|name| names.0.contains(**name)).collect();
        assert!(named.is_empty(), "{} names {named:?}", file.path.display());
    }
}

#[test]
fn every_decision_is_named_by_the_code_that_it_explains() {
    let sources = crates().into_values().flatten().map(|file| file.path);
    let sources = sources.chain([root().join("deploy/docker/Dockerfile")]);
    let sources: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || sources.contains(&format!("docs/decisions/{name}")), "no code names {name}");
    }
}

/// The crates of this workspace on which a crate depends, without those that only its tests need. The names have no
/// `scenecast-`.
fn dependencies(directory: &Path) -> BTreeSet<String> {
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let dependencies = lines.take_while(|line| !line.starts_with('['));
    dependencies
        .filter_map(|line| Some(line.strip_prefix("scenecast-")?.split(['.', ' ']).next()?.to_owned()))
        .collect()
}

#[test]
fn architecture_md_draws_exactly_the_dependencies_between_crates() {
    let mut depended: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for directory in crates().into_keys() {
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        depended.insert(name, dependencies(&directory));
    }
    depended.retain(|_, dependencies| !dependencies.is_empty());
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let arrows = document.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" → "));
    let drawn: BTreeMap<_, BTreeSet<_>> = arrows
        .map(|(name, dependencies)| (name.trim().to_owned(), dependencies.split(", ").map(str::to_owned).collect()))
        .collect();
    assert_eq!(drawn, depended);
}

/// A metric as the code registers it, or as the document says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct MetricKind {
    kind: String,
    labels: BTreeSet<String>,
}

/// The metrics that the code registers, by name. Of those that `Metrics` registers itself only the name is known.
#[derive(Default)]
struct RegisteredMetrics(BTreeMap<String, BTreeSet<Option<MetricKind>>>);

impl RegisteredMetrics {
    fn add(&mut self, name: &str, kind: Option<MetricKind>) {
        self.0.entry(format!("scenecast_{name}")).or_default().insert(kind);
    }
}

fn literal(expression: Option<&Expr>) -> Option<String> {
    let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = expression else { return None };
    Some(text.value())
}

/// The texts of `&["…", "…"]`. `None` if the labels have a name.
fn labels(expression: Option<&Expr>) -> Option<BTreeSet<String>> {
    match expression {
        Some(Expr::Reference(reference)) => {
            let Expr::Array(array) = &*reference.expr else { return None };
            array.elems.iter().map(|element| literal(Some(element))).collect()
        }
        // The function of a sampled gauge.
        None | Some(Expr::Closure(_)) => Some(BTreeSet::new()),
        Some(_) => None,
    }
}

impl<'ast> Visit<'ast> for RegisteredMetrics {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if let Some((_, kind)) = REGISTERING.iter().find(|(method, _)| call.method == method)
            && let Some(name) = literal(call.args.first())
        {
            let labels = labels(call.args.get(2));
            self.add(&name, labels.map(|labels| MetricKind { kind: (*kind).to_owned(), labels }));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func
            && function.path.is_ident(PREFIXING)
            && let Some(name) = literal(call.args.first())
        {
            self.add(&name, None);
        }
        visit::visit_expr_call(self, call);
    }
}

/// A row of docs/metrics.md, if it is one of our metrics: its name, and what the document says of it. A label has no
/// backticks of values before it: values come after a colon.
fn documented_metric(row: &str) -> Option<(String, MetricKind)> {
    let columns: Vec<&str> = row.split(" | ").collect();
    let name = columns.first()?.strip_prefix("| `")?.strip_suffix('`')?;
    if !name.starts_with("scenecast_") {
        return None;
    }
    let of_label = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let labels = columns[2]
        .split(';')
        .flat_map(|text| of_label(text).split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    Some((name.to_owned(), MetricKind { kind: columns[1].to_owned(), labels: labels.collect() }))
}

#[test]
fn metrics_md_lists_exactly_the_registered_metrics_with_their_types_and_labels() {
    let mut registered = RegisteredMetrics::default();
    for file in crates().into_values().flatten() {
        file.items.iter().for_each(|item| registered.visit_item(item));
    }
    let document = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut documented = BTreeSet::new();
    for process in document.split("\n## ") {
        let mut of_process = BTreeSet::new();
        for (name, said) in process.lines().filter_map(documented_metric) {
            assert!(of_process.insert(name.clone()), "{name} has two rows for one process");
            for kind in registered.0.get(&name).into_iter().flatten().flatten() {
                assert_eq!(said, *kind, "docs/metrics.md (left) and the code say different things of {name}");
            }
        }
        documented.append(&mut of_process);
    }
    assert_eq!(documented, registered.0.into_keys().collect());
}
