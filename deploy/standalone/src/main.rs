//! `scenecast-standalone`, which `cargo run` starts: one command, one process, one whole login.

use std::{io::Write, process::ExitCode};

use mimalloc::MiMalloc;
use scenecast_service::{listener::ListenError, process, signals::Signals};
use scenecast_standalone::{Standalone, StandaloneConfig};

/// See docs/decisions/115-pods-use-mimalloc.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
