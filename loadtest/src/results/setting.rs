//! Who measured what on which machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The program that measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolInfo {
    /// `scenecast-loadtest`.
    pub name: String,
    /// Its version, such as `0.2.0`.
    pub version: String,
    /// `release`, or `debug`, whose times mean little.
    pub build: String,
    /// The arguments with which it was started, without the program's name.
    pub arguments: Vec<String>,
}

impl ToolInfo {
    /// This program, with the arguments of this process.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            arguments: std::env::args().skip(1).map(|argument| without_password(&argument)).collect(),
        }
    }
}

/// The argument, if it is a URL without its user and password.
fn without_password(argument: &str) -> String {
    match argument.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://***@{}", rest.rsplit('@').next().unwrap_or_default())
        }
        _ => argument.to_owned(),
    }
}

/// The machine on which the generator ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostInfo {
    pub name: String,
    /// Such as `Linux 6.1.0`.
    pub system: String,
    /// The processor's name, as the system tells it.
    pub cpu_model: String,
    /// How many processors the generator may use.
    pub cpus: u32,
    pub memory_bytes: u64,
}

/// What was under test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetInfo {
    /// `scenecast`, or the name of a peer, such as `nchan`.
    pub kind: String,
    /// Its version, if known; empty otherwise.
    pub version: String,
    /// One line for people, such as `2 gateways, 2 callbacks, Redis Cluster`.
    pub summary: String,
    /// How many processes there are of each role, such as `gateway: 2`.
    pub topology: BTreeMap<String, u32>,
    /// Settings that matter, by name. Never a secret.
    pub settings: BTreeMap<String, String>,
    /// What a reader has to know for a fair comparison, one sentence each; such as that a peer checks no signature.
    pub notes: Vec<String>,
}
