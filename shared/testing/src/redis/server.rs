//! A real Redis server for one test, which can stop, freeze, empty and restart it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    redis::{
        launch::{Ports, ServerKind, ServerSettings, TlsUse, launch},
        peer_proxies::PeerProxies,
        users::{ADMIN, REPLICATION, acl_file},
    },
    tls::CertificateAuthority,
    until,
};

/// A `redis-server` on 127.0.0.1, with its files in a temporary directory. Dropping it kills the server and deletes the
/// files. It writes every change to its append-only file before it answers, so its data survives [`RedisServer::stop`].
#[derive(Debug)]
pub struct RedisServer {
    ports: Ports,
    files: TempDir,
    settings: ServerSettings,
    process: Child,
    paused: AtomicBool,
    /// In front of its address for peers, if that isn't 127.0.0.1.
    peer_proxies: Option<PeerProxies>,
}

impl RedisServer {
    /// Starts a server on a free port, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_as(ServerSettings::default(), None).await
    }

    /// Starts a server that accepts only TLS, with a certificate of this authority.
    pub async fn start_with_tls(authority: &CertificateAuthority) -> Self {
        Self::start_as(ServerSettings { tls: TlsUse::Everywhere, ..ServerSettings::default() }, Some(authority)).await
    }

    /// Starts a server that doesn't know these commands, as an old one or a proxy doesn't.
    pub async fn start_without(commands: &[&str]) -> Self {
        let rename = |command: &&str| ["--rename-command".to_owned(), (*command).to_owned(), String::new()];
        let arguments = commands.iter().flat_map(rename).collect();
        Self::start_as(ServerSettings { arguments, ..ServerSettings::default() }, None).await
    }

    /// Starts a replica of this primary, and waits until it is in sync.
    pub async fn start_replica_of(primary: &Self) -> Self {
        Self::start_replica_at(None, primary).await
    }

    /// As [`RedisServer::start_replica_of`], but Sentinels don't learn of the replica, and never promote it.
    pub async fn start_unannounced_replica_of(primary: &Self) -> Self {
        Self::start_replica_with(["--replica-announced", "no"].map(str::to_owned).to_vec(), None, primary).await
    }

    /// As [`RedisServer::start_replica_of`], with this address for its peers.
    pub(crate) async fn start_replica_at(peer_address: Option<Ipv4Addr>, primary: &Self) -> Self {
        Self::start_replica_with(vec![], peer_address, primary).await
    }

    async fn start_replica_with(mut arguments: Vec<String>, peer_address: Option<Ipv4Addr>, primary: &Self) -> Self {
        arguments.extend(["--replicaof".to_owned(), format!("{} {}", primary.peer_address(), primary.port())]);
        let settings = ServerSettings { arguments, peer_address, ..ServerSettings::default() };
        let replica = Self::start_as(settings, None).await;
        replica.until_in_sync().await;
        replica
    }

    pub(crate) async fn start_as(settings: ServerSettings, authority: Option<&CertificateAuthority>) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        for (name, text) in [("users.acl", &*acl_file()), ("sentinel.conf", "")] {
            std::fs::write(files.path().join(name), text).expect("the directory can be written to");
        }
        if let Some(authority) = authority {
            authority.write_to(files.path());
        }
        loop {
            let ports = Ports::reserve();
            if let Some(process) = launch(&ports, files.path(), &settings).await {
                let peer_proxies = start_peer_proxies(&ports, &settings).await;
                return Self { ports, files, settings, process, paused: AtomicBool::new(false), peer_proxies };
            }
        }
    }

    /// Its port for clients, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// Its address for clients.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Its port for the other nodes of its Cluster.
    pub(crate) fn node_port(&self) -> u16 {
        self.ports.nodes
    }

    /// Its IP address for its peers.
    pub(crate) fn peer_address(&self) -> IpAddr {
        self.settings.peer_address.unwrap_or(Ipv4Addr::LOCALHOST).into()
    }

    pub(crate) fn peer_proxies(&self) -> Option<&PeerProxies> {
        self.peer_proxies.as_ref()
    }

    /// Its URL, as a user who may do everything.
    pub fn url(&self) -> String {
        self.url_for(ADMIN, ADMIN)
    }

    /// Its URL, as this user: one of `deploy/redis`, or of [`RedisServer::add_user`].
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@127.0.0.1:{}", self.scheme(), self.port())
    }

    fn scheme(&self) -> &'static str {
        if self.settings.tls.is_for_clients() { "rediss" } else { "redis" }
    }

    /// The file with the certificate of its authority. It exists only if the server uses TLS.
    pub fn ca(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// Adds a user with these rules of `ACL SETUSER`, beside those of `deploy/redis`. Restarts keep the user.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        let password = format!(">{password}");
        let mut command = vec!["ACL", "SETUSER", user, "on", &password];
        command.extend(rules.split_whitespace());
        self.cli(&command).await.expect("the rules are valid");
        self.cli(&["ACL", "SAVE"]).await.expect("there is a file for users");
    }

    /// Runs a command with `redis-cli`, as a user who may do everything. Returns the answer, with one line for each
    /// element, or the error. Options of `redis-cli` may come first, for example another `--user`.
    pub async fn cli(&self, command: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-e", "--no-auth-warning", "-p", &self.port().to_string()]);
        if self.settings.kind != ServerKind::Sentinel {
            cli.args(["--user", ADMIN, "--pass", ADMIN]);
        }
        if self.settings.tls.is_for_clients() {
            cli.arg("--tls").arg("--cacert").arg(self.ca());
        }
        let output = cli.args(command).kill_on_drop(true).output().await.expect("redis-cli is installed");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs a command, and panics if it fails. While the server loads its data, the command is repeated. A replica loads
    /// data whenever it synchronizes with its primary.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        let mut answer = Ok(String::new());
        until("a server has loaded its data", async || {
            answer = self.cli(command).await;
            let error_code = answer.as_ref().err().and_then(|error| error.split(' ').next());
            error_code != Some("LOADING")
        })
        .await;
        answer.unwrap_or_else(|error| panic!("{command:?} was refused: {error}"))
    }

    /// Changes a setting with `CONFIG SET`, until the next restart.
    pub async fn set(&self, setting: &str, value: &str) {
        self.ask(&["CONFIG", "SET", setting, value]).await;
    }

    /// Blocks the server for this long, with `DEBUG SLEEP`. Returns after that.
    pub async fn sleep(&self, time: Duration) {
        self.ask(&["DEBUG", "SLEEP", &time.as_secs_f64().to_string()]).await;
    }

    /// Closes the connections that match this filter of `CLIENT KILL`, such as `TYPE pubsub`. Returns their number.
    pub async fn kill_clients(&self, filter: &str) -> usize {
        let mut command = vec!["CLIENT", "KILL"];
        command.extend(filter.split_whitespace());
        self.ask(&command).await.parse().expect("CLIENT KILL answers with a number")
    }

    /// Disconnects the replicas, and refuses them from now on. They keep running.
    pub async fn disconnect_replicas(&self) {
        self.ask(&["ACL", "SETUSER", REPLICATION, "off"]).await;
        self.kill_clients("TYPE replica").await;
    }

    /// Ends [`RedisServer::disconnect_replicas`].
    pub async fn allow_replicas(&self) {
        self.ask(&["ACL", "SETUSER", REPLICATION, "on"]).await;
    }

    /// Waits until this replica is in sync with its primary, and the primary counts it as a replica. (It does so only
    /// after the first acknowledgement.)
    pub async fn until_in_sync(&self) {
        let counted = format!(",port={},state=online,", self.port());
        until("the replica is in sync with its primary", async || {
            let replication = self.info("replication").await;
            let (Some(host), Some(port)) = (replication.get("master_host"), replication.get("master_port")) else {
                return false;
            };
            let at_primary = self.cli(&["-h", host, "-p", port, "INFO", "replication"]).await;
            replication.get("master_link_status").is_some_and(|link| link == "up")
                && at_primary.is_ok_and(|replicas| replicas.contains(&counted))
        })
        .await;
    }

    /// Kills the server. Does nothing if it isn't running.
    pub async fn stop(&mut self) {
        // This fails if the server isn't running any more.
        let _ = self.process.start_kill();
        self.process.wait().await.expect("a child can be waited for");
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Restarts the server on its port with its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.stop().await;
        let launched = launch(&self.ports, self.files.path(), &self.settings).await;
        self.process = launched.expect("its ports are still free");
    }

    /// Restarts the server on its port without its data, and waits until it answers.
    pub async fn restart_empty(&mut self) {
        self.stop().await;
        match std::fs::remove_dir_all(self.files.path().join("appendonlydir")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("can't remove its data: {error}"),
            _ => self.restart().await,
        }
    }

    /// Freezes the process: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a child can be stopped");
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("a child can be waited for");
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Ends [`RedisServer::pause`].
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a child can be continued");
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Whether the process runs and isn't frozen.
    pub fn is_up(&self) -> bool {
        self.process.id().is_some() && !self.paused.load(Ordering::Relaxed)
    }

    /// Its process id; `None` if it has ended.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("Redis is running")
    }
}

/// Starts a proxy for each port that peers connect to, if the server has an address for its peers.
async fn start_peer_proxies(ports: &Ports, settings: &ServerSettings) -> Option<PeerProxies> {
    let address = settings.peer_address?;
    let ports = match settings.kind {
        ServerKind::Server | ServerKind::Sentinel => vec![ports.clients],
        ServerKind::Node => vec![ports.clients, ports.nodes],
    };
    let addresses = ports.into_iter().map(|port| ((address, port).into(), (Ipv4Addr::LOCALHOST, port).into()));
    Some(PeerProxies::start(addresses.collect()).await)
}

/// The URL of several servers: the URL of the first, with the layout in its scheme, and the others as `node` parameters.
pub(crate) fn shared_url(first: &str, layout: &str, others: &[RedisServer]) -> String {
    let others: Vec<_> = others.iter().map(|other| format!("node=127.0.0.1:{}", other.port())).collect();
    format!("{}?{}", first.replacen("://", &format!("-{layout}://"), 1), others.join("&"))
}
