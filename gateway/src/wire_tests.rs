//! What pages are told, as JSON.

use scenecast_shared::scene::{Grant, Login, Profile, Scan};
use serde_json::Value;

use super::*;

const SCENE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn event(what: Happening) -> Event {
    Event { seq: 7, delivery: DeliveryId::of(&["d"]), received_at: 0, traceparent: None, what }
}

fn everything() -> Vec<Event> {
    let profile = Profile { name: "Ann".to_owned(), avatar: "data:,".to_owned() };
    let number = Some("42".parse().unwrap());
    let grant = Grant::issue(SCENE.parse().unwrap());
    vec![
        event(Happening::Scanned(Scan { profile: profile.clone(), number })),
        event(Happening::Confirmed(Login { profile, grant, typed: true, registered: true })),
        event(Happening::Declined),
        event(Happening::Cancelled),
    ]
}

#[test]
fn a_frame_is_called_what_its_json_says() {
    let events = everything();
    let refused = Problem::bad_request("…");
    let others = [
        Frame::resumed(SCENE.parse().unwrap(), State::Open, std::time::Duration::ZERO),
        Frame::Expired,
        Frame::Trouble,
        Frame::Restart { retry_after_ms: 1 },
        Frame::problem(&refused),
    ];
    for frame in events.iter().map(Frame::event).chain(others) {
        let json: Value = serde_json::from_str(&frame.json()).unwrap();
        assert_eq!(json["type"], frame.word(), "{json}");
    }
}

#[test]
fn a_page_is_told_the_number_to_show_whether_its_code_was_typed_and_no_openid() {
    let told = everything().iter().map(|event| Frame::event(event).json()).collect::<Vec<_>>();
    assert!(told[0].contains("\"number\":42") && !told[0].contains("typed"), "{}", told[0]);
    assert!(told[1].contains("\"typed\":true") && told[1].contains("\"grant\""), "{}", told[1]);
    for frame in told {
        assert!(!frame.contains("openid") && !frame.contains("registered"), "{frame}");
    }
}
