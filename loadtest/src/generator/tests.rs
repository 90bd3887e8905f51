//! Tests of the generator, at a target without a network.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scenecast_scene::{OpenId, SceneId};
use scenecast_testing::until;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Generator, RunRecorder, generator_state::GeneratorState, pages::keep_page};
use crate::{
    ledger::{PhoneResult, Redemption},
    plan::{LoginPlan, PageStages, Phase, RateCurve, Segment},
    results::{Funnel, TargetInfo},
    targets::{
        Heard, LoginTarget, OpenedPage, PageError, PageNews, PreciseTimer, ScenecastTarget, Seat, SourceAddresses,
        TargetPage, Triggered,
    },
};

/// A target that answers after a while, whatever it is asked.
#[derive(Clone, Default)]
struct StallingTarget {
    stall: Duration,
    /// The first opens fail, this many.
    failing_opens: Arc<AtomicU64>,
    reconnects: Arc<AtomicU64>,
    /// How many more logins each page hears than it should.
    more_logins: usize,
    /// Whether pages get a grant. It can be redeemed as often as one likes.
    grants: bool,
    /// The logins whose grant the site can redeem once more.
    redeemable: Arc<Mutex<Vec<SceneId>>>,
    /// Pages lose their connection as soon as they are open, and never get it back.
    leaves_after_opening: bool,
}

struct StalledPage {
    heard: mpsc::Receiver<Heard>,
    is_over: bool,
}

impl TargetPage for StalledPage {
    async fn hear(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => {
                self.is_over = true;
                heard
            }
            None if self.is_over => Heard::Disconnected,
            // Nobody can log this page in any more.
            None => pending().await,
        }
    }
}

impl LoginTarget for StallingTarget {
    type Page = StalledPage;
    type Trigger = mpsc::Sender<Heard>;

    fn info(&self) -> TargetInfo {
        TargetInfo::default()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<StalledPage, mpsc::Sender<Heard>>, PageError> {
        let fails = self.failing_opens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(PageError::Refused("crowded".to_owned()));
        }
        let (mut trigger, heard) = mpsc::channel(1 + self.more_logins);
        self.redeemable.lock().push(seat.scene());
        if self.leaves_after_opening {
            (trigger, _) = mpsc::channel(1);
        }
        Ok(OpenedPage { page: StalledPage { heard, is_over: self.leaves_after_opening }, trigger, scene: seat.scene() })
    }

    async fn redeem_again(&self, note: impl Fn(SceneId, Redemption) + Send + Sync) {
        self.redeemable.lock().iter().for_each(|scene| note(*scene, Redemption::Of("oAnn".parse().unwrap())));
    }

    async fn reconnect(&self, _: &mut StalledPage, _: Seat) -> Result<(), PageError> {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
        if self.leaves_after_opening { Err(PageError::Connection("refused".to_owned())) } else { Ok(()) }
    }

    async fn trigger(&self, page: mpsc::Sender<Heard>, planned: Instant, _: &PageNews) -> Option<Triggered> {
        let who: OpenId = "oAnn".parse().unwrap();
        let sent = Instant::now();
        tokio::time::sleep(self.stall).await;
        for _ in 0..=self.more_logins {
            let grant = self.grants.then(|| "grant".to_owned());
            page.send(Heard::Login { grant }).await.ok()?;
        }
        let (told, answered) = (PhoneResult::Accepted, Instant::now());
        Some(Triggered { who, planned, due: planned, sent, told_before: vec![], told, answered, problem: None })
    }
}

/// Twenty logins within a second.
fn plan() -> LoginPlan {
    LoginPlan {
        opens_per_second: 200.0,
        cool_down_seconds: 30.0,
        ..LoginPlan::plain(20, RateCurve::constant(20.0, 1.0))
    }
}

/// Runs a plan. Answers what is missing, and the recorder.
async fn run(target: StallingTarget, plan: LoginPlan) -> (Vec<String>, Arc<RunRecorder>) {
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs(1)));
    (run_until(target, plan, CancellationToken::new(), recorder.clone()).await, recorder)
}

/// Runs a plan until its end, or until it is stopped. Answers what is missing.
async fn run_until(
    target: StallingTarget,
    plan: LoginPlan,
    stop: CancellationToken,
    recorder: Arc<RunRecorder>,
) -> Vec<String> {
    let (sources, timer) = (SourceAddresses::ANY, PreciseTimer::start());
    let generator = Generator::new(target, plan, Segment::WHOLE, sources, timer, recorder, stop);
    generator.run().await
}

fn funnel(recorder: &RunRecorder) -> Funnel {
    let mut all = Funnel::default();
    recorder.by_phase().into_values().for_each(|(funnel, _)| all.add(&funnel));
    all
}

#[tokio::test]
async fn a_target_that_stalls_holds_up_no_login_and_no_login_is_left_out() {
    let stall = Duration::from_secs(2);
    let target = StallingTarget { stall, ..StallingTarget::default() };
    let (missing, recorder) = run(target, plan()).await;
    let funnel = funnel(&recorder);
    assert_eq!((missing.len(), funnel.planned, funnel.accepted, funnel.delivered), (0, 20, 20, 20));
    // The phones were told as late as the pages. What counts is when the logins were planned.
    assert_eq!(funnel.late, 20);
    assert_eq!(funnel.redeemed, 0, "a target without grants");
    recorder.look(|recorded| {
        let times = &recorded.timings.phases[&Phase::Load];
        assert!(times.response.min() >= stall.mul_f64(0.99), "{:?}", times.response.min());
        // In a closed loop the second login would be two seconds late already.
        assert!(times.lateness.percentile(50.0) < stall / 2, "{:?}", times.lateness.percentile(50.0));
        let phases: Vec<_> = recorded.windows.iter().map(|window| (window.phase, window.to.is_some())).collect();
        assert_eq!(phases, [(Phase::Ramp, true), (Phase::Load, true), (Phase::CoolDown, true)]);
    });
}

#[tokio::test]
async fn a_login_without_a_page_is_counted_and_a_failed_open_is_tried_again() {
    let target = StallingTarget { failing_opens: Arc::new(AtomicU64::new(3)), ..StallingTarget::default() };
    let (_, recorder) = run(target, LoginPlan { pages: 5, ..plan() }).await;
    let funnel = funnel(&recorder);
    assert_eq!((funnel.planned, funnel.without_page, funnel.delivered), (20, 15, 5));
    assert_eq!((funnel.asked, funnel.opened, funnel.problems["crowded"]), (8, 5, 3));
    assert_eq!(recorder.counts().failed_opens, 3);
    assert_eq!(recorder.counts().connected, 0);
}

#[tokio::test]
async fn pages_that_log_in_or_are_left_open_again_and_those_that_lose_their_connection_come_back() {
    let target = StallingTarget::default();
    let reconnects = target.reconnects.clone();
    let plan = LoginPlan { pages: 8, refill: true, leaves_per_second: 20.0, reconnects_per_second: 20.0, ..plan() };
    let (_, recorder) = run(target, plan).await;
    let funnel = funnel(&recorder);
    assert_eq!((funnel.planned, funnel.without_page), (20, 0));
    assert_eq!((funnel.delivered, funnel.lost), (20, 0), "{funnel:?}");
    // Whoever leaves as planned is no problem.
    assert!(funnel.left > 0 && funnel.problems.is_empty(), "{funnel:?}");
    assert!(funnel.opened > 28 && reconnects.load(Ordering::Relaxed) > 0, "{funnel:?}");
}

#[tokio::test]
async fn a_login_that_a_page_hears_twice_or_whose_grant_is_good_twice_is_doubled() {
    let heard_twice = StallingTarget { more_logins: 1, ..StallingTarget::default() };
    let (_, recorder) = run(heard_twice, plan()).await;
    let twice = funnel(&recorder);
    assert_eq!((twice.delivered, twice.doubled, twice.redeemed_again), (20, 20, 0));

    let good_twice = StallingTarget { grants: true, ..StallingTarget::default() };
    let (_, recorder) = run(good_twice, LoginPlan { redeemed_again_percent: 25.0, ..plan() }).await;
    let twice = funnel(&recorder);
    assert_eq!((twice.redeemed, twice.redeemed_again, twice.doubled), (20, 5, 5));
}

/// A target whose pages are logged in though nobody has scanned their codes.
struct ConfusedTarget;

impl LoginTarget for ConfusedTarget {
    type Page = StalledPage;
    type Trigger = ();

    fn info(&self) -> TargetInfo {
        TargetInfo::default()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<StalledPage, ()>, PageError> {
        let (confused, heard) = mpsc::channel(1);
        confused.send(Heard::Login { grant: None }).await.unwrap();
        Ok(OpenedPage { page: StalledPage { heard, is_over: false }, trigger: (), scene: seat.scene() })
    }

    async fn reconnect(&self, _: &mut StalledPage, _: Seat) -> Result<(), PageError> {
        Ok(())
    }

    async fn trigger(&self, (): (), _: Instant, _: &PageNews) -> Option<Triggered> {
        None
    }
}

#[tokio::test]
async fn a_login_that_nobody_asked_for_is_somebody_elses() {
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs(1)));
    let (sources, timer) = (SourceAddresses::ANY, PreciseTimer::start());
    let plan = LoginPlan { pages: 3, hold_seconds: 0.1, rate: RateCurve::default(), ..plan() };
    let stop = CancellationToken::new();
    let generator = Generator::new(ConfusedTarget, plan, Segment::WHOLE, sources, timer, recorder.clone(), stop);
    generator.run().await;
    assert_eq!(funnel(&recorder).mixed_up, 3);
}

#[tokio::test]
async fn a_ramp_opens_exactly_the_pages_of_the_plan() {
    // 31 pages at 60 a second take 0.51666… s, in which 31.000000000000004 pages open.
    let plan = LoginPlan { pages: 31, opens_per_second: 60.0, rate: RateCurve::constant(1.0, 0.1), ..plan() };
    let (_, recorder) = run(StallingTarget::default(), plan).await;
    assert_eq!(funnel(&recorder).opened, 31);
}

/// Runs a plan whose 20 pages open in two stages of 8 and 12. Answers what is missing, and the recorder.
async fn run_staged(target: StallingTarget) -> (Vec<String>, Arc<RunRecorder>) {
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs(1)));
    let (sources, timer, stop) = (SourceAddresses::ANY, PreciseTimer::start(), CancellationToken::new());
    let generator = Generator::new(target, plan(), Segment::WHOLE, sources, timer, recorder.clone(), stop);
    let stages = PageStages::new(&[8], 0.1, 20).unwrap();
    (generator.with_page_stages(stages).run().await, recorder)
}

#[tokio::test]
async fn pages_open_in_stages_and_a_stage_that_loses_pages_ends_the_run() {
    let (missing, recorder) = run_staged(StallingTarget::default()).await;
    assert_eq!((missing.len(), funnel(&recorder).opened, funnel(&recorder).delivered), (0, 20, 20));

    let leaving = || StallingTarget { leaves_after_opening: true, ..StallingTarget::default() };
    let ((missing, recorder), (in_hold, _)) = tokio::join!(run_staged(leaving()), run(leaving(), plan()));
    assert!(missing[0].starts_with("the run ended at stage 1 of 2 (8 pages): only "), "{missing:?}");
    assert!(in_hold.iter().any(|text| text.ends_with("were still connected after their hold")), "{in_hold:?}");
    assert_eq!(funnel(&recorder).planned, 0);
    let phases = recorder.look(|recorded| recorded.windows.iter().map(|window| window.phase).collect::<Vec<_>>());
    assert_eq!(phases, [Phase::Ramp, Phase::CoolDown]);
}

#[tokio::test]
async fn a_run_that_is_stopped_plans_nothing_new_and_lets_end_what_has_begun() {
    let stop = CancellationToken::new();
    let target = StallingTarget { stall: Duration::from_millis(300), ..StallingTarget::default() };
    let plan = LoginPlan { rate: RateCurve::constant(20.0, 600.0), refill: true, ..plan() };
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs(1)));
    let running = tokio::spawn(run_until(target, plan, stop.clone(), recorder.clone()));
    until("somebody has logged in", async || recorder.counts().heard > 0).await;
    stop.cancel();
    let missing = running.await.unwrap();
    let funnel = funnel(&recorder);
    assert!(missing[0].contains("stopped before its end"), "{missing:?}");
    assert!(funnel.planned < 6000 && funnel.delivered == funnel.planned - funnel.without_page, "{funnel:?}");
}

#[tokio::test]
async fn after_a_run_with_faults_every_grant_is_redeemed_again_and_a_login_that_was_closed_is_still_judged() {
    let faults = vec!["redis-killed@0.1..0.2".parse().unwrap()];
    for (faults, percent, tried) in
        [(vec![], 0.0, 0), (vec![], 100.0, 20), (faults.clone(), 0.0, 0), (faults, 100.0, 20)]
    {
        let recorder = RunRecorder::begin(Duration::from_secs(1));
        let recorder = Arc::new(if faults.is_empty() { recorder } else { recorder.keeping_logins() });
        let plan = LoginPlan { faults, redeemed_again_percent: percent, ..plan() };
        let target = StallingTarget { grants: true, ..StallingTarget::default() };
        run_until(target, plan, CancellationToken::new(), recorder.clone()).await;
        let funnel = funnel(&recorder);
        // Each was tried once, at once or at the end, and could be redeemed.
        let after = [funnel.delivered, funnel.redeemed, funnel.redeemed_again, funnel.doubled];
        assert_eq!(after, [20, 20, tried, tried], "{funnel:?}");
        // What a threshold that may end the run sees of it.
        let certain: u64 = recorder.measured_so_far(|_, _| false).phases.values().map(|(of, _)| of.delivered).sum();
        assert_eq!(certain, 20);
    }
}

#[tokio::test]
async fn what_is_planned_or_under_way_from_the_first_fault_on_is_a_phase_of_its_own() {
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs(1)));
    let target = StallingTarget { stall: Duration::from_millis(300), ..StallingTarget::default() };
    let running = tokio::spawn(run_until(target, plan(), CancellationToken::new(), recorder.clone()));
    until("somebody has logged in", async || recorder.counts().heard > 0).await;
    let first = recorder.fault_began("gateway 0 killed".to_owned());
    let heard_before = recorder.counts().heard;
    recorder.fault_ended(first);
    recorder.fault_began("Redis killed".to_owned());
    running.await.unwrap();
    // Nothing begins any more, so this one has no phase.
    recorder.fault_began("callback 0 killed".to_owned());
    let by_phase = recorder.by_phase();
    let planned = [Phase::Load, Phase::Fault].map(|phase| by_phase[&phase].0.planned);
    assert!(planned[0] > 0 && planned[1] > 0 && planned[0] + planned[1] == 20, "{planned:?}");
    // Logins that were under way when it broke are not among the undisturbed ones.
    assert!(
        planned[0] <= heard_before && by_phase[&Phase::Load].0.delivered == planned[0],
        "{planned:?} {heard_before}"
    );
    recorder.look(|recorded| {
        let phases: Vec<_> = recorded.windows.iter().map(|window| window.phase).collect();
        assert_eq!(phases, [Phase::Ramp, Phase::Load, Phase::Fault, Phase::CoolDown]);
        let ended: Vec<_> = recorded.faults.iter().map(|fault| fault.to.is_some()).collect();
        assert_eq!(ended, [true, false, false]);
    });
}

#[test]
fn a_waiting_page_of_ours_is_a_small_task() {
    fn size_of_future<T: LoginTarget, F>(_: impl Fn(Arc<GeneratorState<T>>, Instant) -> F) -> usize {
        size_of::<F>()
    }
    let size = size_of_future::<ScenecastTarget, _>(keep_page::<ScenecastTarget>);
    assert!(size <= 768, "{size} bytes");
}
