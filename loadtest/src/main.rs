//! `scenecast-loadtest`: the simulator of WeChat, drills, and load.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::{drills, peers, run};
use scenecast_service::process;

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
    /// Break something while people log in, and report what became of each login.
    Drill(drills::DrillCli),
    /// Log people in at a rate, and measure how long each login takes and what became of it.
    Run(Box<run::RunCli>),
    /// Measure Scenecast beside servers that people use in its place, and print a table.
    Peers(peers::PeersCli),
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, "scenecast-simulator", scenecast_simulator::serve),
        Program::Drill(cli) => drills::run(&cli),
        Program::Run(cli) => run::run(&cli),
        Program::Peers(cli) => peers::run(&cli),
    }
}
