//! A fault proxy fails as networks fail.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use scenecast_testing::{Direction, FaultProxy, ProxyMode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// How long a test waits to see that nothing happens.
const SHORT_WAIT: Duration = Duration::from_millis(200);

/// Starts a server that sends back what it receives.
async fn start_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// Whether a byte comes back.
async fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
}

#[tokio::test]
async fn disconnecting_closes_old_connections_and_forwards_new_ones() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
    proxy.disconnect_all();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn connections_are_refused_until_they_are_accepted_again() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    proxy.refuse_connections();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(!echoes(&mut stream).await);
    proxy.accept_again();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn a_stalled_connection_stays_open_and_forwards_nothing() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
    proxy.stall();
    assert!(timeout(SHORT_WAIT, echoes(&mut stream)).await.is_err());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_skipped() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(vec![free, start_echo().await]).await;
    for _ in 0..8 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(echoes(&mut stream).await);
    }
}

#[tokio::test]
async fn held_bytes_and_the_end_of_their_connection_arrive_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(vec![listener.local_addr().unwrap()]).await;
    let mut near = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    proxy.set_mode(Direction::ToServer, ProxyMode::Hold);
    near.write_all(b"the last").await.unwrap();
    drop(near);
    let mut arrived = vec![];
    assert!(timeout(SHORT_WAIT, far.read_to_end(&mut arrived)).await.is_err());
    proxy.set_mode(Direction::ToServer, ProxyMode::Pass);
    far.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(arrived, b"the last");
}

#[tokio::test]
async fn swallowed_bytes_never_arrive() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set_mode(Direction::ToServer, ProxyMode::Swallow);
    assert!(timeout(SHORT_WAIT, echoes(&mut stream)).await.is_err());
    proxy.set_mode(Direction::ToServer, ProxyMode::Pass);
    assert!(echoes(&mut stream).await);
    assert!(timeout(SHORT_WAIT, stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn a_delay_adds_latency_and_takes_no_throughput() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
    proxy.set_delay(SHORT_WAIT);
    let began = Instant::now();
    for _ in 0..8 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(SHORT_WAIT / 8).await;
    }
    stream.read_exact(&mut [0; 8]).await.unwrap();
    assert!((SHORT_WAIT..SHORT_WAIT * 8).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nothing_gets_through_a_partition_until_it_heals() {
    let proxy = FaultProxy::start(vec![start_echo().await]).await;
    let from = async |host: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from(host), 0).into()).unwrap();
        socket.connect(proxy.address()).await.unwrap()
    };
    let mut partitioned = from([127, 0, 1, 1]).await;
    let mut connected = from([127, 0, 1, 2]).await;
    assert!(echoes(&mut partitioned).await);
    proxy.partition_from(&[Ipv4Addr::new(127, 0, 1, 1).into()]);
    assert!(echoes(&mut connected).await);
    assert!(timeout(SHORT_WAIT, echoes(&mut partitioned)).await.is_err());
    let mut new = from([127, 0, 1, 1]).await;
    assert!(timeout(SHORT_WAIT, echoes(&mut new)).await.is_err());
    proxy.partition_from(&[]);
    assert_eq!(partitioned.read_u8().await.unwrap(), b'x', "it was in transit");
    assert!(echoes(&mut partitioned).await);
    assert_eq!(new.read(&mut [0]).await.unwrap_or(0), 0, "it has to connect again");
}
