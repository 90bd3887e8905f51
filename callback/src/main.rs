//! `scenecast-callback`: parse, build, bind, serve, shut down.

use std::process::ExitCode;

use scenecast_callback::{Callback, Config};
use scenecast_shared::{
    bus::{Bus, Role},
    process,
    redis::Redis,
    serve::{CannotListen, Shutdown, serve_admin},
    store::Store,
    telemetry::{Metrics, Stages},
};

fn main() -> ExitCode {
    process::main("scenecast-callback", serve)
}

async fn serve(config: Config) -> Result<(), CannotListen> {
    let metrics = Metrics::new();
    let shutdown = Shutdown::new(config.drain);
    let redis = Redis::connect(&config.bus.url, &metrics);
    let bus = Bus::over(&redis, Role::Settles, &metrics);
    let (admin, store, stages) = (config.listen.admin, Store::over(Some(redis)), Stages::new(&metrics));

    let callback = Callback::build(config.into(), bus, store, stages, &metrics, &shutdown).bind().await?;
    serve_admin(admin, &metrics, &shutdown).await?;
    tokio::join!(callback.serve(), shutdown.run_until_signal());
    Ok(())
}
