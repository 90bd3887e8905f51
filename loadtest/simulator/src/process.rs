//! The simulator as a process: it binds its listeners, serves, and shuts down.

use std::time::Duration;

use scenecast_metrics::Metrics;
use scenecast_service::{
    listener::{ListenError, Listener, ListenerLimits, serve_admin},
    shutdown::Shutdown,
    signals::Signals,
};

use crate::{config::SimulatorConfig, simulator::Simulator};

/// Enough for the callbacks of a load test and for some phones.
const LIMITS: ListenerLimits = ListenerLimits { connections: 10_000, idle: Duration::from_secs(30) };

/// Serves until SIGTERM.
pub async fn serve(config: SimulatorConfig, signals: Signals) -> Result<(), ListenError> {
    let shutdown = Shutdown::new(config.drain);
    let simulator = Simulator::new(config.public_url, config.accounts);

    let public = Listener::bind("callbacks and phones", config.listen.public, LIMITS).await?;
    serve_admin(config.listen.admin, &Metrics::new(), &shutdown).await?;
    tokio::join!(public.serve(simulator.router(), shutdown.clone()), shutdown.run_until_signal(signals));
    Ok(())
}
