//! `scenecast-standalone`, which `cargo run` starts: one command, one process, one whole login.

use std::{io::Write, process::ExitCode};

use scenecast_service::{
    listener::ListenError,
    process::{self, Allocator},
    signals::Signals,
};
use scenecast_standalone::{Standalone, StandaloneConfig};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    process::main("scenecast-standalone", serve)
}

async fn serve(config: StandaloneConfig, signals: Signals) -> Result<(), ListenError> {
    let standalone = Standalone::start(config).await?;
    // A closed terminal is no reason to fail.
    let _ = writeln!(std::io::stdout(), "\n  The login page: {}\n", standalone.site);
    standalone.shutdown.run_until_signal(signals).await;
    Ok(())
}
