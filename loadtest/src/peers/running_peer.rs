//! A peer as two servers around a Redis, as its users run it: one holds the pages, the other takes what is published.

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    contestant::Contestant,
    install::{InstalledPeer, PeerFiles},
    process_usage::{WatchedProcess, WatchedProcesses},
};

/// The server that holds the pages.
const HOLDER: &str = "pages";
/// How long a server may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long a killed process may take until it has ended.
const ENDS_WITHIN: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// How many ports are tried until free ones are found.
const PORT_TRIES: u32 = 1000;
const NCHAN_CONFIG: &str = include_str!("files/nchan.conf");
const CENTRIFUGO_CONFIG: &str = include_str!("files/centrifugo.json");

/// Why a peer doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum PeerStartError {
    #[error("{server} can't be started: {source}")]
    Spawn { server: String, source: io::Error },
    #[error("{server} ended ({status}) before it listened: {log}")]
    Ended { server: String, status: ExitStatus, log: String },
    #[error("{server} didn't listen within {} s: {log}", LISTENS_WITHIN.as_secs())]
    Silent { server: String, log: String },
}

/// A process, and what it is for.
#[derive(Debug)]
struct PeerServer {
    name: &'static str,
    process: Child,
    /// The name of the program.
    program: OsString,
    address: SocketAddr,
}

/// The servers of a peer. Dropping it ends them.
#[derive(Debug)]
pub struct RunningPeer {
    holder: PeerServer,
    publisher: PeerServer,
    redis: PeerServer,
    _files: TempDir,
}

/// How the three servers are started.
struct Launch<'a> {
    peer: &'a InstalledPeer,
    files: &'a Path,
    redis: SocketAddr,
}

impl RunningPeer {
    /// Starts the servers of this peer, around a Redis of its own. Returns when they listen.
    pub async fn start(peer: &InstalledPeer) -> Result<Self, PeerStartError> {
        let spawn_error = |source| PeerStartError::Spawn { server: peer.contestant.to_string(), source };
        let files = tempfile::tempdir().map_err(spawn_error)?;
        let [redis, holder, publisher] = free_addresses().map_err(spawn_error)?;
        let launch = Launch { peer, files: files.path(), redis };
        let redis = PeerServer::start("redis", redis, &mut redis_server(redis, files.path()), files.path()).await?;
        let holder = launch.start(HOLDER, holder).await?;
        let publisher = launch.start("publisher", publisher).await?;
        Ok(Self { holder, publisher, redis, _files: files })
    }

    /// Where pages open.
    pub fn holder(&self) -> SocketAddr {
        self.holder.address
    }

    /// Where messages are published.
    pub fn publisher(&self) -> SocketAddr {
        self.publisher.address
    }

    /// All of its processes. (nginx works in a child of its first process.)
    pub fn processes(&self) -> WatchedProcesses {
        let servers = [&self.holder, &self.publisher, &self.redis];
        let with_children = servers.into_iter().filter_map(|server| {
            let pid = server.process.id()?;
            Some(std::iter::once(pid).chain(children(pid)).map(|pid| WatchedProcess { name: server.name, pid }))
        });
        WatchedProcesses::new(with_children.flatten().collect(), HOLDER)
    }
}

impl Launch<'_> {
    async fn start(&self, name: &'static str, address: SocketAddr) -> Result<PeerServer, PeerStartError> {
        let mut command = self.command(name, address).map_err(|source| self.spawn_error(name, source))?;
        PeerServer::start(name, address, &mut command, self.files).await
    }

    fn command(&self, name: &str, address: SocketAddr) -> io::Result<Command> {
        let redis = self.redis.port().to_string();
        let own_files = self.files.join(name);
        std::fs::create_dir_all(&own_files)?;
        let fill = |template: &str| {
            template
                .replace("@ADDRESS@", &address.to_string())
                .replace("@HOST@", &address.ip().to_string())
                .replace("@PORT@", &address.port().to_string())
                .replace("@REDIS@", &redis)
                .replace("@FILES@", &own_files.display().to_string())
        };
        Ok(match &self.peer.files {
            PeerFiles::NginxModule(module) => {
                let config = own_files.join("nginx.conf");
                std::fs::write(&config, fill(NCHAN_CONFIG).replace("@MODULE@", &module.display().to_string()))?;
                let mut nginx = Command::new("nginx");
                nginx.env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin");
                nginx.args(["-e", "stderr", "-p"]).arg(&own_files).arg("-c").arg(config);
                nginx
            }
            PeerFiles::NodeFolder(folder) => {
                let script = match (self.peer.contestant, name) {
                    (Contestant::SocketIo, HOLDER) => "socket-io.js",
                    (Contestant::SocketIo, _) => "socket-io-publisher.js",
                    (_, HOLDER) => "ws.js",
                    _ => "ws-publisher.js",
                };
                let mut node = Command::new("node");
                node.env("NODE_ENV", "production").arg(folder.join(script));
                node.args([address.ip().to_string(), address.port().to_string(), redis]);
                node
            }
            PeerFiles::Binary(binary) => {
                let config = own_files.join("config.json");
                std::fs::write(&config, fill(CENTRIFUGO_CONFIG))?;
                let mut centrifugo = Command::new(binary);
                centrifugo.arg("--config").arg(config);
                centrifugo
            }
        })
    }

    fn spawn_error(&self, name: &str, source: io::Error) -> PeerStartError {
        PeerStartError::Spawn { server: format!("{} ({name})", self.peer.contestant), source }
    }
}

impl PeerServer {
    async fn start(
        name: &'static str,
        address: SocketAddr,
        command: &mut Command,
        files: &Path,
    ) -> Result<Self, PeerStartError> {
        let log = files.join(format!("{name}.log"));
        let mut spawn = || {
            let file = std::fs::File::create(&log)?;
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true).spawn()
        };
        let process = spawn().map_err(|source| PeerStartError::Spawn { server: name.to_owned(), source })?;
        let program = command.as_std().get_program().to_owned();
        let mut server = Self { name, process, program, address };
        server.until_it_serves(&log).await?;
        Ok(server)
    }

    /// Waits until it listens. The first process of nginx does so before it has a child that works.
    async fn until_it_serves(&mut self, log: &Path) -> Result<(), PeerStartError> {
        let deadline = Instant::now() + LISTENS_WITHIN;
        let last_lines = || last_lines(&std::fs::read_to_string(log).unwrap_or_default());
        let is_nginx = self.program == "nginx";
        let works = |process: &Child| !is_nginx || process.id().is_some_and(|pid| !children(pid).is_empty());
        while TcpStream::connect(self.address).await.is_err() || !works(&self.process) {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(PeerStartError::Ended { server: self.name.to_owned(), status, log: last_lines() });
            }
            if Instant::now() > deadline {
                return Err(PeerStartError::Silent { server: self.name.to_owned(), log: last_lines() });
            }
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

impl Drop for PeerServer {
    /// nginx's child would outlive nginx.
    fn drop(&mut self) {
        let Some(pid) = self.process.id() else { return };
        let pids = std::iter::once(pid).chain(children(pid));
        // Each fails if the process has ended.
        let ending: Vec<_> = pids
            .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .filter_map(|pid| {
                let ended = pidfd_open(pid, PidfdFlags::empty());
                kill_process(pid, Signal::KILL).and(ended).ok()
            })
            .collect();
        // Whoever is measured next shall have the machine, and its ports, for itself.
        for ended in &ending {
            let _ = poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&ENDS_WITHIN));
        }
    }
}

/// A Redis that keeps nothing on disk, as for a cache.
fn redis_server(address: SocketAddr, files: &Path) -> Command {
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string(), "--save", ""]);
    redis.args(["--appendonly", "no", "--dir"]).arg(files);
    redis
}

/// Three addresses that are free now. They are below the ports of outgoing connections.
fn free_addresses() -> io::Result<[SocketAddr; 3]> {
    let bind = || {
        let try_one = || TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(10_000..32_000)));
        let is_last = |bound: &io::Result<_>| !matches!(bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        (0..PORT_TRIES).map(|_| try_one()).find(is_last).unwrap_or_else(|| Err(io::ErrorKind::AddrInUse.into()))
    };
    // All are held at the same time, so no two are the same.
    let listeners = [bind()?, bind()?, bind()?];
    let [one, two, three] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([one?, two?, three?])
}

/// The process ids of a process's children.
fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The end of a log, on one line.
fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_processes_of_a_server_have_ended_when_it_is_dropped() {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", "sleep 60 & wait"]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = shell.kill_on_drop(true).spawn().unwrap();
        let pid = process.id().unwrap();
        scenecast_testing::until("the child runs", async || !children(pid).is_empty()).await;
        let child = children(pid)[0];
        drop(PeerServer { name: "pages", process, program: "sh".into(), address: ([127, 0, 0, 1], 1).into() });
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}
