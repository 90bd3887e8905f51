//! A real Redis of a test's own: stopped, frozen, emptied and started again as the test likes.

use std::{io, net::UdpSocket, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Below the ports that outgoing connections get: a client that knocks while the server is away
/// could otherwise be given the server's own port, and hold it.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A `redis-server` on 127.0.0.1 with its files in a directory of its own; both go when it is
/// dropped. It writes every change to its append-only file before it answers, so its data
/// survives [`RedisServer::stop`].
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    /// Has the port's number, so that no other fixture takes it while the server is away.
    _reserved: UdpSocket,
    files: TempDir,
    process: Child,
}

impl RedisServer {
    /// Starts one on a free port, and waits until it answers.
    pub async fn start() -> Self {
        let files = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::write(files.path().join("users.acl"), "").expect("it can be written to");
        loop {
            let port = rand::random_range(PORTS);
            if let Ok(reserved) = UdpSocket::bind(("127.0.0.1", port))
                && let Some(process) = launch(port, files.path()).await
            {
                return Self { port, _reserved: reserved, files, process };
            }
        }
    }

    /// Its address, as the default user, who may do everything.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its address, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
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
        let port = self.port.to_string();
        let cli = Command::new("redis-cli").args(["-e", "--no-auth-warning", "-p", &port]).args(command).output().await;
        let output = cli.expect("redis-cli is installed");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Kills it.
    pub async fn stop(&mut self) {
        // It fails where it isn't running any more, which is what is wanted.
        let _ = self.process.start_kill();
        self.process.wait().await.expect("a child can be waited for");
    }

    /// Ends it as an operator would.
    pub async fn shutdown_saving(&mut self) {
        // The answer to a shutdown is that the connection closes.
        let _ = self.cli(&["SHUTDOWN"]).await;
        self.process.wait().await.expect("a child can be waited for");
    }

    /// Starts it again on its port with its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.process = launch(self.port, self.files.path()).await.expect("its port is still free");
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
    }

    /// Ends a [`RedisServer::pause`].
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a child can be continued");
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("Redis is running")
    }
}

/// Starts a server on this port with these files, and waits until it answers; `None` if the port
/// is taken.
async fn launch(port: u16, files: &Path) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--aclfile", "users.acl"])
        .args(["--appendonly", "yes", "--appendfsync", "no", "--maxmemory-policy", "noeviction", "--dir"])
        .arg(files)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed");
    let mut log = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    while let Some(line) = log.next_line().await.expect("its log is text") {
        if line.contains("Ready to accept connections") {
            return Some(process);
        }
        if line.contains("Address already in use") {
            return None;
        }
    }
    panic!("redis-server ended before it was ready: {:?}", process.wait().await);
}

/// What this Redis user of a deployment may do, as `ACL SETUSER` takes it. Only the commands that it
/// sends: whole categories would allow more than they say, such as `KEYS` by `@read` and `CLIENT KILL`
/// by `@connection`. The client asks for `INFO`, too, and does without.
pub fn acl_rules(user: &str) -> &'static str {
    let users = include_str!("../../../deploy/redis/users.acl");
    let entry = format!("user {user} on >");
    let line = users.lines().find_map(|line| line.strip_prefix(&entry)).expect("the file has this user");
    // The password comes first.
    line.split_once(' ').expect("the password ends").1
}
