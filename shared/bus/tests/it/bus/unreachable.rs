//! A Redis that can't be connected to: the log names the cause, once, and what to do.

use std::net::SocketAddr;

use futures_util::future::join_all;
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisAddress};
use scenecast_testing::{CertificateAuthority, KeptLog, RedisServer, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A password that no log line may have.
const SECRET: &str = "hush-hush";

/// A set-up that can't work.
struct WrongSetup {
    address: RedisAddress,
    /// As log lines write the server that can't be reached.
    node: String,
    /// What the log says of it.
    cause: &'static str,
}

impl WrongSetup {
    fn new(url: &str, cause: &'static str) -> Self {
        let (_, node) = url.split_once('@').unwrap();
        let node = node.split(['/', '?']).next().unwrap().replace(['[', ']'], "");
        Self { address: url.parse().unwrap(), node, cause }
    }

    fn lines(&self) -> Vec<String> {
        let lines = KeptLog::lines_with(&["can't connect to Redis", &format!("node={} ", self.node)]);
        lines.into_iter().filter(|line| line.contains(self.cause)).collect()
    }
}

/// A server that answers whatever it is asked with this, and closes the connection; without an answer if it is empty.
async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 1024]).await;
                let _ = client.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

/// A server that accepts connections and never answers.
async fn mute() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut clients = vec![];
        while let Ok((client, _)) = listener.accept().await {
            clients.push(client);
        }
    });
    address
}

async fn nothing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_once_why_redis_cannot_be_reached_and_no_password() {
    const HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\r\n";
    const OLD: &str = "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `u`, `hush-hush`, \r\n";
    KeptLog::start("info,fred=error");
    let authority = CertificateAuthority::new();
    let (plain, full) = tokio::join!(RedisServer::start(), RedisServer::start());
    let (tls, foreign) = tokio::join!(RedisServer::start_with_tls(&authority), RedisServer::start_with_tls(&authority));
    plain.add_user("no-select", SECRET, "~* &* +@all -select").await;
    full.add_user("able", SECRET, "~* &* +@all").await;
    full.set("maxclients", "1").await;
    tls.set("tls-auth-clients", "yes").await;
    let only_client = TcpStream::connect(full.address()).await.unwrap();

    let no_hello = RedisServer::start_without(&["hello"]).await;
    let [web, web_in_place_of_tls] = [answering(HTTP).await, answering(HTTP).await];
    let [closing, old, mute, nothing] = [answering("").await, answering(OLD).await, mute().await, nothing().await];
    let at = |scheme: &str, user: &str, server: SocketAddr, rest: &str| {
        format!("{scheme}://{user}:{SECRET}@127.0.0.1:{}{rest}", server.port())
    };
    let with_ca = |mut setup: WrongSetup, server: &RedisServer| {
        setup.address = setup.address.trusting(&server.ca()).unwrap();
        setup
    };
    let setups = [
        WrongSetup::new(&at("redis", "callback", plain.address(), ""), "WRONGPASS"),
        WrongSetup::new(&format!("redis://@127.0.0.1:{}", plain.port()), "NOAUTH"),
        WrongSetup::new(&at("redis", "no-select", plain.address(), "/1"), "may not choose a database"),
        WrongSetup::new(&at("redis", "able", full.address(), ""), "maxclients"),
        WrongSetup::new(&at("redis", "callback", tls.address(), ""), "begin bus.url with rediss"),
        WrongSetup::new(&at("rediss", "callback", foreign.address(), ""), "bus.ca"),
        with_ca(
            WrongSetup::new(
                &format!("rediss://u:{SECRET}@localhost:{}", tls.port()),
                "certificate is for another name",
            ),
            &tls,
        ),
        with_ca(WrongSetup::new(&at("rediss", "u", tls.address(), ""), "certificates of its clients, and"), &tls),
        WrongSetup::new(&at("rediss", "callback", plain.address(), ""), "in place of rediss"),
        WrongSetup::new(&at("rediss", "u", web_in_place_of_tls, ""), "doesn't speak TLS"),
        // So long a label that the system asks no name server.
        WrongSetup::new(&format!("redis://u:{SECRET}@{}:6379", "redis".repeat(14)), "can't be resolved"),
        WrongSetup::new(&at("redis", "u", nothing, ""), "nothing listens"),
        WrongSetup::new(&at("redis", "u", mute, ""), "doesn't answer within 2 seconds"),
        WrongSetup::new(&at("redis", "u", closing, ""), "closes the connection at once"),
        WrongSetup::new(&at("redis", "u", web, ""), "not as Redis does"),
        WrongSetup::new(&at("redis", "u", old, ""), "HELLO 3"),
        WrongSetup::new(&at("redis", "u", no_hello.address(), ""), "HELLO 3"),
    ];
    let _connections: Vec<_> = setups.iter().map(|setup| Redis::connect(&setup.address, &Metrics::new())).collect();
    let is_told = async |setup: &WrongSetup| until(setup.cause, async || !setup.lines().is_empty()).await;
    join_all(setups.iter().map(is_told)).await;
    let connected = |node: &str| KeptLog::lines_with(&["connected to Redis", &format!("node={node} ")]);
    for setup in &setups {
        // Most have failed many times by now.
        assert_eq!(setup.lines().len(), 1, "{:?}", setup.lines());
        assert_eq!(connected(&setup.node), [""; 0]);
    }
    let failed_look_ups = KeptLog::lines_with(&["name resolution of a server failed", "redisredis"]);
    assert_eq!(failed_look_ups.len(), 1, "{failed_look_ups:?}");
    drop(only_client);
    until("it is connected", async || !connected(&full.address().to_string()).is_empty()).await;
    assert!(!KeptLog::text().contains(SECRET));
}
