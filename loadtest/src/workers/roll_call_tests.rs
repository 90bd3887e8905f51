//! Tests of the roll call.

use std::time::{Duration, Instant};

use super::{
    clock_offset::ClockOffset,
    protocol::{ProgramVersion, RunOffer, WorkerNews, WorkerReport},
    record::WorkerRecord,
    roll_call::RollCall,
};
use crate::{
    generator::LiveCounts,
    plan::{LoginPlan, RateCurve},
};

fn offer() -> RunOffer {
    let plan = LoginPlan::plain(100, RateCurve::constant(10.0, 5.0));
    RunOffer::new(&plan, 2, 0, 10, 16)
}

fn ready() -> WorkerNews {
    let RunOffer { program, plan_hash, .. } = offer();
    WorkerNews::Ready { program, plan_hash, host: "here".to_owned(), clock: ClockOffset::default() }
}

fn report(worker: u32, news: WorkerNews) -> WorkerReport {
    let number = u64::from(!matches!(news, WorkerNews::Ready { .. } | WorkerNews::Refused { .. }));
    WorkerReport { worker, process: 7 + u64::from(worker), number, news }
}

fn measured(second: u64, gate: u32) -> WorkerNews {
    let counts = [(second, LiveCounts::default())].into();
    WorkerNews::Measured { record: Box::new(WorkerRecord { counts, ..WorkerRecord::default() }), gate }
}

/// Both workers are ready.
fn roll_call(now: Instant) -> RollCall {
    let mut call = RollCall::new(&offer());
    assert_eq!((call.awaited(), call.are_all_ready()), (vec![0, 1], false));
    call.heard(report(0, ready()), now);
    assert_eq!((call.awaited(), call.are_all_ready()), (vec![1], false));
    call.heard(report(1, ready()), now);
    assert!(call.are_all_ready() && call.objections().is_empty());
    call
}

#[test]
fn workers_come_pass_a_gate_together_and_end() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.heard(report(0, measured(0, 1)), now);
    assert!(!call.are_all_at(1));
    call.heard(report(1, measured(0, 1)), now);
    assert!(call.are_all_at(1) && !call.are_all_done());
    for worker in [0, 1] {
        let missing = vec!["the run was stopped".to_owned(), format!("only {worker} pages")];
        let over = WorkerNews::Over { record: Box::default(), gate: 1, missing };
        call.heard(WorkerReport { number: 2, ..report(worker, over) }, now);
    }
    assert!(call.are_all_done() && call.gone().is_empty());
    assert_eq!(call.missing(), ["the run was stopped", "worker 0: only 0 pages", "worker 1: only 1 pages"]);
    // That it ends then is as it should be.
    call.process_ended(0, "exit status 0");
    assert!(call.ends().iter().all(|end| end.is_complete));
}

#[test]
fn a_report_that_comes_twice_or_late_changes_nothing() {
    let now = Instant::now();
    let mut call = roll_call(now);
    let numbered = |number, news| WorkerReport { number, ..report(0, news) };
    call.heard(numbered(1, measured(1, 1)), now);
    call.heard(numbered(2, measured(2, 2)), now);
    let whole = call.clone();
    call.heard(numbered(1, measured(1, 1)), now);
    call.heard(numbered(2, measured(2, 2)), now);
    assert_eq!(call, whole);
    call.heard(numbered(3, WorkerNews::Over { record: Box::default(), gate: 2, missing: vec![] }), now);
    call.heard(numbered(0, ready()), now);
    call.process_ended(0, "exit status 0");
    assert_eq!(call.gone(), Vec::<String>::new());
}

#[test]
fn a_worker_whose_stage_failed_is_over_before_the_last_gate() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.heard(report(0, measured(3, 1)), now);
    assert!(!call.has_a_failed_stage());
    let missing = vec!["only 3 of 5 pages opened".to_owned()];
    call.heard(report(1, WorkerNews::Over { record: Box::default(), gate: 0, missing }), now);
    assert!(call.has_a_failed_stage());
}

#[test]
fn a_worker_that_dies_or_falls_silent_is_named_with_the_second_and_holds_nobody_up() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.heard(report(0, measured(11, 1)), now);
    call.heard(report(1, measured(4, 0)), now);
    call.process_ended(1, "signal 9");
    let gone = call.gone();
    assert!(gone.len() == 1 && gone[0].starts_with("worker 1 on here was gone after 5 s of the run: signal 9"));
    assert!(call.are_all_at(1) && !call.are_all_done());
    let later = now + Duration::from_secs(16);
    call.miss_silent(now + Duration::from_secs(15), Duration::from_secs(15));
    assert_eq!(call.gone().len(), 1);
    call.miss_silent(later, Duration::from_secs(15));
    assert!(call.gone()[0].contains("worker 0 on here was gone after 12 s of the run: it hasn't reported for 16 s"));
    let ends: Vec<_> = call.ends().iter().map(|end| (end.is_complete, end.last_second)).collect();
    assert_eq!(ends, [(false, 12), (false, 5)]);
}

#[test]
fn silence_is_counted_anew_after_the_redis_was_away() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.listen_from(now + Duration::from_secs(60));
    call.miss_silent(now + Duration::from_secs(70), Duration::from_secs(15));
    assert!(call.gone().is_empty());
}

#[test]
fn what_cannot_be_merged_is_an_objection_by_name() {
    let now = Instant::now();
    let objection = |reports: Vec<WorkerReport>| {
        let mut call = RollCall::new(&offer());
        for report in reports {
            call.heard(report, now);
        }
        call.objections().join("; ")
    };
    let with = |change: fn(&mut ProgramVersion, &mut String, &mut ClockOffset)| {
        let mut news = ready();
        if let WorkerNews::Ready { program, plan_hash, clock, .. } = &mut news {
            change(program, plan_hash, clock);
        }
        objection(vec![report(1, news)])
    };
    let twice = vec![report(0, ready()), WorkerReport { process: 99, ..report(0, ready()) }];
    let refused = WorkerNews::Refused { host: "there".to_owned(), why: "no descriptors".to_owned() };
    for (told, says) in [
        (with(|program, _, _| program.version = "0.0.1".to_owned()), "worker 1 on here is scenecast-loadtest 0.0.1"),
        (with(|_, plan_hash, _| *plan_hash = "f00".to_owned()), "worker 1 on here has the plan f00"),
        (with(|_, _, clock| clock.ahead_us = -60_000), "is 60.0 ms behind ± 0.0 ms of that of worker 1"),
        (objection(twice), "two processes say that they are worker 0"),
        (objection(vec![report(2, ready())]), "number 2, and there are 2, from 0"),
        (objection(vec![report(1, refused)]), "worker 1 on there can't take part: no descriptors"),
    ] {
        assert!(told.contains(says), "{told}");
    }
    let mut forced_offer = offer();
    forced_offer.is_forced = true;
    let mut forced = RollCall::new(&forced_offer);
    let RunOffer { program, plan_hash, .. } = offer();
    let clock = ClockOffset { ahead_us: 60_000, uncertainty_us: 0 };
    forced.heard(report(0, WorkerNews::Ready { program, plan_hash, host: String::new(), clock }), now);
    assert!(forced.objections().is_empty());
}

#[test]
fn reports_that_are_missing_are_told_and_one_that_comes_twice_is_not() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.heard(report(0, measured(0, 0)), now);
    call.heard(report(0, measured(0, 0)), now);
    assert!(call.objections().is_empty());
    call.heard(WorkerReport { number: 4, ..report(0, measured(3, 0)) }, now);
    assert_eq!(
        call.objections(),
        ["2 reports of worker 0 on here are missing: the Redis of the coordinator has lost data"]
    );
}

#[test]
fn reports_of_a_second_process_of_the_same_number_change_nothing() {
    let now = Instant::now();
    let mut call = roll_call(now);
    call.heard(WorkerReport { process: 99, ..report(0, measured(30, 5)) }, now);
    assert_eq!((call.ends()[0].last_second, call.are_all_at(1)), (0, false));
}
