//! `scenecast-loadtest`: the simulator of WeChat, and drills.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::{drills, peers};
use scenecast_service::process;

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
    /// Break something while people log in, and report what became of each login.
    Drill(drills::DrillCli),
    /// Measure Scenecast beside servers that people use in its place, and print a table.
    Peers(peers::PeersCli),
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, "scenecast-simulator", scenecast_simulator::serve),
        Program::Drill(cli) => drills::run(&cli),
        Program::Peers(cli) => peers::run(&cli),
    }
}
