//! A way to Redis on which answers take their time.

use std::{net::SocketAddr, time::Duration};

use scenecast_shared::testing::RedisServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// How far Redis is.
pub(crate) struct Distance {
    pub(super) address: SocketAddr,
    delay: watch::Sender<Duration>,
}

impl Distance {
    pub(super) async fn to(redis: &RedisServer) -> Self {
        let redis = redis.url().strip_prefix("redis://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (delay, delays) = watch::channel(Duration::ZERO);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&redis).await else { continue };
                let ((mut from_near, to_near), (from_far, mut to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(async move { copy(&mut from_near, &mut to_far).await });
                tokio::spawn(carry_late(from_far, to_near, delays.clone()));
            }
        });
        Self { address, delay }
    }

    /// Each answer of Redis takes so long from now on.
    pub(crate) fn set(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

/// What comes is late, and doesn't keep what comes after it waiting any longer.
async fn carry_late(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: watch::Receiver<Duration>) {
    let (on_the_way, mut arriving) = mpsc::unbounded_channel();
    let leaving = async move {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let due = Instant::now() + *delay.borrow();
            on_the_way.send((due, bytes[..length].to_vec())).unwrap();
        }
    };
    let arriving = async move {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = leaving => {}
        () = arriving => {}
    }
}
