//! A hop on the way between processes, which passes connections on, or breaks them as networks do.

use std::net::SocketAddr;

use rand::seq::SliceRandom;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Debug, Default)]
struct State {
    /// Where connections go: any of these that takes them.
    targets: Vec<SocketAddr>,
    refusing: bool,
    /// Connections so far; each has its number.
    connections: usize,
    /// Those with lower numbers are cut.
    cut: usize,
    /// Those with lower numbers carry nothing any more.
    stalled: usize,
}

/// An address before others: a proxy, a load balancer, a firewall.
#[derive(Debug)]
pub struct Hop {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Hop {
    /// One that leads to any of these, on 127.0.0.1.
    pub async fn to(targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = watch::Sender::new(State { targets, ..State::default() });
        tokio::spawn(accept(listener, state.clone()));
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections there from now on.
    pub fn lead_to(&self, targets: Vec<SocketAddr>) {
        self.state.send_modify(|state| state.targets = targets);
    }

    /// Closes every connection; new ones pass.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = state.connections);
    }

    /// Closes every connection and refuses new ones, until [`Hop::mend`].
    pub fn close(&self) {
        self.state.send_modify(|state| (state.refusing, state.cut) = (true, state.connections));
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.refusing = false);
    }

    /// From now on nothing comes through the connections that there are, and nothing tells so: a firewall
    /// has forgotten them. New ones pass.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled = state.connections);
    }
}

async fn accept(listener: TcpListener, state: watch::Sender<State>) {
    while let Ok((near, _)) = listener.accept().await {
        let number = state.borrow().connections;
        state.send_modify(|state| state.connections += 1);
        tokio::spawn(pass_on(near, number, state.subscribe()));
    }
}

async fn pass_on(near: TcpStream, number: usize, mut state: watch::Receiver<State>) {
    let mut targets = if state.borrow().refusing { vec![] } else { state.borrow().targets.clone() };
    targets.shuffle(&mut rand::rng());
    let Ok(far) = TcpStream::connect(&*targets).await else { return };
    // What passes is to be late by nothing but what a drill does to it.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let (there, back) = (state.clone(), state.clone());
    tokio::select! {
        _ = state.wait_for(|state| number < state.cut) => {}
        () = carry(from_near, to_far, number, there) => {}
        () = carry(from_far, to_near, number, back) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: usize,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        // For ever, where it is stalled.
        let passes = state.wait_for(|state| number >= state.stalled).await.is_ok();
        if !passes || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

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
        let hop = Hop::to(vec![echo().await]).await;
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
        hop.cut();
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
    }

    #[tokio::test]
    async fn what_is_closed_refuses_until_it_is_mended() {
        let hop = Hop::to(vec![echo().await]).await;
        hop.close();
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(!says_again(&mut stream).await);
        hop.mend();
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
    }

    #[tokio::test]
    async fn what_is_stalled_says_nothing_of_it() {
        let hop = Hop::to(vec![echo().await]).await;
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
        hop.stall();
        // Nothing can be awaited that doesn't happen.
        assert!(timeout(Duration::from_millis(200), says_again(&mut stream)).await.is_err());
        let mut stream = TcpStream::connect(hop.address()).await.unwrap();
        assert!(says_again(&mut stream).await);
    }

    #[tokio::test]
    async fn whoever_does_not_take_connections_is_passed_over() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let hop = Hop::to(vec![free, echo().await]).await;
        for _ in 0..8 {
            let mut stream = TcpStream::connect(hop.address()).await.unwrap();
            assert!(says_again(&mut stream).await);
        }
    }
}
