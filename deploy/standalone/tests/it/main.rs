//! Standalone as its users see it, what operators watch, the manifests, the documents, the guide, and the house rules.

mod browser;
mod compatible;
mod documents;
mod guide;
mod house_rules;
mod kubernetes;
mod monitoring;

use std::net::SocketAddr;

use scenecast_service::config::Seconds;
use scenecast_standalone::{Standalone, StandaloneConfig, config::ListenAddresses};

/// A standalone on free ports, whose scenes live so long.
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
