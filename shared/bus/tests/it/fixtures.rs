//! The scenes, people and deliveries that tests speak of.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, StreamExt, stream};
use scenecast_bus::{BusError, BusUrl, Mailbox, Notice, SceneReader, SceneWriter, Watch};
use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_scene::{
    Acceptance, AccountName, Binding, Cause, DeliveryId, Event, EventKind, Grant, Opening, PageInfo, Person, Profile,
    SceneId, SceneSnapshot, Settled, Transition,
};
pub(crate) use scenecast_testing::until;
use tokio::time::timeout;

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LIFE: Duration = Duration::from_secs(120);
pub(crate) const GRANT_LIFE: Duration = Duration::from_secs(60);

/// A scene for each number.
pub(crate) fn scene(number: u128) -> SceneId {
    URL_SAFE_NO_PAD.encode(number.to_be_bytes()).parse().unwrap()
}

/// The name of a scene's hash in Redis, and of its channel.
pub(crate) fn name(scene: SceneId) -> String {
    format!("wx:{scene}")
}

pub(crate) fn account() -> AccountName {
    "demo".parse().unwrap()
}

pub(crate) fn opening() -> Opening {
    let page = PageInfo { host: Some("shop.example.com".to_owned()), ..PageInfo::default() };
    Opening { account: account(), binding: Some(Binding::of("session")), page, life: LIFE }
}

pub(crate) fn person(name: &str) -> Person {
    let profile = Profile { name: name.to_owned(), avatar: String::new() };
    Person { account: account(), openid: name.parse().unwrap(), unionid: None, profile }
}

pub(crate) fn acceptance(grant: &Grant, who: &str) -> Acceptance {
    Acceptance { person: person(who), grant: grant.clone(), life: GRANT_LIFE, typed: false, registered: false }
}

pub(crate) fn scan(who: &str) -> Transition {
    Transition::Scan { account: account(), person: person(who), numbers: None }
}

pub(crate) fn confirm(grant: &Grant, who: &str) -> Transition {
    Transition::Confirm { account: account(), login: acceptance(grant, who), picked: None }
}

pub(crate) fn log_in(grant: &Grant, who: &str) -> Transition {
    Transition::LogIn { account: account(), login: acceptance(grant, who) }
}

/// A delivery with this name.
pub(crate) fn cause(name: &str) -> Cause {
    Cause { delivery: DeliveryId::of(&[name]), received_at: 1_800_000_000_000, traceparent: None }
}

/// Settles what has to be applied.
pub(crate) async fn apply(bus: &Bus, scene: SceneId, delivery: &str, transition: &Transition) {
    let settled = bus.settle(scene, &cause(delivery), transition).await.unwrap();
    assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
}

/// Settles as WeChat's redelivery does: with the same delivery, until there is an answer.
pub(crate) async fn settle_again(bus: &Bus, scene: SceneId, delivery: &str, transition: Transition) -> Settled {
    let answered = async {
        loop {
            match bus.settle(scene, &cause(delivery), &transition).await {
                Err(BusError::Undecided(_) | BusError::TimedOut) => {}
                answer => break answer,
            }
        }
    };
    let settled = timeout(PATIENCE, answered).await.expect("an answer").unwrap();
    assert!(matches!(settled, Settled::Applied(_) | Settled::Repeated(_)), "{settled:?}");
    settled
}

/// Both halves of a bus, or the writer's alone.
#[derive(Clone)]
pub(crate) struct Bus {
    reader: Option<SceneReader>,
    writer: SceneWriter,
}

impl Bus {
    fn reader(&self) -> &SceneReader {
        self.reader.as_ref().expect("a callback doesn't read")
    }

    pub(crate) async fn open(&self, scene: SceneId, opening: &Opening) -> Result<bool, BusError> {
        self.writer.open(scene, opening).await
    }

    pub(crate) async fn settle(&self, scene: SceneId, cause: &Cause, step: &Transition) -> Result<Settled, BusError> {
        self.writer.settle(scene, cause, step).await
    }

    pub(crate) async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, BusError> {
        self.writer.snapshot(scene).await
    }

    pub(crate) async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        self.reader().watch(scene, after).await
    }

    pub(crate) async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        self.reader().read(scene).await
    }

    pub(crate) fn watched_scenes(&self) -> usize {
        self.reader().watched_scenes()
    }
}

/// A pod that watches and settles, over connections of its own, with its metrics.
pub(crate) fn pod(url: &str) -> (Bus, Metrics) {
    pod_at(&url.parse().unwrap())
}

pub(crate) fn pod_at(url: &BusUrl) -> (Bus, Metrics) {
    let metrics = Metrics::new();
    let (reader, writer) = match connect(url, &metrics) {
        None => scenecast_bus::in_memory(),
        Some(redis) => (SceneReader::over(&redis, &metrics), SceneWriter::over(&redis)),
    };
    (Bus { reader: Some(reader), writer }, metrics)
}

/// A pod that settles and never subscribes.
pub(crate) fn callback(url: &str) -> (Bus, Metrics) {
    callback_at(&url.parse().unwrap())
}

pub(crate) fn callback_at(url: &BusUrl) -> (Bus, Metrics) {
    let metrics = Metrics::new();
    let redis = connect(url, &metrics).expect("a callback of its own needs a Redis");
    (Bus { reader: None, writer: SceneWriter::over(&redis) }, metrics)
}

fn connect(url: &BusUrl, metrics: &Metrics) -> Option<Redis> {
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    match url {
        BusUrl::Memory => None,
        BusUrl::Redis(address) => Some(Redis::connect(address, metrics)),
    }
}

/// The next notice of what happens to the scene.
pub(crate) async fn notice(watch: &mut Watch) -> Notice {
    loop {
        match any_notice(watch).await {
            Notice::Interrupted | Notice::Resumed => {}
            notice => return notice,
        }
    }
}

/// The next notice.
pub(crate) async fn any_notice(watch: &mut Watch) -> Notice {
    timeout(PATIENCE, watch.next()).await.expect("a notice")
}

pub(crate) async fn event(watch: &mut Watch) -> Event {
    match notice(watch).await {
        Notice::Event(event) => Event::clone(&event),
        other => panic!("instead of an event: {other:?}"),
    }
}

/// Does this for each of so many scenes, some at a time.
pub(crate) async fn each<T, F: Future<Output = T>>(scenes: u128, work: impl FnMut(u128) -> F) -> Vec<T> {
    stream::iter((0..scenes).map(work)).buffered(256).collect().await
}

/// Opens and watches so many scenes.
pub(crate) async fn hold(scenes: u128, bus: &Bus) -> Vec<Watch> {
    each(scenes, |n| async move {
        bus.open(scene(n), &opening()).await.unwrap();
        bus.watch(scene(n), 0).await.unwrap().0
    })
    .await
}

/// The next event's kind, in a word.
pub(crate) async fn heard(watch: &mut Watch) -> &'static str {
    match event(watch).await.what {
        EventKind::Scanned(_) => "scanned",
        EventKind::Confirmed(_) => "confirmed",
        EventKind::Declined => "declined",
        EventKind::Cancelled => "cancelled",
    }
}

#[track_caller]
pub(crate) fn hears_nothing(watch: &mut Watch) {
    assert_eq!(watch.next().now_or_never(), None);
}
