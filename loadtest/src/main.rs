//! `scenecast-loadtest`: the other two parties of a login, as programs.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::{drill, simulator};
use scenecast_shared::process;

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
    /// Break something while people log in, and say what became of each login.
    Drill(drill::Cli),
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, "scenecast-simulator", simulator::serve),
        Program::Drill(cli) => drill::run(&cli),
    }
}
