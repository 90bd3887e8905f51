//! The arguments by which a run is aimed at a peer.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use crate::peers::Contestant;

#[derive(Debug, Args)]
pub(super) struct PeerOptions {
    /// Aim at a server that people use in Scenecast's place: install it into a folder, and start it with a Redis of its own
    #[arg(
        long,
        value_parser = peer,
        value_name = "nchan|ws|socket-io|centrifugo",
        conflicts_with_all = ["target", "gateways", "callbacks", "redis", "log", "people", "confirmation", "think", "transports", "faults"]
    )]
    pub(super) peer: Option<Contestant>,
    /// Where the peer runs already: the address at which pages open, and the one that takes what is published
    #[arg(long, value_name = "PAGES,PUBLISHER", requires = "peer")]
    pub(super) peer_at: Option<PeerAddresses>,
    /// The folder into which the peer is installed; `peers` in Cargo's target directory by default
    #[arg(long, value_name = "DIRECTORY", requires = "peer", conflicts_with = "peer_at")]
    pub(super) cache: Option<PathBuf>,
}

fn peer(text: &str) -> Result<Contestant, String> {
    let peer = Contestant::from_str(text, false).ok().filter(|peer| peer.is_peer());
    peer.ok_or_else(|| "peers are nchan, ws, socket-io, centrifugo".to_owned())
}

/// Where a peer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerAddresses {
    /// Where pages open.
    pub(super) pages: SocketAddr,
    /// Where messages are published.
    pub(super) publisher: SocketAddr,
}

impl FromStr for PeerAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let addresses = || {
            let (pages, publisher) = text.split_once(',')?;
            Some(Self { pages: pages.trim().parse().ok()?, publisher: publisher.trim().parse().ok()? })
        };
        addresses().ok_or_else(|| "has to be two addresses, such as 127.0.0.1:8080,127.0.0.1:8081".to_owned())
    }
}
