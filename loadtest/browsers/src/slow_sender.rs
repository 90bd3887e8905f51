//! A client that sends a byte at a time, and keeps its connection as long as the server lets it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The time between two bytes.
const BYTE_INTERVAL: Duration = Duration::from_millis(100);

/// Sends the first text at once and the second one a byte at a time, until the server closes the connection. Answers
/// how long that took.
pub async fn send_slowly(to: SocketAddr, at_once: &[u8], slowly: &[u8]) -> io::Result<Duration> {
    let mut stream = TcpStream::connect(to).await?;
    let since = Instant::now();
    send_slowly_over(&mut stream, at_once, slowly, BYTE_INTERVAL).await;
    Ok(since.elapsed())
}

/// Does the same over an existing connection, with this pause before each byte.
pub async fn send_slowly_over(stream: &mut TcpStream, at_once: &[u8], slowly: &[u8], pause: Duration) {
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(at_once).await?;
        for byte in slowly {
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
    // If the server resets the connection, either future fails. That is an end like any other.
    tokio::select! {
        _ = until_closed => {}
        _ = write => {}
    }
}
