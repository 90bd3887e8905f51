//! Who is compared: Scenecast, and servers that people use in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::targets::peers::PeerKind;

/// One of those that are compared. Its text is what `--only` takes, and what the JSON has.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Contestant {
    /// Whole logins in safe mode. All others only push.
    Scenecast,
    /// nginx with the module Nchan.
    Nchan,
    /// Node.js with ws and ioredis.
    Ws,
    /// Socket.IO with its Redis adapter and emitter.
    SocketIo,
    Centrifugo,
}

impl Contestant {
    /// How the table names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Scenecast => "Scenecast, safe mode",
            Self::Nchan => "Nchan",
            Self::Ws => "ws + ioredis",
            Self::SocketIo => "Socket.IO",
            Self::Centrifugo => "Centrifugo",
        }
    }

    /// What a reader has to know of how it is run.
    pub fn settings(self) -> BTreeMap<String, String> {
        let servers = ("processes", "one for pages, one for publishing, one Redis");
        let settings: &[(&str, &str)] = match self {
            Self::Scenecast => &[
                ("processes", "one gateway, one callback, one Redis"),
                ("accounts", "safe mode, confirmation none"),
                ("logs", "as shipped"),
                ("heartbeats", "off"),
                ("people", "10,000, in turn"),
                ("append-only file of Redis", "off"),
            ],
            Self::Nchan => &[
                servers,
                ("worker_processes", "1"),
                ("redis mode", "distributed"),
                ("message buffer", "1 message for 120 s"),
                ("access log", "off"),
            ],
            Self::Ws => &[servers, ("channels", "one SUBSCRIBE a page"), ("compression", "off")],
            Self::SocketIo => &[servers, ("adapter", "Redis, a room a page"), ("compression", "off")],
            Self::Centrifugo => &[servers, ("engine", "redis"), ("client authentication", "off"), ("log", "warn")],
        };
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// How it is spoken to; `None` for Scenecast.
    pub fn protocol(self) -> Option<PeerKind> {
        match self {
            Self::Scenecast => None,
            Self::Nchan => Some(PeerKind::Nchan),
            Self::Ws => Some(PeerKind::Ws),
            Self::SocketIo => Some(PeerKind::SocketIo),
            Self::Centrifugo => Some(PeerKind::Centrifugo),
        }
    }

    pub fn is_peer(self) -> bool {
        self != Self::Scenecast
    }
}
