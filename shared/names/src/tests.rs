//! Name servers that are slow, or away. The clock is tokio's, so nothing here waits.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use scenecast_testing::LogText;
use tokio::time::sleep;

use super::*;

const OLD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const NEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// What a name server does with one question.
#[derive(Clone, Copy)]
enum Answer {
    After(u64, IpAddr),
    Fails,
    Empty,
    Never,
}

/// A name server that answers one question after the other so, and how often it was asked.
struct NameServer {
    names: NameResolver,
    asked: Arc<AtomicUsize>,
}

fn name_server(answers: &[Answer]) -> NameServer {
    let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let names = NameResolver::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let answer = answers.lock().pop_front().unwrap();
        async move {
            match answer {
                Answer::After(ms, address) => {
                    sleep(Duration::from_millis(ms)).await;
                    Ok(vec![address])
                }
                Answer::Fails => Err(io::Error::other("the name server says no")),
                Answer::Empty => Ok(vec![]),
                Answer::Never => std::future::pending().await,
            }
        }
    });
    NameServer { names, asked }
}

impl NameServer {
    /// The first address, and after how many milliseconds it was there.
    async fn ask(&self) -> (Option<IpAddr>, u128) {
        let began = Instant::now();
        let found = self.names.resolve("callback").await;
        (found.ok().map(|addresses| addresses[0]), began.elapsed().as_millis())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_look_up_of_five_seconds_is_waited_for_by_all_together() {
    let server = name_server(&[Answer::After(5000, OLD)]);
    let (one, other, known) =
        tokio::join!(server.ask(), server.ask(), async { server.names.wait_until_known("callback").await.is_ok() });
    assert_eq!((one, other, known), ((Some(OLD), 5000), (Some(OLD), 5000), true));
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_goes_on_when_its_caller_leaves() {
    let server = name_server(&[Answer::After(5000, OLD)]);
    assert!(timeout(Duration::from_secs(2), server.ask()).await.is_err());
    assert_eq!(server.ask().await, (Some(OLD), 3000));
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_address_is_used_while_the_name_server_is_slow_or_away() {
    let server = name_server(&[
        Answer::After(1, OLD),
        Answer::After(5000, NEW),
        Answer::Fails,
        Answer::Empty,
        Answer::After(2, OLD),
        Answer::Never,
    ]);
    assert_eq!(server.ask().await, (Some(OLD), 1));
    assert_eq!(server.ask().await, (Some(OLD), 250), "slow");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(server.ask().await, (Some(NEW), 0), "the name server refuses, after the slow answer came");
    assert_eq!(server.ask().await, (Some(NEW), 0), "the name has no address any more");
    assert_eq!(server.ask().await, (Some(OLD), 2), "an address that changed is used at once");
    for _ in 0..3 {
        assert_eq!(server.ask().await, (Some(OLD), 250), "away");
    }
    server.names.wait_until_known("callback").await.unwrap();
    assert_eq!(server.asked(), 6, "it isn't asked again while it is away");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_never_found_fails_with_its_reason() {
    let server = name_server(&[Answer::Fails, Answer::Empty, Answer::Never]);
    for reason in ["the name server says no", "has no address", "takes too long"] {
        let error = server.names.wait_until_known("callback").await.unwrap_err().to_string();
        assert!(error.starts_with("name resolution of callback") && error.contains(reason), "{error}");
    }
    assert_eq!(server.ask().await, (None, 15_000));
}

#[tokio::test(start_paused = true)]
async fn the_log_says_when_look_ups_begin_to_fail_or_be_slow_and_when_they_work_again() {
    let log = LogText::default();
    let _logged = tracing::subscriber::set_default(log.subscriber());
    let (good, slow) = (Answer::After(1, OLD), Answer::After(5000, OLD));
    let mut answers = vec![good, good];
    answers.extend([Answer::Fails, Answer::Empty, Answer::Fails, good, good]);
    answers.extend([slow, slow, slow, good, good]);
    let server = name_server(&answers);
    for _ in 0..answers.len() {
        server.ask().await;
        sleep(Duration::from_secs(10)).await;
    }
    let log = log.text();
    let said: Vec<_> = log.lines().map(|line| line.split("name resolution of a server ").nth(1).unwrap()).collect();
    assert!(
        matches!(&*said, [failed, again, longer, quick] if failed.starts_with("failed")
            && longer.starts_with("takes longer")
            && [again, quick].iter().all(|line| line.starts_with("works again"))),
        "{log}"
    );
}

#[tokio::test]
async fn the_system_knows_this_machine_and_addresses_need_no_name_server() {
    let found = NameResolver::system().resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    assert_eq!(*name_server(&[]).names.resolve("10.0.0.2").await.unwrap(), [NEW]);
    assert_eq!(*name_server(&[]).names.resolve("::1").await.unwrap(), [IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
    // So long a label that the system asks no name server.
    let nobody = "x".repeat(64);
    let error = NameResolver::system().resolve(&nobody).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("name resolution of {nobody} failed")), "{error}");
}
