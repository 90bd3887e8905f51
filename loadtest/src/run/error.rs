//! Why a run can't begin, or its result can't be kept.

use std::{io, path::PathBuf};

use scenecast_service::config::ConfigError;

use super::probe::ProbeError;
use crate::{
    given_cluster::WatchTargetError,
    peers::{InstallError, PeerStartError},
    plan::PlanError,
    report::ReportFileError,
    results::ResultFileError,
};

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Why a run can't begin, or its result can't be kept. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("{0}")]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Target(#[from] WatchTargetError),
    /// Something would run out.
    #[error("the run would fail in its middle: {0} (--force runs it all the same)")]
    Shortage(String),
    #[error("{path} is missing; build it: cargo build --release --workspace")]
    Binary { path: PathBuf },
    #[error("redis-server can't be started; install it, or aim at a cluster with --target")]
    Redis,
    #[error("Scenecast is no peer; leave --peer out")]
    NoPeer,
    #[error("the peer can't be had: {0}")]
    Install(#[from] InstallError),
    #[error("the peer doesn't run: {0}")]
    PeerStart(#[from] PeerStartError),
    #[error("the cluster can't be started: {0}")]
    Cluster(String),
    #[error("{path} can't be written: {source}")]
    Output { path: PathBuf, source: io::Error },
    #[error("the run would come to nothing: {0}")]
    Probe(#[from] ProbeError),
    #[error("interrupted twice")]
    Interrupted,
    #[error("{0}")]
    Result(#[from] ResultFileError),
    #[error("{0}")]
    Report(#[from] ReportFileError),
    #[error("this process can't {what}: {source}")]
    Process { what: &'static str, source: io::Error },
}

impl RunError {
    /// The exit code: 130 after a second Ctrl-C, 2 where the arguments or the machine have to change, 3 where the run didn't come to its end.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_)
            | Self::Config(_)
            | Self::Target(_)
            | Self::Shortage(_)
            | Self::Binary { .. }
            | Self::Redis
            | Self::NoPeer
            | Self::Install(_)
            | Self::Output { .. } => 2,
            Self::PeerStart(_)
            | Self::Cluster(_)
            | Self::Probe(_)
            | Self::Result(_)
            | Self::Report(_)
            | Self::Process { .. } => 3,
            Self::Interrupted => INTERRUPTED,
        }
    }
}
