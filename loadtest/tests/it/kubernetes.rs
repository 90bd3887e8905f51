//! The manifest of a load test in Kubernetes, read as a file.

use std::collections::BTreeMap;

use clap::Parser;
use scenecast_loadtest::{given_cluster::WatchTarget, run::RunCli};
use scenecast_service::config;
use serde_json::Value;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s/loadtest/load-test.yaml");

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Run(Box<RunCli>),
}

/// All objects of the manifest, by kind and name.
fn objects() -> BTreeMap<String, Value> {
    let manifest = std::fs::read_to_string(MANIFEST).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&manifest).unwrap();
    let name = |object: &Value| format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
    objects.into_iter().map(|object| (name(&object), object)).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The container of a job, which is its first one.
fn container(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]["containers"][0]
}

/// The arguments of a job's container.
fn arguments(job: &Value) -> Vec<String> {
    container(job)["args"].as_array().unwrap().iter().map(|argument| text(argument).to_owned()).collect()
}

#[test]
fn the_jobs_of_a_load_test_run_once_and_fit_together() {
    let objects = objects();
    let jobs = ["coordinator", "workers"].map(|name| &objects[&format!("Job/scenecast-loadtest-{name}")]);
    for job in jobs {
        // A job that is started again would be a second run, or a worker that comes twice.
        assert_eq!(job["spec"]["backoffLimit"], 0);
        assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never");
    }
    let [coordinator, workers] = jobs;
    let spec = &workers["spec"];
    assert_eq!((text(&spec["completionMode"]), &spec["completions"]), ("Indexed", &spec["parallelism"]));
    assert!(arguments(coordinator).contains(&format!("--await-workers={}", spec["completions"])));
    // Both meet in the same Redis, under the same name.
    assert_eq!(container(coordinator)["env"], container(workers)["env"]);
    assert_eq!(text(&container(workers)["env"][0]["value"]), "redis://scenecast-loadtest-redis:6379");

    // Nothing connects to a worker.
    let services = objects.values().filter(|object| object["kind"] == "Service");
    let selected: Vec<_> =
        services.map(|service| text(&service["spec"]["selector"]["app.kubernetes.io/component"])).collect();
    assert_eq!(selected, ["redis", "coordinator"]);
    assert!(container(workers)["ports"].is_null());
}

#[test]
fn the_arguments_and_the_target_of_the_jobs_are_understood() {
    let objects = objects();
    for (name, from_environment) in [("coordinator", &[][..]), ("workers", &["--worker-index=3"])] {
        let job = &objects[&format!("Job/scenecast-loadtest-{name}")];
        let environment = ["--coordinator=redis://r:6379", "--run-name=run-1"].iter().chain(from_environment);
        let all = ["scenecast-loadtest".to_owned()].into_iter().chain(arguments(job));
        let parsed = Arguments::try_parse_from(all.chain(environment.map(|argument| (*argument).to_owned())));
        assert!(parsed.is_ok_and(|arguments| matches!(arguments.command, Command::Run(_))), "{name}");
    }
    let files = tempfile::tempdir().unwrap();
    let target = files.path().join("target.toml");
    std::fs::write(&target, text(&objects["Secret/scenecast-loadtest"]["stringData"]["target.toml"])).unwrap();
    config::load::<WatchTarget>(Some(&target), []).unwrap();
}
