//! `scenecast-gateway`: connect to Redis, listen, serve, drain.

use std::process::ExitCode;

use scenecast_gateway::{Gateway, GatewayConfig};
use scenecast_metrics::{Metrics, Stages};
use scenecast_service::{
    listener::{ListenError, serve_admin},
    process::{self, Allocator},
    shutdown::Shutdown,
    signals::Signals,
};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    process::main("scenecast-gateway", serve)
}

async fn serve(config: GatewayConfig, signals: Signals) -> Result<(), ListenError> {
    let metrics = Metrics::new();
    let shutdown = Shutdown::new(config.drain.into());
    let (scenes, census) = config.bus.connect_reader(&metrics);

    let gateway = Gateway::bind(&config, scenes, census, Stages::new(&metrics), &metrics, &shutdown).await?;
    serve_admin(config.listen.admin, &metrics, &shutdown).await?;
    // The shutdown knows when the last page has left; the gateway would wait for pages that might still come.
    tokio::spawn(gateway.serve());
    shutdown.run_until_signal(signals).await;
    Ok(())
}
