//! `scenecast-loadtest`: the simulator of WeChat, drills, and load.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::{drills, run};
use scenecast_service::{process, signals::HeldSignals};

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
}

fn main() -> ExitCode {
    let held = HeldSignals::hold();
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, held, "scenecast-simulator", scenecast_simulator::serve),
        Program::Drill(cli) => {
            drop(held);
            drills::run(&cli)
        }
        Program::Run(cli) => {
            drop(held);
            run::run(&cli)
        }
    }
}
