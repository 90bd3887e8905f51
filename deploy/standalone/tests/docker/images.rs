//! What is in the images, and what they say of themselves.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::docker::{Container, IMAGES, docker, docker_ok, image, inspect, root};

/// The most that an image of the profile `quick` takes, in bytes: 40 MB of libraries and certificates, and the binary.
const MOST_BYTES: u64 = 100_000_000;

#[tokio::test]
async fn an_image_has_a_numeric_user_and_starts_its_binary_as_process_1() {
    for name in IMAGES {
        let about = inspect(&image(name)).await;
        let config = &about["Config"];
        assert_eq!(config["User"], "65532:65532", "{name}");
        assert_eq!(
            config["Entrypoint"],
            json!([format!("/usr/local/bin/scenecast-{name}")]),
            "{name}: no shell between"
        );
        assert!(about["Size"].as_u64().unwrap() < MOST_BYTES, "{name}: {}", about["Size"]);
    }
}

#[tokio::test]
async fn labels_say_version_and_revision_and_not_when() {
    let revision = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output().await.unwrap();
    let revision = String::from_utf8(revision.stdout).unwrap();
    for name in IMAGES {
        let about = inspect(&image(name)).await;
        let labels: BTreeMap<String, String> = serde_json::from_value(about["Config"]["Labels"].clone()).unwrap();
        let label = |name: &str| labels[&format!("org.opencontainers.image.{name}")].as_str();
        assert_eq!(label("title"), format!("scenecast-{name}"));
        assert_eq!((label("version"), label("licenses")), (env!("CARGO_PKG_VERSION"), "Apache-2.0"));
        assert_eq!(label("revision"), revision.trim(), "the images are of another commit: run make test-docker");
        assert!(labels.keys().all(|label| !label.ends_with("created")), "{labels:?}");
    }
}

#[tokio::test]
async fn an_image_has_no_shell_and_nothing_else_to_run() {
    for name in IMAGES {
        for shell in ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"] {
            let run = docker(&["run", "--rm", "--entrypoint", shell, &image(name)]).await;
            assert_eq!(run.status.code(), Some(127), "{name}: {shell}");
        }
        let container = Container(docker_ok(&["create", &image(name)]).await);
        let files = Command::new("sh")
            .args(["-c", r#"docker export "$0" | tar --list --verbose"#, &container.0])
            .output()
            .await
            .unwrap();
        let files = String::from_utf8(files.stdout).unwrap();
        let programs: Vec<_> =
            files.lines().filter(|file| file.contains("/bin/") && file.starts_with("-rwx")).collect();
        assert!(
            matches!(&*programs, [one] if one.ends_with(&format!("usr/local/bin/scenecast-{name}"))),
            "{programs:?}"
        );
        assert!(files.contains("usr/share/doc/scenecast/LICENSE"), "{name}");
    }
}

#[test]
fn images_are_built_with_the_toolchain_of_the_repository() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let dockerfile = fs::read_to_string(root().join("deploy/docker/Dockerfile")).unwrap();
    assert!(
        dockerfile.contains(&format!("ARG RUST_IMAGE=rust:{channel}-bookworm\n")),
        "rust-toolchain.toml: {channel}"
    );
    assert!(!dockerfile.starts_with("# syntax="), "it would pull a frontend");
    let compose = fs::read_to_string(root().join("deploy/docker/compose.yaml")).unwrap();
    let images = compose.lines().filter(|line| line.contains("image: scenecast-"));
    for line in images {
        assert!(line.ends_with(&format!(":${{VERSION:-{}}}", env!("CARGO_PKG_VERSION"))), "{line}");
    }
}

/// The layers of an image, from the lowest.
async fn layers(name: &str) -> serde_json::Value {
    inspect(&image(name)).await["RootFS"]["Layers"].clone()
}

/// `--no-cache` would empty what builds share, and there is no network. A file that nobody reads makes it build, too.
#[tokio::test]
async fn a_second_build_makes_the_same_layers() {
    let sources = TempDir::new().unwrap();
    let copy = "tar -C \"$1\" --exclude=./target --exclude=./.git -c . | tar -C \"$2\" -x && touch \"$2/shared/new\"";
    let copied = Command::new("sh").args(["-c", copy, "sh"]).arg(root()).arg(sources.path()).status().await.unwrap();
    assert!(copied.success());
    let dockerfile = sources.path().join("deploy/docker/Dockerfile");
    let version = concat!("VERSION=", env!("CARGO_PKG_VERSION"));
    let mut build = vec!["build", "--quiet", "--network=none", "--build-arg=PROFILE=quick", "--build-arg", version];
    build.extend(["--target=gateway", "--file", dockerfile.to_str().unwrap(), sources.path().to_str().unwrap()]);
    let again = docker_ok(&build).await;
    assert_eq!(inspect(&again).await["RootFS"]["Layers"], layers("gateway").await);
}
