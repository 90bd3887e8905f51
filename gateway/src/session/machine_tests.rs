//! The state machine, on plain data.

use std::time::SystemTime;

use scenecast_scene::{Cause, DeliveryId, Grant, KeyRing, Login, Profile, Rotating, Scan};

use super::*;

const LIFE: Duration = Duration::from_secs(120);
/// The `seq` of each event in these tests.
const SEQ: u64 = 7;

fn claims() -> Claims {
    KeyRing::new(Rotating::fixed("s")).issue(&"demo".parse().unwrap(), None, LIFE, SystemTime::now()).1
}

/// A scene in this state. If `has_unseen`, its mailbox has an event that its page hasn't seen.
fn start(state: SceneState, has_unseen: bool) -> SessionStart {
    SessionStart { claims: claims(), state, remaining: LIFE, has_unseen, stored: if has_unseen { SEQ } else { 0 } }
}

/// The session of a page whose scene is open.
fn open(now: Instant) -> Session {
    let (session, first) = Session::new(start(SceneState::Open, false), now);
    assert!(first.is_empty(), "{first:?}");
    session
}

fn event(what: EventKind) -> Notice {
    let cause = Cause { delivery: DeliveryId::of(&["d"]), received_at: 0, traceparent: None };
    Notice::Event(Arc::new(Event {
        seq: SEQ,
        delivery: cause.delivery,
        received_at: cause.received_at,
        traceparent: cause.traceparent,
        what,
    }))
}

fn profile() -> Profile {
    Profile { name: "Ann".to_owned(), avatar: "data:,".to_owned() }
}

fn scanned() -> Notice {
    event(EventKind::Scanned(Scan { profile: profile(), number: None }))
}

fn confirmed() -> Notice {
    let grant = Grant::issue(claims().scene);
    event(EventKind::Confirmed(Login { profile: profile(), grant, typed: false, registered: false }))
}

fn mailbox(state: SceneState, remaining: Duration) -> Mailbox {
    Mailbox { state, remaining, events: vec![] }
}

fn no_answer() -> Result<Option<Mailbox>, BusError> {
    Err(BusError::TimedOut)
}

/// The metric label of the end that the page is told last.
fn end_of(actions: &[SessionAction]) -> Option<&'static str> {
    match actions.last() {
        Some(SessionAction::Send(SessionUpdate::End(end))) => Some(end.label()),
        _ => None,
    }
}

#[test]
fn an_event_is_passed_to_the_page_and_changes_the_state() {
    let now = Instant::now();
    let mut session = open(now);
    let actions = session.noticed(scanned(), now);
    assert!(matches!(&actions[..], [SessionAction::Send(SessionUpdate::Event(_, None))]), "{actions:?}");
    assert_eq!(session.state(), SceneState::Scanned);

    let actions = session.noticed(confirmed(), now);
    assert!(matches!(&actions[0], SessionAction::Send(SessionUpdate::Event(_, Some(Handover::Live)))), "{actions:?}");
    assert_eq!((end_of(&actions), session.state()), (Some("over"), SceneState::Confirmed));
    for (what, state) in [(EventKind::Declined, SceneState::Declined), (EventKind::Cancelled, SceneState::Cancelled)] {
        let mut session = open(now);
        let actions = session.noticed(event(what), now);
        assert_eq!((actions.len(), end_of(&actions), session.state()), (2, Some("over"), state));
    }
}

#[test]
fn a_login_from_the_mailbox_is_late_and_a_redeemed_one_comes_again() {
    let now = Instant::now();
    for (state, expected) in [(SceneState::Confirmed, Handover::Late), (SceneState::Redeemed, Handover::Again)] {
        let (mut session, _) = Session::new(start(state, true), now);
        let actions = session.noticed(confirmed(), now);
        assert!(
            matches!(actions[0], SessionAction::Send(SessionUpdate::Event(_, Some(handover))) if handover == expected),
            "{actions:?}"
        );
        assert_eq!(session.state(), state, "a replay changes nothing");
    }
}

#[test]
fn a_session_goes_on_where_an_event_can_still_come() {
    let now = Instant::now();
    for (state, has_unseen, end) in [
        (SceneState::Open, false, None),
        (SceneState::Scanned, true, None),
        (SceneState::Confirmed, true, None),
        (SceneState::Confirmed, false, Some("over")),
        (SceneState::Redeemed, false, Some("over")),
        (SceneState::Declined, true, None),
        (SceneState::Cancelled, false, Some("over")),
        (SceneState::Expired, false, Some("expired")),
    ] {
        let (session, first) = Session::new(start(state, has_unseen), now);
        assert_eq!((end_of(&first), session.state()), (end, state), "unseen: {has_unseen}");
    }
}

#[test]
fn the_mailbox_decides_whether_a_scene_has_expired() {
    let began = Instant::now();
    let end = began + LIFE;
    for (read, expires) in [
        (Ok(Some(mailbox(SceneState::Expired, Duration::ZERO))), true),
        (Ok(None), true),
        (Ok(Some(mailbox(SceneState::Open, Duration::from_secs(1)))), false),
        (Ok(Some(mailbox(SceneState::Confirmed, Duration::from_secs(60)))), false),
        (no_answer(), false),
    ] {
        let mut session = open(began);
        assert_eq!(session.deadline(), Some(end));
        assert!(matches!(session.deadline_reached(end)[..], [SessionAction::ReadMailbox]));
        assert_eq!(session.deadline(), None, "one read at a time");
        let actions = session.mailbox_read(&read, end);
        assert_eq!(end_of(&actions), expires.then_some("expired"), "{read:?}");
        assert_eq!(session.state(), if expires { SceneState::Expired } else { SceneState::Open });
    }
}

#[test]
fn a_session_ends_when_the_bus_gives_no_answer_for_long() {
    let mut session = open(Instant::now());
    let mut now = Instant::now() + LIFE;
    loop {
        let actions = session.mailbox_read(&no_answer(), now);
        if !actions.is_empty() {
            assert!(
                matches!(&actions[..], [SessionAction::Send(SessionUpdate::End(SessionEnd::Refused(refusal)))] if refusal.retry_after().is_some())
            );
            break;
        }
        now = session.deadline().unwrap();
        assert!(now < Instant::now() + LIFE + 2 * READ_RETRY_LIMIT);
    }
}

#[test]
fn a_page_is_told_when_the_bus_is_lost_and_when_it_is_restored() {
    let now = Instant::now();
    let mut session = open(now);
    assert!(matches!(session.noticed(Notice::Interrupted, now)[..], [SessionAction::Send(SessionUpdate::Interrupted)]));
    assert!(matches!(session.noticed(Notice::Resumed, now)[..], [SessionAction::Send(SessionUpdate::Resumed)]));
    assert_eq!(session.state(), SceneState::Open);
}

#[test]
fn a_lost_scene_is_reopened_for_the_rest_of_its_life() {
    let now = Instant::now();
    let mut session = open(now);
    session.noticed(scanned(), now);
    let actions = session.noticed(Notice::SceneLost, now);
    assert!(matches!(&actions[..], [SessionAction::Reopen(_, ends)] if *ends == now + LIFE), "{actions:?}");
    assert_eq!(session.state(), SceneState::Open, "the user has to scan again");
    assert_eq!(end_of(&session.noticed(Notice::SceneLost, now + LIFE)), Some("expired"));
}
