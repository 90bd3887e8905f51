//! One page's scene, on plain data.

use std::time::SystemTime;

use scenecast_shared::scene::{Cause, DeliveryId, Grant, KeyRing, Login, Profile, Rotating, Scan};

use super::*;

const LIFE: Duration = Duration::from_secs(120);
/// The event of each test has it.
const SEQ: u64 = 7;

fn claims() -> Claims {
    KeyRing::new(Rotating::fixed("s")).issue(&"demo".parse().unwrap(), None, LIFE, SystemTime::now()).1
}

/// A scene in this state, whose page hasn't seen its last event if there is `more`.
fn begun(state: State, more: bool) -> Begun {
    Begun { claims: claims(), state, remaining: LIFE, more, stored: if more { SEQ } else { 0 } }
}

/// The session of a page whose scene is open.
fn open(now: Instant) -> Session {
    let (session, first) = Session::new(begun(State::Open, false), now);
    assert!(first.is_empty(), "{first:?}");
    session
}

fn event(what: Happening) -> Notice {
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
    event(Happening::Scanned(Scan { profile: profile(), number: None }))
}

fn confirmed() -> Notice {
    let grant = Grant::issue(claims().scene);
    event(Happening::Confirmed(Login { profile: profile(), grant, typed: false, registered: false }))
}

fn mailbox(state: State, remaining: Duration) -> Mailbox {
    Mailbox { state, remaining, events: vec![] }
}

fn no_answer() -> Result<Option<Mailbox>, BusError> {
    Err(BusError::Undecided("away".to_owned()))
}

/// The end that the page is told last.
fn end_of(actions: &[Action]) -> Option<&'static str> {
    match actions.last() {
        Some(Action::Tell(Told::End(end))) => Some(end.word()),
        _ => None,
    }
}

#[test]
fn what_happens_to_the_scene_is_told_and_where_it_stands_is_known() {
    let now = Instant::now();
    let mut session = open(now);
    let actions = session.noticed(scanned(), now);
    assert!(matches!(&actions[..], [Action::Tell(Told::Event(_, None))]), "{actions:?}");
    assert_eq!(session.state(), State::Scanned);

    let actions = session.noticed(confirmed(), now);
    assert!(matches!(&actions[0], Action::Tell(Told::Event(_, Some(Handover::Live)))), "{actions:?}");
    assert_eq!((end_of(&actions), session.state()), (Some("over"), State::Confirmed));
    for (what, state) in [(Happening::Declined, State::Declined), (Happening::Cancelled, State::Cancelled)] {
        let mut session = open(now);
        let actions = session.noticed(event(what), now);
        assert_eq!((actions.len(), end_of(&actions), session.state()), (2, Some("over"), state));
    }
}

#[test]
fn a_login_from_the_mailbox_is_late_and_a_redeemed_one_a_repeat() {
    let now = Instant::now();
    for (state, expected) in [(State::Confirmed, Handover::Late), (State::Redeemed, Handover::Again)] {
        let (mut session, _) = Session::new(begun(state, true), now);
        let actions = session.noticed(confirmed(), now);
        assert!(
            matches!(actions[0], Action::Tell(Told::Event(_, Some(handover))) if handover == expected),
            "{actions:?}"
        );
        assert_eq!(session.state(), state, "a replay changes nothing");
    }
}

#[test]
fn a_resumed_scene_goes_on_where_something_can_still_come() {
    let now = Instant::now();
    for (state, more, end) in [
        (State::Open, false, None),
        (State::Scanned, true, None),
        (State::Confirmed, true, None),
        (State::Confirmed, false, Some("over")),
        (State::Redeemed, false, Some("over")),
        (State::Declined, true, None),
        (State::Cancelled, false, Some("over")),
        (State::Expired, false, Some("expired")),
    ] {
        let (session, first) = Session::new(begun(state, more), now);
        assert_eq!((end_of(&first), session.state()), (end, state), "{more}");
    }
}

#[test]
fn at_its_end_the_mailbox_decides() {
    let start = Instant::now();
    let end = start + LIFE;
    for (read, expires) in [
        (Ok(Some(mailbox(State::Expired, Duration::ZERO))), true),
        (Ok(None), true),
        (Ok(Some(mailbox(State::Open, Duration::from_secs(1)))), false),
        (Ok(Some(mailbox(State::Confirmed, Duration::from_secs(60)))), false),
        (no_answer(), false),
    ] {
        let mut session = open(start);
        assert_eq!(session.deadline(), Some(end));
        assert!(matches!(session.due(end)[..], [Action::CheckEnd]));
        assert_eq!(session.deadline(), None, "it is asked once at a time");
        let actions = session.checked(&read, end);
        assert_eq!(end_of(&actions), expires.then_some("expired"), "{read:?}");
        assert_eq!(session.state(), if expires { State::Expired } else { State::Open });
    }
}

#[test]
fn a_bus_that_stays_away_at_the_end_is_not_waited_for_for_ever() {
    let mut session = open(Instant::now());
    let mut now = Instant::now() + LIFE;
    loop {
        let actions = session.checked(&no_answer(), now);
        if !actions.is_empty() {
            assert!(
                matches!(&actions[..], [Action::Tell(Told::End(End::Refused(problem)))] if problem.retry_after.is_some())
            );
            break;
        }
        now = session.deadline().unwrap();
        assert!(now < Instant::now() + LIFE + 2 * ASK_FOR);
    }
}

#[test]
fn a_page_is_told_that_nobody_can_say_for_now_and_that_somebody_can_again() {
    let now = Instant::now();
    let mut session = open(now);
    assert!(matches!(session.noticed(Notice::Away, now)[..], [Action::Tell(Told::Away)]));
    assert!(matches!(session.noticed(Notice::Back, now)[..], [Action::Tell(Told::Back)]));
    assert_eq!(session.state(), State::Open);
}

#[test]
fn a_lost_scene_is_opened_again_for_what_is_left_of_it() {
    let now = Instant::now();
    let mut session = open(now);
    session.noticed(scanned(), now);
    let actions = session.noticed(Notice::Lost, now);
    assert!(matches!(&actions[..], [Action::Reopen(_, ends)] if *ends == now + LIFE), "{actions:?}");
    assert_eq!(session.state(), State::Open, "whoever scanned has to scan again");
    assert_eq!(end_of(&session.noticed(Notice::Lost, now + LIFE)), Some("expired"));
}
