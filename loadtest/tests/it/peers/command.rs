//! The command line of `scenecast-loadtest peers`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use scenecast_loadtest::peers::{Contestant, Figure, PeerComparison};

fn peers(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    command.arg("peers").args(arguments);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_cannot_be_done_as_asked_is_refused_before_anything_starts() {
    let files = tempfile::tempdir().unwrap();
    let slip = files.path().join("slip.toml");
    fs::write(&slip, "[peers]\np99_atmost = 1").unwrap();
    let slip = slip.to_str().unwrap();
    for (arguments, why) in [
        (&["--only", "nchan,pusher"][..], "pusher"),
        (&["--rate", "0"], "must be a number"),
        (&["--rounds", "0"], "0"),
        (&["--sockets", "100", "--rate", "50", "--seconds", "3"], "ask for more --sockets"),
        (&["--sockets", "4000000000", "--rate", "50"], "ulimit -Hn"),
        (&["--budgets", "/no/such/file"], "/no/such/file can't be read"),
        (&["--budgets", slip], "p99_atmost"),
    ] {
        let refused = peers(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(why), "{arguments:?}: {}", stderr(&refused));
    }
}

/// A program of this name that fails in these words.
fn failing_program(folder: &Path, name: &str, words: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\necho '{words}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn scenecast_is_measured_also_where_a_peer_cannot_be_had_and_that_is_said() {
    let files = tempfile::tempdir().unwrap();
    failing_program(files.path(), "go", "there is no network");
    let path = format!("{}:{}", files.path().display(), std::env::var("PATH").unwrap());
    let json = files.path().join("peers.json");
    let load =
        ["--sockets", "40", "--opens", "200", "--rate", "20", "--seconds", "1", "--rounds", "1", "--settle", "0.2"];
    let output = peers(&["--only", "scenecast,centrifugo", "--no-capacity"])
        .args(load)
        .arg("--cache")
        .arg(files.path().join("cache"))
        .arg("--json")
        .arg(&json)
        .env("PATH", path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("- **Centrifugo is missing**: `go mod download"), "{table}");
    assert!(table.contains("there is no network") && table.contains("Peers check no signature"), "{table}");

    let comparison: PeerComparison = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let [ours] = &comparison.contestants[..] else { panic!("{comparison:?}") };
    let [sample] = &ours.samples[..] else { panic!("{ours:?}") };
    assert_eq!((ours.contestant, sample.planned, sample.delivered), (Contestant::Scenecast, 20, 20));
    assert!(sample.p99_ms >= sample.p50_ms && sample.p50_ms > 0.0, "{sample:?}");
    assert!(comparison.is_complete && comparison.ratio_to_best_peer(Figure::P50).is_none());
    let processes: Vec<_> = sample.cpu_us_per_push_of.keys().map(String::as_str).collect();
    assert_eq!(processes, ["callback", "gateway", "redis"]);
}
