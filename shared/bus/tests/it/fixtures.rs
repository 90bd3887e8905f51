//! Pods, scenes, people and deliveries for the tests.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, StreamExt, stream};
use scenecast_bus::{BusError, BusUrl, Mailbox, Notice, Replacement, SceneReader, SceneWriter, SettledAlong, Watch};
use scenecast_metrics::Metrics;
use scenecast_names::NameResolver;
use scenecast_redis::Redis;
pub(crate) use scenecast_scene::testing::{GRANT_LIFE, acceptance, account, confirm, log_in, person, scan};
use scenecast_scene::{
    Binding, Cause, DeliveryId, Event, EventKind, NewScene, PageInfo, SceneId, SceneSnapshot, Settled, Transition,
};
use scenecast_testing::KeptLog;
pub(crate) use scenecast_testing::until;
use tokio::time::timeout;

/// How long a test waits for something that must happen.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(20);

pub(crate) const SCENE_LIFE: Duration = Duration::from_secs(120);

/// The scene with this number.
pub(crate) fn scene(number: u128) -> SceneId {
    URL_SAFE_NO_PAD.encode(number.to_be_bytes()).parse().unwrap()
}

/// The key of a scene's hash in Redis, and the name of its channel.
pub(crate) fn redis_name(scene: SceneId) -> String {
    format!("wx:{scene}")
}

pub(crate) fn opening() -> NewScene {
    let page = PageInfo { host: Some("shop.example.com".to_owned()), ..PageInfo::default() };
    NewScene { account: account(), binding: Some(Binding::of("session")), page, life: SCENE_LIFE, traceparent: None }
}

/// A delivery of WeChat, identified by this name.
pub(crate) fn cause(name: &str) -> Cause {
    Cause { delivery: DeliveryId::of(&[name]), received_at: 1_800_000_000_000, traceparent: None }
}

/// Settles, and checks that it was applied.
pub(crate) async fn apply(bus: &TestBus, scene: SceneId, delivery: &str, transition: &Transition) {
    let settled = bus.settle(scene, &cause(delivery), transition).await.unwrap();
    assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
}

/// Settles the same delivery again and again until there is an answer, as WeChat does.
pub(crate) async fn settle_until_answered(
    bus: &TestBus,
    scene: SceneId,
    delivery: &str,
    transition: Transition,
) -> Settled {
    let answered = async {
        loop {
            match bus.settle(scene, &cause(delivery), &transition).await {
                Err(BusError::Undecided(_) | BusError::TimedOut) => {}
                answer => break answer,
            }
        }
    };
    let settled = timeout(WAIT_LIMIT, answered).await.expect("the settle is answered in time").unwrap();
    assert!(matches!(settled, Settled::Applied(_) | Settled::Repeated(_)), "{settled:?}");
    settled
}

/// The bus of one pod. A callback has only the writer.
#[derive(Clone)]
pub(crate) struct TestBus {
    reader: Option<SceneReader>,
    writer: SceneWriter,
}

impl TestBus {
    fn reader(&self) -> &SceneReader {
        self.reader.as_ref().expect("only a pod with a reader is asked to read")
    }

    pub(crate) async fn open(&self, scene: SceneId, opening: &NewScene) -> Result<bool, BusError> {
        self.writer.open(scene, opening).await
    }

    pub(crate) async fn settle(&self, scene: SceneId, cause: &Cause, step: &Transition) -> Result<Settled, BusError> {
        self.writer.settle(scene, cause, step).await
    }

    pub(crate) async fn settle_along(
        &self,
        scene: SceneId,
        cause: &Cause,
        step: &Transition,
        along: &Replacement,
    ) -> Result<SettledAlong, BusError> {
        self.writer.settle_along(scene, cause, step, Some(along)).await
    }

    pub(crate) async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, BusError> {
        self.writer.snapshot(scene).await
    }

    pub(crate) async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        self.reader().watch(scene, after).await
    }

    pub(crate) async fn watch_unseen(&self, scene: SceneId) -> Result<Watch, BusError> {
        self.reader().watch_unseen(scene).await
    }

    pub(crate) async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        self.reader().read(scene).await
    }

    pub(crate) fn watched_scenes(&self) -> usize {
        self.reader().watched_scenes()
    }
}

/// A pod that watches and settles, with connections and metrics of its own.
pub(crate) fn pod(url: &str) -> (TestBus, Metrics) {
    pod_at(&url.parse().unwrap())
}

pub(crate) fn pod_at(url: &BusUrl) -> (TestBus, Metrics) {
    let metrics = Metrics::new();
    let (reader, writer) = match connect(url, &metrics) {
        None => scenecast_bus::in_memory(),
        Some(redis) => (SceneReader::over(&redis, &metrics), SceneWriter::over(&redis)),
    };
    (TestBus { reader: Some(reader), writer }, metrics)
}

/// A pod that settles and doesn't subscribe.
pub(crate) fn callback(url: &str) -> (TestBus, Metrics) {
    callback_at(&url.parse().unwrap())
}

pub(crate) fn callback_at(url: &BusUrl) -> (TestBus, Metrics) {
    let metrics = Metrics::new();
    let redis = connect(url, &metrics).expect("a callback pod needs Redis");
    (TestBus { reader: None, writer: SceneWriter::over(&redis) }, metrics)
}

/// A pod that watches and settles, and looks names up so.
pub(crate) fn pod_with_names(url: &str, names: NameResolver) -> (TestBus, Metrics) {
    KeptLog::start("info,fred=error");
    let metrics = Metrics::new();
    let redis = Redis::connect_with_names(&url.parse().unwrap(), &metrics, names);
    let (reader, writer) = (SceneReader::over(&redis, &metrics), SceneWriter::over(&redis));
    (TestBus { reader: Some(reader), writer }, metrics)
}

fn connect(url: &BusUrl, metrics: &Metrics) -> Option<Redis> {
    KeptLog::start("info,fred=error");
    match url {
        BusUrl::Memory => None,
        BusUrl::Redis(address) => Some(Redis::connect(address, metrics)),
    }
}

/// The next notice about the scene; skips those about the connection to Redis.
pub(crate) async fn next_notice(watch: &mut Watch) -> Notice {
    loop {
        match next_notice_of_any_kind(watch).await {
            Notice::Interrupted | Notice::Resumed => {}
            notice => return notice,
        }
    }
}

/// The next notice, including those about the connection to Redis.
pub(crate) async fn next_notice_of_any_kind(watch: &mut Watch) -> Notice {
    timeout(WAIT_LIMIT, watch.next()).await.expect("a notice comes in time")
}

/// The next notice about the scene, which must be an event.
pub(crate) async fn next_event(watch: &mut Watch) -> Event {
    match next_notice(watch).await {
        Notice::Event(event) => Event::clone(&event),
        other => panic!("expected an event, got {other:?}"),
    }
}

/// Does the work for the scenes 0 to `scenes` - 1, up to 256 at the same time.
pub(crate) async fn for_each_scene<T, F: Future<Output = T>>(scenes: u128, work: impl FnMut(u128) -> F) -> Vec<T> {
    stream::iter((0..scenes).map(work)).buffered(256).collect().await
}

/// Opens and watches the scenes 0 to `scenes` - 1.
pub(crate) async fn open_and_watch(scenes: u128, bus: &TestBus) -> Vec<Watch> {
    for_each_scene(scenes, |n| async move {
        bus.open(scene(n), &opening()).await.unwrap();
        bus.watch(scene(n), 0).await.unwrap().0
    })
    .await
}

/// The kind of the next event.
pub(crate) async fn next_event_kind(watch: &mut Watch) -> &'static str {
    match next_event(watch).await.what {
        EventKind::Scanned(_) => "scanned",
        EventKind::Confirmed(_) => "confirmed",
        EventKind::Declined => "declined",
        EventKind::Cancelled => "cancelled",
    }
}

#[track_caller]
pub(crate) fn assert_no_notice(watch: &mut Watch) {
    assert_eq!(watch.next().now_or_never(), None);
}
