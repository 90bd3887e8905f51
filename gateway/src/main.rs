//! `scenecast-gateway`: parse, build, bind, serve, shut down.

use std::process::ExitCode;

use scenecast_gateway::{Config, Gateway};
use scenecast_shared::{
    bus::{Bus, Role},
    process,
    redis::Redis,
    serve::{CannotListen, Shutdown, serve_admin},
    store::{Census, Store},
    telemetry::{Metrics, Stages},
};

fn main() -> ExitCode {
    process::main("scenecast-gateway", serve)
}

async fn serve(config: Config) -> Result<(), CannotListen> {
    let metrics = Metrics::new();
    let shutdown = Shutdown::new(config.drain.into());
    let redis = Redis::connect(&config.bus.url, &metrics);
    let bus = Bus::over(&redis, Role::Watches, &metrics);

    let admin = config.listen.admin;
    let census = Census::new(Store::over(Some(redis)));
    let gateway = Gateway::build(config.into(), bus, census, Stages::new(&metrics), &metrics, &shutdown).bind().await?;
    serve_admin(admin, &metrics, &shutdown).await?;
    tokio::join!(gateway.serve(), shutdown.run_until_signal());
    Ok(())
}
