//! `scenecast-standalone`, which `cargo run` starts: one command, one process, one whole login.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use scenecast_service::{
    listener::ListenError,
    process::{self, Allocator, Cli, CliCommand},
    signals::{HeldSignals, Signals},
};
use scenecast_standalone::{Standalone, StandaloneConfig, serve_site};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    /// The configuration file; environment variables `SCENECAST_…` go over it.
    #[arg(long, env = "SCENECAST_CONFIG", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ProgramCommand>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ProgramCommand {
    #[command(flatten)]
    Standalone(CliCommand),
    /// Serve nothing but the demo site, for gateways and callbacks that run elsewhere.
    Site {
        #[command(subcommand)]
        command: Option<CliCommand>,
    },
}

fn main() -> ExitCode {
    let held = HeldSignals::hold();
    let Program { config, command } = Program::parse();
    match command {
        Some(ProgramCommand::Site { command }) => {
            process::run(&Cli { config, command }, held, "scenecast-site", serve_site)
        }
        Some(ProgramCommand::Standalone(command)) => serve_all(&Cli { config, command: Some(command) }, held),
        None => serve_all(&Cli { config, command: None }, held),
    }
}

fn serve_all(cli: &Cli, held: HeldSignals) -> ExitCode {
    process::run(cli, held, "scenecast-standalone", serve)
}

async fn serve(config: StandaloneConfig, signals: Signals) -> Result<(), ListenError> {
    let standalone = Standalone::start(config).await?;
    // A closed terminal is no reason to fail.
    let _ = writeln!(std::io::stdout(), "\n  The login page: {}\n", standalone.site);
    standalone.shutdown.run_until_signal(signals).await;
    Ok(())
}
