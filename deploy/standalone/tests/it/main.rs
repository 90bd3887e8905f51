//! Scenecast in one process, as its users meet it.

mod alerts;
mod browser;
mod compatible;

use std::net::SocketAddr;

use scenecast_shared::config::Seconds;
use scenecast_standalone::{Config, Standalone, config::Listen};

/// A standalone on any ports, whose codes are good for so long.
async fn standalone(scene_life: Seconds) -> Standalone {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen =
        Listen { site: any, gateway: any, callback: any, internal: any, simulator: any, admin: any, qr_on_open: any };
    Standalone::start(Config { listen, scene_life, ..Config::default() }).await.expect("it starts")
}
