//! The command line of `scenecast-loadtest drill`.

use std::process::{Command, Output};

use scenecast_loadtest::drills::{DRILLS, KUBERNETES_DRILLS};

fn drill(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest")).arg("drill").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_list_says_what_each_drill_proves() {
    let list = drill(&["list"]);
    assert!(list.status.success());
    let drills = DRILLS.iter().map(|drill| (drill.name, drill.proves));
    let (here, in_kubernetes) = text(&list.stdout).split_once("With --cluster k8s").unwrap();
    for (list, (name, proves)) in drills
        .map(|drill| (here, drill))
        .chain(KUBERNETES_DRILLS.iter().map(|drill| (in_kubernetes, (drill.name, drill.proves))))
    {
        assert!(list.contains(&format!("{name}\n    {proves}\n")), "{name}");
    }
}

#[test]
fn a_drill_is_of_one_kind_of_cluster_and_says_what_it_needs() {
    const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");
    for (arguments, reason) in [
        (&["rollout"][..], "rollout is a drill of another --cluster"),
        (&["gateway-killed", "--cluster", "k8s", "--target", TARGET], "gateway-killed is a drill of another --cluster"),
        (&["overlay", "--cluster", "k8s", "--target", TARGET], "the drill overlay needs --overlay"),
        (
            &["node-loss", "--cluster", "k8s", "--target", TARGET],
            "the drill node-loss needs --lose-node and --return-node",
        ),
        (&["rollout", "--cluster", "k8s", "--target", "no-such-file"], "no-such-file"),
        (&["rollout", "--cluster", "k8s"], "--target <FILE>"),
        (&["node-loss", "--lose-node", "true"], "--return-node <COMMAND>"),
    ] {
        let refused = drill(arguments);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(reason), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[test]
fn bad_arguments_are_refused() {
    for arguments in [&["no-such-drill"][..], &[], &["redis-restart", "--rate", "0"]] {
        let refused = drill(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(text(&refused.stderr).starts_with("error: "), "{}", text(&refused.stderr));
    }
}
