//! The documents name every option.

use clap::{Args, Command};
use scenecast_loadtest::{compare::CompareCli, drills::DrillCli, peers::PeersCli, report::ReportCli, run::RunCli};

/// The options of a command, subcommands included, that this document of `docs` doesn't name.
fn missing<C: Args>(document: &str) -> Vec<String> {
    let path = format!("{}/../docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let command = C::augment_args(Command::new("command"));
    let all = std::iter::once(&command).chain(command.get_subcommands());
    let shown = all.flat_map(Command::get_arguments).filter(|option| !option.is_hide_set());
    let options = shown.filter_map(|option| option.get_long());
    let is_named = |option: &str| {
        let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
        text.match_indices(&format!("--{option}")).any(|(at, found)| ends(&text[at + found.len()..]))
    };
    options.filter(|option| *option != "help" && !is_named(option)).map(str::to_owned).collect()
}

#[test]
fn every_option_is_in_a_document() {
    let none = Vec::<String>::new();
    assert_eq!(missing::<RunCli>("load-testing.md"), none);
    assert_eq!(missing::<ReportCli>("load-testing.md"), none);
    assert_eq!(missing::<CompareCli>("load-testing.md"), none);
    assert_eq!(missing::<PeersCli>("benchmarks.md"), none);
    assert_eq!(missing::<DrillCli>("drills.md"), none);
}
