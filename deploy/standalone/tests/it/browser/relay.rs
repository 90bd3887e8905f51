//! A TCP relay between a browser and the gateway, which a test can cut.

use std::{io, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections while it isn't cut.
pub(super) struct CuttableRelay {
    pub(super) address: SocketAddr,
    connected: watch::Sender<bool>,
}

impl CuttableRelay {
    pub(super) async fn start(gateway_address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (connected, is_connected) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                tokio::spawn(forward(browser, gateway_address, is_connected.clone()));
            }
        });
        Ok(Self { address, connected })
    }

    /// Closes all connections, and every new one until [`Self::restore`].
    pub(super) fn cut(&self) {
        self.connected.send_replace(false);
    }

    /// Forwards connections again.
    pub(super) fn restore(&self) {
        self.connected.send_replace(true);
    }
}

async fn forward(
    mut browser: TcpStream,
    gateway_address: SocketAddr,
    mut is_connected: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut gateway = TcpStream::connect(gateway_address).await?;
    tokio::select! {
        done = copy_bidirectional(&mut browser, &mut gateway) => done.map(drop),
        _ = is_connected.wait_for(|connected| !connected) => Ok(()),
    }
}
