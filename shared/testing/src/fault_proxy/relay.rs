//! Accepts a proxy's connections and forwards their bytes, as the proxy's state says.

use std::net::IpAddr;

use rand::seq::SliceRandom;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::fault_proxy::state::{Direction, ProxiedConnection, ProxyMode, ProxyState, Tap};

/// How many bytes are read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// How many chunks of one direction wait in the proxy. Then the sender has to wait.
const MAX_CHUNKS: usize = 64;

#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) state: watch::Sender<ProxyState>,
    pub(crate) tap: Tap,
}

impl Relay {
    /// Accepts connections until the listener fails.
    pub(crate) async fn run(self, listener: TcpListener) {
        while let Ok((client, peer)) = listener.accept().await {
            let connection = self.add_connection(peer.ip());
            let relay = self.clone();
            tokio::spawn(async move {
                let mut changes = relay.state.subscribe();
                tokio::select! {
                    // The disconnect is checked first, so that no held byte gets through.
                    biased;
                    _ = changes.wait_for(|state| connection.number < state.disconnected_before) => {}
                    () = relay.forward(client, connection) => {}
                }
            });
        }
    }

    fn add_connection(&self, client: IpAddr) -> ProxiedConnection {
        let number = self.state.borrow().connections;
        self.state.send_modify(|state| state.connections += 1);
        ProxiedConnection { number, client }
    }

    async fn forward(&self, client: TcpStream, connection: ProxiedConnection) {
        let Some(server) = self.connect(connection).await else { return };
        // Only a test may delay bytes. These calls fail only if the connection is gone, and then reading fails, too.
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.forward_one_way(from_client, to_server, Direction::ToServer, connection) => {}
            () = self.forward_one_way(from_server, to_client, Direction::ToClient, connection) => {}
        }
    }

    /// Connects to an upstream. `None` closes the client's connection.
    async fn connect(&self, connection: ProxiedConnection) -> Option<TcpStream> {
        let mut changes = self.state.subscribe();
        if changes.borrow().is_partitioned_from(connection) {
            // The client waits for its connection until the partition heals, and has to connect again then.
            let _ = changes.wait_for(|state| !state.is_partitioned_from(connection)).await;
            return None;
        }
        if changes.borrow().is_refusing {
            return None;
        }
        let mut upstreams = changes.borrow().upstreams.clone();
        upstreams.shuffle(&mut rand::rng());
        TcpStream::connect(&*upstreams).await.ok()
    }

    /// Forwards all bytes of one direction, and the end of the connection.
    async fn forward_one_way(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        direction: Direction,
        connection: ProxiedConnection,
    ) {
        let (chunks, mut received) = mpsc::channel(MAX_CHUNKS);
        let reading = async move {
            let mut bytes = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = from.read(&mut bytes).await {
                (self.tap)(&self.state, direction, &bytes[..length]);
                let due = Instant::now() + self.state.borrow().delay_of(direction);
                if chunks.send((due, bytes[..length].to_vec())).await.is_err() {
                    return;
                }
            }
        };
        let writing = async move {
            while let Some((due, bytes)) = received.recv().await {
                // A tokio timer takes a millisecond even if it is due already, so none is used then.
                if due > Instant::now() {
                    sleep_until(due).await;
                }
                let mode = self.wait_until_released(connection, direction).await;
                if mode == ProxyMode::Pass && to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            self.wait_until_released(connection, direction).await;
        };
        tokio::join!(reading, writing);
    }

    /// Waits while the mode is `Hold`, and returns the mode after it.
    async fn wait_until_released(&self, connection: ProxiedConnection, direction: Direction) -> ProxyMode {
        let mut changes = self.state.subscribe();
        let released = changes.wait_for(|state| state.mode_of(connection, direction) != ProxyMode::Hold).await;
        released.expect("self.state is the sender").mode_of(connection, direction)
    }
}
