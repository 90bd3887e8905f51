//! Scenecast in one process, as its users meet it.

mod alerts;
mod browser;
mod compatible;
mod house_rules;

use std::net::SocketAddr;

use scenecast_service::config::Seconds;
use scenecast_standalone::{Standalone, StandaloneConfig, config::ListenAddresses};

/// A standalone on any ports, whose codes are good for so long.
async fn standalone(scene_life: Seconds) -> Standalone {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = ListenAddresses {
        site: any,
        gateway: any,
        callback: any,
        internal: any,
        simulator: any,
        admin: any,
        qr_on_open: any,
    };
    Standalone::start(StandaloneConfig { listen, scene_life, ..StandaloneConfig::default() }).await.expect("it starts")
}
