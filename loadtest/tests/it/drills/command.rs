//! The command line of `scenecast-loadtest drill`.

use std::process::{Command, Output};

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
    for drill in &scenecast_loadtest::drills::DRILLS {
        assert!(text(&list.stdout).contains(&format!("{}\n    {}\n", drill.name, drill.proves)), "{}", drill.name);
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
