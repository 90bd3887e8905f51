//! A peer that says next to nothing, and keeps its connection for as long as it may.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// From one byte to the next.
const DROP: Duration = Duration::from_millis(100);

/// Sends the first text at once and the second a byte at a time, until the other end closes; how long that took.
pub async fn drip(to: SocketAddr, at_once: &[u8], by_the_drop: &[u8]) -> io::Result<Duration> {
    let mut stream = TcpStream::connect(to).await?;
    let since = Instant::now();
    drip_into(&mut stream, at_once, by_the_drop, DROP).await;
    Ok(since.elapsed())
}

/// The same over this connection, with so much time before each byte.
pub(super) async fn drip_into(stream: &mut TcpStream, at_once: &[u8], by_the_drop: &[u8], pause: Duration) {
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(at_once).await?;
        for byte in by_the_drop {
            tokio::time::sleep(pause).await;
            writer.write_all(&[*byte]).await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    let until_closed = async {
        let mut answer = [0; 1024];
        while reader.read(&mut answer).await? > 0 {}
        io::Result::Ok(())
    };
    // Either fails where the other end resets what comes too late, which is an end like any other.
    tokio::select! {
        _ = until_closed => {}
        _ = write => {}
    }
}
