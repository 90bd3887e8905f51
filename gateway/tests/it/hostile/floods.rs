//! Peers that never stop.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::*;

/// How much longer than usual a login may take meanwhile, at most. A test's processes share few cores.
const SOON: Duration = Duration::from_secs(2);

/// Sends the same bytes over and over, from a thread of its own.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// Over a socket that has sent `first`.
    async fn over(mut raw: Raw, first: &[u8], bytes: Vec<u8>) -> Self {
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
                    // The gateway has had enough.
                    Err(_) => break,
                }
            }
            sent
        });
        Self { stop, thread }
    }

    /// Stops it; how many bytes it got rid of.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The logins of pages that behave arrive as ever, one after another.
async fn logins_arrive(world: &World) {
    for _ in 0..20 {
        let login = async { Bystander::watching(world).await.logs_in(world).await };
        tokio::time::timeout(SOON, login).await.expect("a login soon");
    }
}

/// Whole frames of the same kind.
fn many(frame: &[u8]) -> Vec<u8> {
    frame.repeat(64 * 1024 / frame.len())
}

// The runtime of these tests has one thread: who kept it would keep it from everybody.

#[tokio::test]
async fn pings_without_end_keep_nobody_waiting() {
    let world = World::new().await;
    let (scene, empty) = (world.scene().await, frame_of(FIN | PING, b""));
    let flood = Flood::over(page(&world).await, &resume_of(&scene.key), many(&empty)).await;
    logins_arrive(&world).await;
    assert!(flood.stop() > 0);
}

#[tokio::test]
async fn fragments_without_end_keep_nobody_waiting() {
    let world = World::new().await;
    let begun = [resume_of(&world.scene().await.key), frame_of(TEXT, b"")].concat();
    let flood = Flood::over(page(&world).await, &begun, many(&frame_of(CONTINUE, b""))).await;
    logins_arrive(&world).await;
    assert!(flood.stop() > 0);
}

#[tokio::test]
async fn garbage_after_a_violation_keeps_nobody_waiting_and_ends() {
    let world = World::new().await;
    let flood = Flood::over(page(&world).await, &frame_of(FIN | BINARY, b""), vec![0xff; 64 * 1024]).await;
    logins_arrive(&world).await;
    until("it is cut", async || flood.thread.is_finished()).await;
}

#[tokio::test]
async fn who_asks_without_reading_the_answers_is_cut() {
    let world = World::new().await;
    // With little room at its end, for the kernel to keep less of what it doesn't read.
    let mut page = Raw::connect_narrow(world.address).await.unwrap();
    page.send(&resume_of(&world.scene().await.key)).await;
    // Of those that are read at once the last is answered.
    let ping = frame_of(FIN | PING, &[b'?'; 125]);
    let asking = async {
        while page.send(&ping).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(6 * PATIENCE, asking).await.expect("it is cut");
    until("it is let go of", async || world.bus.held() == 0).await;
}

#[tokio::test]
async fn hundreds_that_never_say_anything_whole_keep_nobody_waiting() {
    let world = World::new().await;
    let mut held = vec![];
    for n in 0..300 {
        let mut page = super::page(&world).await;
        page.send(&announced(FIN | TEXT, 4096)).await;
        page.send(&vec![b'x'; n % 4096]).await;
        held.push(page);
    }
    logins_arrive(&world).await;
    for mut page in held {
        assert_eq!(closed(&mut page).await, Some(1008), "within the time of a first frame");
    }
}
