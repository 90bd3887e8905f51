//! Finds peers on this machine, or installs them into a folder of its own, once. Nothing is installed into the system.
//!
//! | module | what it is for |
//! |---|---|
//! | `command` | runs a package manager; why a peer could not be had |
//! | `nchan` | Debian's module for nginx |
//! | `node` | packages of npm, by a lock file |
//! | `centrifugo` | built from its Go module, whose checksum is pinned |
//!
//! See docs/decisions/095-peers-are-installed-into-a-folder-and-pinned.md.

mod centrifugo;
mod command;
mod nchan;
mod node;

use std::path::{Path, PathBuf};

pub use command::InstallError;

use super::contestant::Contestant;

/// A peer that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPeer {
    pub contestant: Contestant,
    /// Its version and that of what it stands on, for people.
    pub version: String,
    pub files: PeerFiles,
}

/// What is needed to start a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerFiles {
    /// The module that nginx loads.
    NginxModule(PathBuf),
    /// The folder with `node_modules`.
    NodeFolder(PathBuf),
    Binary(PathBuf),
}

/// Finds this peer, or installs it into `cache`. `None` for Scenecast, whose binaries are beside this one.
pub async fn install(contestant: Contestant, cache: &Path) -> Result<Option<InstalledPeer>, InstallError> {
    let installed = |(version, files)| Some(InstalledPeer { contestant, version, files });
    Ok(match contestant {
        Contestant::Scenecast => None,
        Contestant::Nchan => installed(nchan::install(&folder(cache, "nchan")?).await?),
        Contestant::Ws => installed(node::install(&folder(cache, "node")?, &["ws", "ioredis"]).await?),
        Contestant::SocketIo => {
            let packages = ["socket.io", "@socket.io/redis-adapter", "@socket.io/redis-emitter", "ioredis"];
            installed(node::install(&folder(cache, "node")?, &packages).await?)
        }
        Contestant::Centrifugo => installed(centrifugo::install(&folder(cache, "centrifugo")?).await?),
    })
}

fn folder(cache: &Path, name: &str) -> Result<PathBuf, InstallError> {
    let folder = cache.join(name);
    std::fs::create_dir_all(&folder).map_err(|source| InstallError::File { path: folder.clone(), source })?;
    // Package managers run in folders of their own, so that a relative path would mean another place.
    folder.canonicalize().map_err(|source| InstallError::File { path: folder, source })
}
