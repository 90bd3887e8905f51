//! A real Redis of a test's own: stopped, frozen, emptied and started again as the test likes.

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
        launch::{Ports, ServerKind, ServerSettings, launch},
        partition::Ways,
    },
    tls::CertificateAuthority,
    until,
};

/// Of each server, so that its replicas can be cut off by taking this user's rights.
const REPLICATION: &str = "user replication on >replication +psync +replconf +ping";

/// A `redis-server` on 127.0.0.1 with its files in a directory of its own; both go when it is
/// dropped. It writes every change to its append-only file before it answers, so its data
/// survives [`RedisServer::stop`].
#[derive(Debug)]
pub struct RedisServer {
    ports: Ports,
    files: TempDir,
    settings: ServerSettings,
    process: Child,
    paused: AtomicBool,
    /// By which its fellows reach it, where it has a place of its own.
    ways: Option<Ways>,
}

impl RedisServer {
    /// Starts one on a free port, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_as(ServerSettings::default(), None).await
    }

    /// One that speaks TLS only, with a certificate of this authority.
    pub async fn start_with_tls(authority: &CertificateAuthority) -> Self {
        Self::start_as(ServerSettings { tls: true, ..ServerSettings::default() }, Some(authority)).await
    }

    /// A replica of that one, in step with it.
    pub async fn start_replica_of(primary: &Self) -> Self {
        Self::start_replica_at(None, primary).await
    }

    /// The same, at this place.
    pub(crate) async fn start_replica_at(place: Option<Ipv4Addr>, primary: &Self) -> Self {
        let arguments = vec!["--replicaof".to_owned(), format!("{} {}", primary.place(), primary.port())];
        let replica = Self::start_as(ServerSettings { arguments, place, ..ServerSettings::default() }, None).await;
        replica.until_linked().await;
        replica
    }

    pub(crate) async fn start_as(settings: ServerSettings, authority: Option<&CertificateAuthority>) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        for (name, text) in [("users.acl", REPLICATION), ("sentinel.conf", "")] {
            std::fs::write(files.path().join(name), text).expect("it can be written to");
        }
        if let Some(authority) = authority {
            authority.write_to(files.path());
        }
        loop {
            let ports = Ports::reserve();
            if let Some(process) = launch(&ports, files.path(), &settings).await {
                let ways = ways(&ports, &settings).await;
                return Self { ports, files, settings, process, paused: AtomicBool::new(false), ways };
            }
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Where other nodes of its Cluster reach it.
    pub(crate) fn port_for_nodes(&self) -> u16 {
        self.ports.nodes
    }

    /// Where its fellows find it, and from where it speaks to them.
    pub(crate) fn place(&self) -> IpAddr {
        self.settings.place.unwrap_or(Ipv4Addr::LOCALHOST).into()
    }

    /// By which they reach it.
    pub(crate) fn ways(&self) -> Option<&Ways> {
        self.ways.as_ref()
    }

    /// Its address, as the default user, who may do everything.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(), self.port())
    }

    /// Its address, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@127.0.0.1:{}", self.scheme(), self.port())
    }

    fn scheme(&self) -> &'static str {
        if self.settings.tls { "rediss" } else { "redis" }
    }

    /// The certificate of who signed its own, where it speaks TLS.
    pub fn ca(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// Makes a user with these rules of `ACL SETUSER`; restarts keep it.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        let password = format!(">{password}");
        let mut command = vec!["ACL", "SETUSER", user, "on", &password];
        command.extend(rules.split_whitespace());
        self.cli(&command).await.expect("the rules are valid");
        self.cli(&["ACL", "SAVE"]).await.expect("there is a file for users");
    }

    /// What Redis answers to a command, one line an element, or its refusal. Options of `redis-cli`
    /// may come first.
    pub async fn cli(&self, command: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-e", "--no-auth-warning", "-p", &self.port().to_string()]);
        if self.settings.tls {
            cli.arg("--tls").arg("--cacert").arg(self.ca());
        }
        let output = cli.args(command).kill_on_drop(true).output().await.expect("redis-cli is installed");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A command that can't fail but by a mistake of ours, once the server has loaded its data: a replica does so whenever
    /// it gets its primary's.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        let mut answer = Ok(String::new());
        until("a server has loaded its data", async || {
            answer = self.cli(command).await;
            !answer.as_ref().is_err_and(|error| error.contains("LOADING"))
        })
        .await;
        answer.unwrap_or_else(|error| panic!("{command:?} was refused: {error}"))
    }

    /// Changes a setting while it runs; a restart forgets it.
    pub async fn set(&self, setting: &str, value: &str) {
        self.ask(&["CONFIG", "SET", setting, value]).await;
    }

    /// Does nothing else for so long; answers when it is over.
    pub async fn sleep(&self, time: Duration) {
        self.ask(&["DEBUG", "SLEEP", &time.as_secs_f64().to_string()]).await;
    }

    /// Cuts the connections that `CLIENT KILL` finds by this filter, such as `TYPE pubsub`; says how
    /// many there were.
    pub async fn kill_clients(&self, filter: &str) -> usize {
        let mut command = vec!["CLIENT", "KILL"];
        command.extend(filter.split_whitespace());
        self.ask(&command).await.parse().expect("a number")
    }

    /// Cuts its replicas off: they stay up, and get nothing from it any more.
    pub async fn cut_replicas_off(&self) {
        self.ask(&["ACL", "SETUSER", "replication", "off"]).await;
        self.kill_clients("TYPE replica").await;
    }

    /// Ends a [`RedisServer::cut_replicas_off`].
    pub async fn let_replicas_in(&self) {
        self.ask(&["ACL", "SETUSER", "replication", "on"]).await;
    }

    /// Done when it has all that its primary has.
    pub async fn until_linked(&self) {
        let linked = async || self.info("replication").await.get("master_link_status").is_some_and(|up| up == "up");
        until("the replica is in step with its primary", linked).await;
    }

    /// Kills it.
    pub async fn stop(&mut self) {
        // It fails where it isn't running any more, which is what is wanted.
        let _ = self.process.start_kill();
        self.process.wait().await.expect("a child can be waited for");
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Starts it again on its port with its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.stop().await;
        let launched = launch(&self.ports, self.files.path(), &self.settings).await;
        self.process = launched.expect("its ports are still free");
    }

    /// Starts it again on its port without its data.
    pub async fn restart_empty(&mut self) {
        self.stop().await;
        match std::fs::remove_dir_all(self.files.path().join("appendonlydir")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("can't remove its data: {error}"),
            _ => self.restart().await,
        }
    }

    /// Freezes it: connections stand, and nothing is answered.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a child can be stopped");
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("a child can be waited for");
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Ends a [`RedisServer::pause`].
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a child can be continued");
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Whether it runs and isn't frozen.
    pub fn is_up(&self) -> bool {
        self.process.id().is_some() && !self.paused.load(Ordering::Relaxed)
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("Redis is running")
    }
}

/// To each port at which fellows look for this server, where that isn't its own.
async fn ways(ports: &Ports, settings: &ServerSettings) -> Option<Ways> {
    let ports = match settings.kind {
        ServerKind::Sentinel => vec![],
        ServerKind::Server => vec![ports.clients],
        ServerKind::Node => vec![ports.clients, ports.nodes],
    };
    let way = |place, port| ((place, port).into(), (Ipv4Addr::LOCALHOST, port).into());
    let place = settings.place?;
    Some(Ways::open(ports.into_iter().map(|port| way(place, port)).collect()).await)
}

/// What this Redis user of a deployment may do, as `ACL SETUSER` takes it. Only the commands that it
/// sends: whole categories would allow more than they say, such as `KEYS` by `@read` and `CLIENT KILL`
/// by `@connection`. The client asks for `INFO`, too, and does without.
pub fn acl_rules(user: &str) -> &'static str {
    let users = include_str!("../../../../deploy/redis/users.acl");
    let entry = format!("user {user} on >");
    let line = users.lines().find_map(|line| line.strip_prefix(&entry)).expect("the file has this user");
    // The password comes first.
    line.split_once(' ').expect("the password ends").1
}

/// The address of the first of several as one address of all: by the scheme of what they are together.
pub(crate) fn together(first: &str, are: &str, others: &[RedisServer]) -> String {
    let others: Vec<_> = others.iter().map(|other| format!("node=127.0.0.1:{}", other.port())).collect();
    format!("{}?{}", first.replacen("://", &format!("-{are}://"), 1), others.join("&"))
}
