//! `scenecast-loadtest`: the simulator of WeChat, drills, load, and what its results say.

use std::process::ExitCode;

use clap::Parser;
use scenecast_loadtest::{compare, drills, report, run};
use scenecast_service::process;

/// The other two parties of a login, as programs.
#[derive(Debug, Parser)]
#[command(version)]
enum Program {
    /// Stand in for WeChat until SIGTERM.
    Simulator(process::Cli),
    /// Break something while people log in, and report what became of each login.
    Drill(drills::DrillCli),
    /// Write the result of a run as one HTML file.
    Report(report::ReportCli),
    /// Say what became better or worse between two runs of one plan.
    Compare(compare::CompareCli),
    /// Log people in at a rate, and measure how long each login takes and what became of it.
    Run(Box<run::RunCli>),
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Simulator(cli) => process::run(&cli, "scenecast-simulator", scenecast_simulator::serve),
        Program::Drill(cli) => drills::run(&cli),
        Program::Report(cli) => report::run(&cli),
        Program::Compare(cli) => compare::run(&cli),
        Program::Run(cli) => run::run(&cli),
    }
}
