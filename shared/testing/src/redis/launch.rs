//! Starts the process of a Redis server, on ports that no other fixture uses.

use std::{
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::redis::users::REPLICATION;

/// These are below the ports of outgoing connections. Otherwise a client that connects while the server is stopped could
/// get the server's port as its own, and hold it.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerSettings {
    /// Further arguments of `redis-server`.
    pub(crate) arguments: Vec<String>,
    pub(crate) kind: ServerKind,
    pub(crate) tls: TlsUse,
    /// The address for its peers, if it isn't 127.0.0.1: where they connect to it, and from where it connects to them.
    pub(crate) peer_address: Option<Ipv4Addr>,
}

/// Where a server uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TlsUse {
    #[default]
    Nowhere,
    /// It accepts only TLS, and uses it towards its peers.
    Everywhere,
    /// Only towards its peers, as a sentinel without TLS does whose Redis has it.
    TowardsPeers,
    /// Only from clients, as a sentinel does whose Redis has none.
    FromClients,
}

impl TlsUse {
    /// Whether its port for clients speaks TLS.
    pub(crate) fn is_for_clients(self) -> bool {
        matches!(self, Self::Everywhere | Self::FromClients)
    }
}

/// The role of a `redis-server` process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ServerKind {
    #[default]
    Server,
    /// A node of a Cluster.
    Node,
    Sentinel,
}

static DETACHED: AtomicBool = AtomicBool::new(false);

/// Servers that start from now on get none of this terminal's signals, so that Ctrl-C reaches only the program that started
/// them. It has to end them.
pub fn detach_servers() {
    DETACHED.store(true, Ordering::Relaxed);
}

/// A server's ports, for clients and for other nodes of its Cluster. UDP sockets on the same port numbers reserve them, so
/// that no other fixture takes them while the server is stopped.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) clients: u16,
    pub(crate) nodes: u16,
    _reserved: [UdpSocket; 2],
}

impl Ports {
    /// Reserves two ports at random.
    pub(crate) fn reserve() -> Self {
        loop {
            let [clients, nodes] = [rand::random_range(PORTS), rand::random_range(PORTS)];
            if let (Ok(one), Ok(other)) =
                (UdpSocket::bind(("127.0.0.1", clients)), UdpSocket::bind(("127.0.0.1", nodes)))
            {
                return Self { clients, nodes, _reserved: [one, other] };
            }
        }
    }
}

/// Starts a server on these ports with the files in this directory, and waits until it answers. `None` if a port is in
/// use.
pub(crate) async fn launch(ports: &Ports, files: &Path, settings: &ServerSettings) -> Option<Child> {
    let [clients, nodes] = [ports.clients, ports.nodes].map(|port| port.to_string());
    let mut server = Command::new("redis-server");
    // A Sentinel writes its state to its configuration file, so it needs one.
    if settings.kind == ServerKind::Sentinel {
        server.arg(files.join("sentinel.conf")).arg("--sentinel");
    } else {
        server
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "no", "--maxmemory-policy", "noeviction"])
            // By default a replica's first synchronization starts only after five seconds.
            .args(["--repl-diskless-sync-delay", "0", "--masteruser", REPLICATION, "--masterauth", REPLICATION])
            .args(["--aclfile", "users.acl", "--enable-debug-command", "local"]);
    }
    if settings.kind == ServerKind::Node {
        server.args(["--cluster-enabled", "yes", "--cluster-port", &nodes]);
    }
    if let Some(address) = settings.peer_address.map(|address| address.to_string()) {
        server.args(["--bind-source-addr", &address]);
        match settings.kind {
            ServerKind::Server => server.args(["--replica-announce-ip", &address]),
            ServerKind::Node => server.args(["--cluster-announce-ip", &address]),
            ServerKind::Sentinel => &mut server,
        };
    }
    match settings.tls {
        TlsUse::Nowhere | TlsUse::TowardsPeers => server.args(["--port", &clients]),
        TlsUse::Everywhere => server.args(["--port", "0", "--tls-port", &clients]),
        // Its peers use the port that it has for a Cluster.
        TlsUse::FromClients => server.args(["--port", &nodes, "--tls-port", &clients]),
    };
    if settings.tls != TlsUse::Nowhere {
        server.args(["--tls-auth-clients", "no"]).args([
            "--tls-cert-file",
            "server.pem",
            "--tls-key-file",
            "server.key",
            "--tls-ca-cert-file",
            "ca.pem",
        ]);
    }
    if matches!(settings.tls, TlsUse::Everywhere | TlsUse::TowardsPeers) {
        server.args(["--tls-replication", "yes", "--tls-cluster", "yes"]);
    }
    if DETACHED.load(Ordering::Relaxed) {
        server.process_group(0);
    }
    let mut process = server
        .args(["--bind", "127.0.0.1"])
        .args(&settings.arguments)
        .arg("--dir")
        .arg(files)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed");
    let mut log = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let mut seen = vec![];
    while let Some(line) = log.next_line().await.expect("its log is text") {
        if line.contains("Ready to accept connections") || line.contains("Sentinel ID is") {
            return Some(process);
        }
        if line.contains("Address already in use") {
            return None;
        }
        seen.push(line);
    }
    panic!("redis-server ended before it was ready: {seen:#?}");
}
