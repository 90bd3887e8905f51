//! `scenecast-loadtest`: the other two parties of a login, as programs.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::simulator;
use scenecast_shared::process;

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, "scenecast-simulator", simulator::serve),
    }
}
