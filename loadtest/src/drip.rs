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

/// Connects, sends the first text at once and the second a byte at a time, until the other end closes; how long that
/// took.
pub async fn drip(to: SocketAddr, at_once: &[u8], by_the_drop: &[u8]) -> io::Result<Duration> {
    Ok(drip_on(TcpStream::connect(to).await?, at_once, by_the_drop, DROP).await)
}

/// The same on a connection that is there, with so much time from one byte to the next.
pub async fn drip_on(mut stream: TcpStream, at_once: &[u8], by_the_drop: &[u8], drop: Duration) -> Duration {
    let since = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(at_once).await?;
        for byte in by_the_drop {
            tokio::time::sleep(drop).await;
            writer.write_all(&[*byte]).await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    let mut answer = vec![];
    // Either fails where the other end resets what comes too late, which is an end like any other.
    tokio::select! {
        _ = reader.read_to_end(&mut answer) => {}
        _ = write => {}
    }
    since.elapsed()
}
