//! HTTP as no library would send it.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a server may leave a connection open that it is done with.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server answers to these bytes until it closes, which it has to: the statuses, and the text.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> (Vec<u16>, String) {
    let mut stream = TcpStream::connect(address).await.expect("a server that accepts");
    let mut answer = vec![];
    let talking = async {
        let (mut from, mut to) = stream.split();
        // A server may have had enough before all is sent, and then what it said may be lost.
        let _ = tokio::join!(to.write_all(bytes), from.read_to_end(&mut answer));
    };
    tokio::time::timeout(PATIENCE, talking).await.expect("the server closes within 10 s");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let statuses = answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    (statuses.collect(), answer)
}
