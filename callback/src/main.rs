//! `scenecast-callback`: parse, build, bind, serve, shut down.

use std::{path::PathBuf, process::ExitCode};

use scenecast_callback::{CallbackConfig, CallbackServer, ConfigReloader};
use scenecast_metrics::{Metrics, Stages};
use scenecast_service::{
    listener::{ListenError, serve_admin},
    process::{self, Allocator, Cli},
    shutdown::Shutdown,
    signals::{HeldSignals, Signals},
};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let held = HeldSignals::hold();
    let cli = Cli::from_process();
    let file = cli.config.clone();
    process::run(&cli, held, "scenecast-callback", |config, signals| serve(config, file, signals))
}

async fn serve(config: CallbackConfig, file: Option<PathBuf>, mut signals: Signals) -> Result<(), ListenError> {
    let metrics = Metrics::new();
    let shutdown = Shutdown::new(config.drain);
    let (scenes, store) = config.bus.connect_writer(&metrics);
    let stages = Stages::new(&metrics);

    let callback = CallbackServer::build(&config, scenes, store, stages, &metrics, &shutdown).bind().await?;
    if let Some((file, hangup)) = file.zip(signals.take_hangup()) {
        tokio::spawn(ConfigReloader::new(file, hangup, callback.account_replacer(), &metrics).run());
    }
    serve_admin(config.listen.admin, &metrics, &shutdown).await?;
    tokio::join!(callback.serve(), shutdown.run_until_signal(signals));
    Ok(())
}
