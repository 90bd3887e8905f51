//! A pod notices that the clock of Redis is another than its own.

use std::{net::SocketAddr, time::Duration};

use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_testing::{GATEWAY_PASSWORD, RedisServer, metric_value, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A Redis whose answers to `TIME` are changed on their way to the pod.
struct ShiftedClock {
    server: RedisServer,
    address: SocketAddr,
    /// By how many seconds.
    shift: watch::Sender<i64>,
}

impl ShiftedClock {
    async fn start(shift: i64) -> Self {
        let server = RedisServer::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shift = watch::Sender::new(shift);
        let (upstream, shifts) = (server.address(), shift.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = TcpStream::connect(upstream).await.unwrap().into_split();
                tokio::spawn(forward(from_client, to_server, |_| {}));
                let shifts = shifts.clone();
                tokio::spawn(forward(from_server, to_client, move |bytes| shift_time(bytes, *shifts.borrow())));
            }
        });
        Self { server, address, shift }
    }

    fn connect(&self) -> Metrics {
        let metrics = Metrics::new();
        let url = format!("redis://gateway:{GATEWAY_PASSWORD}@{}", self.address);
        Redis::connect(&url.parse().unwrap(), &metrics);
        metrics
    }

    fn skew(&self, metrics: &Metrics) -> Option<f64> {
        metric_value(&metrics.text(), "scenecast_redis_clock_skew_seconds", &[("primary", &self.address.to_string())])
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, change: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        change(&mut buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Changes the seconds of an answer to `TIME` in these bytes.
fn shift_time(bytes: &mut [u8], shift: i64) {
    const START: &[u8] = b"*2\r\n$10\r\n";
    let Some(at) = bytes.windows(START.len()).position(|window| window == START) else { return };
    let Some(seconds) = bytes.get_mut(at + START.len()..at + START.len() + 10) else { return };
    let Some(time) = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<i64>().ok()) else { return };
    seconds.copy_from_slice((time + shift).to_string().as_bytes());
}

#[tokio::test]
async fn the_skew_of_each_primarys_clock_is_measured_when_it_is_connected_to() {
    for shift in [0, 600, -600] {
        let redis = ShiftedClock::start(shift).await;
        let metrics = redis.connect();
        until("the clock was read", async || redis.skew(&metrics).is_some()).await;
        let error = redis.skew(&metrics).unwrap() - f64::from(i32::try_from(shift).unwrap());
        assert!(error.abs() < 1.0, "{error} s beside {shift} s");
    }
}

#[tokio::test]
async fn a_clock_that_jumps_with_a_failover_is_noticed_at_the_next_connection() {
    let redis = ShiftedClock::start(0).await;
    let metrics = redis.connect();
    until("the clock was read", async || redis.skew(&metrics).is_some_and(|skew| skew.abs() < 1.0)).await;
    redis.shift.send_replace(600);
    redis.server.kill_clients("TYPE normal SKIPME yes").await;
    let noticed = until("the jump is noticed", async || redis.skew(&metrics).is_some_and(|skew| skew > 599.0));
    tokio::time::timeout(Duration::from_secs(5), noticed).await.expect("before the next regular measurement");
}
