//! `scenecast-callback`: parse, build, bind, serve, shut down.

use std::{path::PathBuf, process::ExitCode};

use scenecast_callback::{Callback, Config, reload::Reload};
use scenecast_shared::{
    bus::{Bus, Role},
    process::{self, Cli},
    redis::Redis,
    serve::{CannotListen, Shutdown, serve_admin},
    store::Store,
    telemetry::{Metrics, Stages},
};

fn main() -> ExitCode {
    let cli = Cli::of_process();
    let file = cli.config.clone();
    process::run(&cli, "scenecast-callback", |config| serve(config, file))
}

async fn serve(config: Config, file: Option<PathBuf>) -> Result<(), CannotListen> {
    let metrics = Metrics::new();
    let shutdown = Shutdown::new(config.drain);
    let redis = Redis::connect(&config.bus.url, &metrics);
    let bus = Bus::over(&redis, Role::Settles, &metrics);
    let (admin, store, stages) = (config.listen.admin, Store::over(Some(redis)), Stages::new(&metrics));

    let callback = Callback::build(config.into(), bus, store, stages, &metrics, &shutdown).bind().await?;
    if let Some(file) = file {
        tokio::spawn(Reload::new(file, callback.replacing(), &metrics).run());
    }
    serve_admin(admin, &metrics, &shutdown).await?;
    tokio::join!(callback.serve(), shutdown.run_until_signal());
    Ok(())
}
