//! `scenecast-loadtest`: the simulator of WeChat, drills, load, and what its results say.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scenecast_loadtest::{compare, drills, peers, report, run};
use scenecast_service::{process, signals::HeldSignals};

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
    #[command(flatten)]
    Test(TestCommand),
}

/// What tests, or says what a test has found.
#[derive(Debug, Subcommand)]
enum TestCommand {
    /// Break something while people log in, and report what became of each login.
    Drill(Box<drills::DrillCli>),
    /// Log people in at a rate, and measure how long each login takes and what became of it.
    Run(Box<run::RunCli>),
    /// Write the result of a run as one HTML file.
    Report(report::ReportCli),
    /// Say what became better or worse between two runs of one plan.
    Compare(compare::CompareCli),
    /// Measure Scenecast beside servers that people use in its place, and print a table.
    Peers(peers::PeersCli),
}

fn main() -> ExitCode {
    let held = HeldSignals::hold();
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, held, "scenecast-simulator", scenecast_simulator::serve),
        Program::Test(command) => {
            drop(held);
            command.run()
        }
    }
}

impl TestCommand {
    fn run(&self) -> ExitCode {
        match self {
            Self::Drill(cli) => drills::run(cli),
            Self::Run(cli) => run::run(cli),
            Self::Report(cli) => report::run(cli),
            Self::Compare(cli) => compare::run(cli),
            Self::Peers(cli) => peers::run(cli),
        }
    }
}
