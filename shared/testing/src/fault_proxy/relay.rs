//! What a hop does with connections, and with what comes on them.

use rand::seq::SliceRandom;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::fault_proxy::proxy::{Direction, FaultProxy, ProxiedConnection, ProxyMode, Tap};

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// How many of these wait, beyond which whoever sends has to.
const CHUNKS: usize = 64;

impl FaultProxy {
    pub(crate) async fn accept(self, listener: TcpListener, tap: Tap) {
        while let Ok((near, peer)) = listener.accept().await {
            let connection = ProxiedConnection { number: self.connections(), from: peer.ip() };
            self.state.send_modify(|state| state.connections += 1);
            let (hop, tap) = (self.clone(), tap.clone());
            tokio::spawn(async move {
                let mut cut = hop.state.subscribe();
                tokio::select! {
                    // First, so that nothing that was held slips through.
                    biased;
                    _ = cut.wait_for(|state| connection.number < state.cut) => {}
                    () = hop.pass_on(near, connection, &tap) => {}
                }
            });
        }
    }

    async fn pass_on(&self, near: TcpStream, connection: ProxiedConnection, tap: &Tap) {
        let Some(far) = self.connect(connection).await else { return };
        // What passes is to be late by nothing but what a test does to it.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = self.carry(from_near, to_far, Direction::ToServer, connection, tap) => {}
            () = self.carry(from_far, to_near, Direction::ToClient, connection, tap) => {}
        }
    }

    /// Where this connection goes on to, if anywhere.
    async fn connect(&self, connection: ProxiedConnection) -> Option<TcpStream> {
        let mut changes = self.state.subscribe();
        if changes.borrow().is_divided_from(connection) {
            // Whoever has been waiting for so long knocks again.
            let _ = changes.wait_for(|state| !state.is_divided_from(connection)).await;
            return None;
        }
        let mut targets = if changes.borrow().refusing { vec![] } else { changes.borrow().targets.clone() };
        targets.shuffle(&mut rand::rng());
        TcpStream::connect(&*targets).await.ok()
    }

    /// Carries what comes this way until it ends, and its end, too.
    async fn carry(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        way: Direction,
        connection: ProxiedConnection,
        tap: &Tap,
    ) {
        let (on_the_way, mut arriving) = mpsc::channel(CHUNKS);
        let leaving = async move {
            let mut bytes = vec![0; CHUNK];
            while let Ok(length @ 1..) = from.read(&mut bytes).await {
                tap(self, way, &bytes[..length]);
                let due = Instant::now() + self.state.borrow().delay_of(way);
                if on_the_way.send((due, bytes[..length].to_vec())).await.is_err() {
                    return;
                }
            }
        };
        let arriving = async move {
            while let Some((due, bytes)) = arriving.recv().await {
                // A timer, even of no time, takes a millisecond.
                if due > Instant::now() {
                    sleep_until(due).await;
                }
                if self.until_released(connection, way).await == ProxyMode::Pass && to.write_all(&bytes).await.is_err()
                {
                    return;
                }
            }
            self.until_released(connection, way).await;
        };
        tokio::join!(leaving, arriving);
    }

    /// What becomes of what has waited, once it needn't any more.
    async fn until_released(&self, connection: ProxiedConnection, way: Direction) -> ProxyMode {
        let mut changes = self.state.subscribe();
        let released = changes.wait_for(|state| state.flow_of(connection, way) != ProxyMode::Hold).await;
        released.expect("this hop's own state is there").flow_of(connection, way)
    }
}
