//! Where the coordinator and its workers meet, and how the workers find the target.

use std::path::PathBuf;

use scenecast_testing::{RedisServer, detach_servers};
use tempfile::TempDir;

use super::{cli::RunCli, error::RunError, own_cluster::is_in_path, place::Place};

/// The Redis in which workers and coordinator meet.
pub(super) struct MeetingPlace {
    pub(super) url: String,
    /// If it is of the run's own.
    pub(super) server: Option<RedisServer>,
}

/// Where the workers find the target.
pub(super) struct TargetFile {
    pub(super) path: PathBuf,
    _directory: Option<TempDir>,
}

impl MeetingPlace {
    /// The given one, or a Redis of the run's own.
    pub(super) async fn open(cli: &RunCli) -> Result<Self, RunError> {
        if let Some(url) = &cli.workers.coordinator {
            return Ok(Self { url: url.clone(), server: None });
        }
        if !is_in_path("redis-server") {
            return Err(RunError::Redis);
        }
        detach_servers();
        let server = RedisServer::start().await;
        Ok(Self { url: server.url(), server: Some(server) })
    }
}

impl TargetFile {
    /// The given file, or one that describes the own cluster.
    pub(super) fn of(cli: &RunCli, place: &Place) -> Result<Self, RunError> {
        let Some(own) = &place.own else {
            return Ok(Self { path: cli.cluster.target.clone().unwrap_or_default(), _directory: None });
        };
        let failed = |source| RunError::Output { path: std::env::temp_dir(), source };
        let directory = tempfile::tempdir().map_err(failed)?;
        let path = directory.path().join("target.toml");
        std::fs::write(&path, own.target_file()).map_err(failed)?;
        Ok(Self { path, _directory: Some(directory) })
    }
}
