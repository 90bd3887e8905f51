//! Peers that send without end.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use scenecast_browsers::raw_websocket::{
    BINARY, CONTINUE, FIN, PING, RawWebSocket, TEXT, announced, frame_of, resume_of,
};
use scenecast_testing::until;

use super::{Bystander, raw_close_code, raw_socket};
use crate::fixtures::{GatewayWorld, PATIENCE};

/// The longest time of a login meanwhile. The tests share few cores.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends the same bytes over and over, from a thread of its own.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// A flood over a socket that sends `first` before it.
    async fn over(mut raw: RawWebSocket, first: &[u8], bytes: Vec<u8>) -> Self {
        raw.send(first).await;
        let mut stream = raw.into_stream().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                match stream.write(&bytes) {
                    Ok(written) => sent += written as u64,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    // The gateway has closed the socket.
                    Err(_) => break,
                }
            }
            sent
        });
        Self { stop, thread }
    }

    /// Stops it. Returns how many bytes it sent.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Checks that other pages get their logins in time.
async fn logins_arrive(world: &GatewayWorld) {
    for _ in 0..20 {
        let login = async { Bystander::watching(world).await.gets_login(world).await };
        tokio::time::timeout(LOGIN_TIMEOUT, login).await.expect("a login in time");
    }
}

/// A buffer full of copies of a frame.
fn repeated(frame: &[u8]) -> Vec<u8> {
    frame.repeat(64 * 1024 / frame.len())
}

// The runtime of these tests has one thread. A task that kept it busy would delay all others.

#[tokio::test]
async fn endless_pings_delay_no_other_page() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let empty = frame_of(FIN | PING, b"");
    let flood = Flood::over(raw_socket(&world).await, &resume_of(&scene.key), repeated(&empty)).await;
    logins_arrive(&world).await;
    assert!(flood.stop() > 0);
}

#[tokio::test]
async fn endless_fragments_delay_no_other_page() {
    let world = GatewayWorld::new().await;
    let begun = [resume_of(&world.scene().await.key), frame_of(TEXT, b"")].concat();
    let flood = Flood::over(raw_socket(&world).await, &begun, repeated(&frame_of(CONTINUE, b""))).await;
    logins_arrive(&world).await;
    assert!(flood.stop() > 0);
}

#[tokio::test]
async fn endless_garbage_after_a_protocol_error_delays_no_other_page_and_is_cut_off() {
    let world = GatewayWorld::new().await;
    let flood = Flood::over(raw_socket(&world).await, &frame_of(FIN | BINARY, b""), vec![0xff; 64 * 1024]).await;
    logins_arrive(&world).await;
    until("it is cut off", async || flood.thread.is_finished()).await;
}

#[tokio::test]
async fn a_peer_that_sends_pings_without_reading_the_answers_is_cut_off() {
    let world = GatewayWorld::new().await;
    // A small receive buffer, so that the kernel buffers little of what the peer doesn't read.
    let mut page = RawWebSocket::connect_narrow(world.address).await.unwrap();
    page.send(&resume_of(&world.scene().await.key)).await;
    // The gateway answers only the last of several pings that arrive together.
    let ping = frame_of(FIN | PING, &[b'?'; 125]);
    let pinging = async {
        while page.send(&ping).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(6 * PATIENCE, pinging).await.expect("it is cut off");
    world.watches(0).await;
}

#[tokio::test]
async fn hundreds_of_incomplete_frames_delay_no_other_page() {
    let world = GatewayWorld::new().await;
    let mut held = vec![];
    for n in 0..300 {
        let mut page = raw_socket(&world).await;
        page.send(&announced(FIN | TEXT, 4096)).await;
        page.send(&vec![b'x'; n % 4096]).await;
        held.push(page);
    }
    logins_arrive(&world).await;
    for mut page in held {
        assert_eq!(raw_close_code(&mut page).await, Some(1008), "the time for a first frame is over");
    }
}
