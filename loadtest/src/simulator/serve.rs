//! The simulator as a process: bind, serve, shut down.

use std::time::Duration;

use scenecast_shared::{
    serve::{CannotListen, Limits, Listener, Shutdown, serve_admin},
    telemetry::Metrics,
};

use super::{Simulator, SimulatorConfig};

/// Enough for a load test's callbacks and a room full of phones.
const LIMITS: Limits = Limits { connections: 10_000, idle: Duration::from_secs(30) };

/// Serves until SIGTERM.
pub async fn serve(config: SimulatorConfig) -> Result<(), CannotListen> {
    let shutdown = Shutdown::new(config.drain);
    let simulator = Simulator::new(config.public_url, config.accounts);

    let public = Listener::bind("callbacks and phones", config.listen.public, LIMITS).await?;
    serve_admin(config.listen.admin, &Metrics::new(), &shutdown).await?;
    tokio::join!(public.serve(simulator.router(), shutdown.clone()), shutdown.run_until_signal());
    Ok(())
}
