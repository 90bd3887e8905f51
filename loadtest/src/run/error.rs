//! Why a run can't begin, or its result can't be kept.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use scenecast_service::config::ConfigError;

use super::{probe::ProbeError, worker_options::WorkerOptionsError};
use crate::{
    given_cluster::WatchTargetError,
    measure::HistogramError,
    peers::{InstallError, PeerStartError},
    plan::PlanError,
    report::ReportFileError,
    results::ResultFileError,
    workers::{OfferError, RunStreamsError},
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
    WorkerOptions(#[from] WorkerOptionsError),
    /// Workers and coordinator don't fit together; nothing was measured.
    #[error("the workers can't run this together: {0}")]
    Workers(String),
    #[error("{0}")]
    Offer(#[from] OfferError),
    /// Not every worker came, or the coordinator didn't.
    #[error("{0}")]
    Absent(String),
    #[error("{0}")]
    Streams(#[from] RunStreamsError),
    /// The coordinator of this worker's run ended it before it started.
    #[error("the coordinator ended the run before it started: {0}")]
    CalledOff(String),
    #[error("what the workers measured can't be merged: {0}")]
    Merge(#[from] HistogramError),
    #[error("{0}")]
    Result(#[from] ResultFileError),
    #[error("{0}")]
    Report(#[from] ReportFileError),
    #[error("this process can't {what}: {source}")]
    Process { what: &'static str, source: io::Error },
}

impl RunError {
    /// Prints it.
    pub(super) fn say(&self) {
        // It fails if stderr is closed. Then nobody reads it.
        let _ = writeln!(io::stderr(), "error: {self}");
    }

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
            | Self::WorkerOptions(_)
            | Self::Workers(_)
            | Self::Offer(_)
            | Self::Streams(RunStreamsError::Address(_))
            | Self::Output { .. } => 2,
            Self::PeerStart(_)
            | Self::Cluster(_)
            | Self::Probe(_)
            | Self::Absent(_)
            | Self::Streams(_)
            | Self::CalledOff(_)
            | Self::Merge(_)
            | Self::Result(_)
            | Self::Report(_)
            | Self::Process { .. } => 3,
            Self::Interrupted => INTERRUPTED,
        }
    }
}
