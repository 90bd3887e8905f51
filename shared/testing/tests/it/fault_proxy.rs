//! A hop breaks what goes through it as networks do.

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

/// For so long nothing happens, which can't be awaited.
const NOTHING: Duration = Duration::from_millis(200);

/// A server that says everything again.
async fn echo() -> SocketAddr {
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

async fn says_again(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
}

#[tokio::test]
async fn what_is_cut_ends_and_what_is_new_passes() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
    hop.cut();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
}

#[tokio::test]
async fn what_is_closed_refuses_until_it_is_mended() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    hop.close();
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(!says_again(&mut stream).await);
    hop.mend();
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
}

#[tokio::test]
async fn what_is_stalled_says_nothing_of_it() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
    hop.stall();
    assert!(timeout(NOTHING, says_again(&mut stream)).await.is_err());
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
}

#[tokio::test]
async fn whoever_does_not_take_connections_is_passed_over() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hop = FaultProxy::to(vec![free, echo().await]).await;
    for _ in 0..8 {
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
    }
}

#[tokio::test]
async fn what_is_held_arrives_later_and_so_does_the_end_of_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = FaultProxy::to(vec![listener.local_addr().unwrap()]).await;
    let mut near = TcpStream::connect(hop.address()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    hop.flow(Direction::ToServer, ProxyMode::Hold);
    near.write_all(b"the last").await.unwrap();
    drop(near);
    let mut arrived = vec![];
    assert!(timeout(NOTHING, far.read_to_end(&mut arrived)).await.is_err());
    hop.flow(Direction::ToServer, ProxyMode::Pass);
    far.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(arrived, b"the last");
}

#[tokio::test]
async fn what_is_swallowed_never_arrives() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    hop.flow(Direction::ToServer, ProxyMode::Swallow);
    assert!(timeout(NOTHING, says_again(&mut stream)).await.is_err());
    hop.flow(Direction::ToServer, ProxyMode::Pass);
    assert!(says_again(&mut stream).await);
    assert!(timeout(NOTHING, stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn what_is_late_keeps_what_comes_after_it_waiting_no_longer() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    let mut stream = TcpStream::connect(hop.address()).await.unwrap();
    assert!(says_again(&mut stream).await);
    hop.delay(NOTHING);
    let began = Instant::now();
    for _ in 0..8 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(NOTHING / 8).await;
    }
    stream.read_exact(&mut [0; 8]).await.unwrap();
    assert!((NOTHING..NOTHING * 8).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn between_those_that_are_divided_nothing_comes_through_until_they_are_not() {
    let hop = FaultProxy::to(vec![echo().await]).await;
    let from = async |host: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from(host), 0).into()).unwrap();
        socket.connect(hop.address()).await.unwrap()
    };
    let (mut apart, mut together) = (from([127, 0, 1, 1]).await, from([127, 0, 1, 2]).await);
    assert!(says_again(&mut apart).await);
    hop.divide_from(&[Ipv4Addr::new(127, 0, 1, 1).into()]);
    assert!(says_again(&mut together).await);
    assert!(timeout(NOTHING, says_again(&mut apart)).await.is_err());
    let mut knocks = from([127, 0, 1, 1]).await;
    assert!(timeout(NOTHING, says_again(&mut knocks)).await.is_err());
    hop.divide_from(&[]);
    assert_eq!(apart.read_u8().await.unwrap(), b'x', "it was under way");
    assert!(says_again(&mut apart).await);
    assert_eq!(knocks.read(&mut [0]).await.unwrap_or(0), 0, "it has to knock again");
}
