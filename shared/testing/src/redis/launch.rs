//! Starting the process of a server, on ports of its own.

use std::{
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Below the ports that outgoing connections get: a client that knocks while the server is away
/// could otherwise be given the server's own port, and hold it.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// What makes one server different from another, as arguments of `redis-server`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerSettings {
    pub(crate) arguments: Vec<String>,
    pub(crate) kind: ServerKind,
    pub(crate) tls: bool,
    /// Where its fellows find it, if not on 127.0.0.1, and from where it speaks to them.
    pub(crate) place: Option<Ipv4Addr>,
}

/// What a process of `redis-server` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ServerKind {
    #[default]
    Server,
    /// A server that is one of a Cluster's nodes.
    Node,
    Sentinel,
}

/// The numbers of a server's ports, for clients and for other nodes of its Cluster. The sockets have
/// the same numbers, so that no other fixture takes them while the server is away.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) clients: u16,
    pub(crate) nodes: u16,
    _reserved: [UdpSocket; 2],
}

impl Ports {
    /// Two that nobody has, as far as can be seen.
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

/// Starts a server on these ports with these files, and waits until it answers; `None` if a port is
/// taken.
pub(crate) async fn launch(ports: &Ports, files: &Path, settings: &ServerSettings) -> Option<Child> {
    let [clients, nodes] = [ports.clients, ports.nodes].map(|port| port.to_string());
    let mut server = Command::new("redis-server");
    // A Sentinel keeps what it learns in its configuration file.
    if settings.kind == ServerKind::Sentinel {
        server.arg(files.join("sentinel.conf")).arg("--sentinel");
    } else {
        server
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "no", "--maxmemory-policy", "noeviction"])
            // Without it a replica's first copy begins only after five seconds.
            .args(["--repl-diskless-sync-delay", "0", "--masteruser", "replication", "--masterauth", "replication"])
            .args(["--aclfile", "users.acl", "--enable-debug-command", "local"]);
    }
    if settings.kind == ServerKind::Node {
        server.args(["--cluster-enabled", "yes", "--cluster-port", &nodes]);
    }
    if let Some(place) = settings.place.map(|place| place.to_string()) {
        server.args(["--bind-source-addr", &place]);
        match settings.kind {
            ServerKind::Server => server.args(["--replica-announce-ip", &place]),
            ServerKind::Node => server.args(["--cluster-announce-ip", &place]),
            ServerKind::Sentinel => &mut server,
        };
    }
    if settings.tls {
        server
            .args(["--port", "0", "--tls-port", &clients, "--tls-replication", "yes", "--tls-cluster", "yes"])
            .args(["--tls-auth-clients", "no"])
            .args(["--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.pem"]);
    } else {
        server.args(["--port", &clients]);
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
    let mut log = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut said = vec![];
    while let Some(line) = log.next_line().await.expect("its log is text") {
        if line.contains("Ready to accept connections") || line.contains("Sentinel ID is") {
            return Some(process);
        }
        if line.contains("Address already in use") {
            return None;
        }
        said.push(line);
    }
    panic!("redis-server ended before it was ready: {said:#?}");
}
