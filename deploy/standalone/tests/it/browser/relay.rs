//! The way between a browser and the gateway, which a test can cut.

use std::{io, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on, while it isn't cut.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Relay {
    pub(super) async fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (whole, is_whole) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                tokio::spawn(pass(browser, to, is_whole.clone()));
            }
        });
        Ok(Self { address, whole })
    }

    /// Ends all connections, and each that is made from now on.
    pub(super) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Passes again.
    pub(super) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn pass(mut browser: TcpStream, to: SocketAddr, mut is_whole: watch::Receiver<bool>) -> io::Result<()> {
    let mut gateway = TcpStream::connect(to).await?;
    tokio::select! {
        done = copy_bidirectional(&mut browser, &mut gateway) => done.map(drop),
        _ = is_whole.wait_for(|whole| !whole) => Ok(()),
    }
}
