//! What people do with an Official Account, and in which order the messages about it arrive.

use scenecast_simulator::{ActionError, MenuLink, PhoneAction, PhoneScreen, menu_links};
use scenecast_wechat::MessageKind;

use crate::{
    scripted_callback::Callback,
    world::{SimulatorWorld, person, text},
};

fn follow() -> PhoneAction {
    PhoneAction::Follow { event_key: None }
}

#[tokio::test]
async fn the_event_says_how_somebody_followed_without_a_login_code() {
    let callback = Callback::replying("welcome").await;
    let world = SimulatorWorld::calling(&callback).await;
    for event_key in [None, Some(""), Some("last_trade_no_4200"), Some("scanbarcode|ean13|690"), Some("scanimage|a|b")]
    {
        let follow = PhoneAction::Follow { event_key: event_key.map(ToOwned::to_owned) };
        let chen = person("chen");
        let outcome = world.simulator.send(&chen, &world.account, follow.clone()).await.unwrap();
        assert_eq!(outcome.shown, PhoneScreen::Reply("welcome".to_owned()));
        let received = callback.received().pop().unwrap();
        assert_eq!(received.element("Event").as_deref(), Some("subscribe"));
        assert_eq!(received.element("EventKey").as_deref(), event_key);
        assert_eq!(received.element("Ticket"), None);
        let again = world.simulator.send(&chen, &world.account, follow).await;
        assert_eq!(again.unwrap_err(), ActionError::AlreadyFollowing);
        world.simulator.unfollow(&chen, &world.account).await.unwrap();
    }
}

#[tokio::test]
async fn only_followers_do_anything_else() {
    let callback = Callback::saying("success").await;
    let world = SimulatorWorld::calling(&callback).await;
    for action in [
        PhoneAction::SendImage,
        PhoneAction::SendVoice,
        PhoneAction::SendOther { msg_type: "hologram".to_owned() },
        PhoneAction::Locate { latitude: 1.0, longitude: 2.0, precision: 3.0 },
        PhoneAction::ClickMenu { key: "about".to_owned() },
        PhoneAction::OpenMenu { url: "https://example.com".to_owned() },
        PhoneAction::ScanByMenu { key: "scan".to_owned(), result: "1".to_owned(), waits: true },
        PhoneAction::CauseOther { event: "eclipse".to_owned() },
    ] {
        let refused = world.simulator.send(&person("dora"), &world.account, action.clone()).await;
        assert_eq!(refused.unwrap_err(), ActionError::NotFollowing, "{action:?}");
        world.simulator.send(&person("ann"), &world.account, action).await.unwrap();
    }
    assert_eq!(callback.received().len(), 8);
}

#[tokio::test]
async fn tapping_a_link_sends_its_text_and_its_id() {
    let callback =
        Callback::replying("Was it you? <a href=\"weixin://bizmsgmenu?msgmenucontent=是我&msgmenuid=yes-1\">Yes</a>")
            .await;
    let world = SimulatorWorld::calling(&callback).await;
    let PhoneScreen::Reply(shown) = world.say("ann", "hi").await.shown else { panic!("no reply") };
    let [link] = menu_links(&shown).try_into().unwrap();
    assert_eq!(link, MenuLink { content: "是我".into(), id: "yes-1".into(), label: "Yes".into() });
    world.simulator.tap(&person("ann"), &world.account, &link).await.unwrap();

    let [typed, tapped] = callback.received().try_into().unwrap();
    assert_eq!(typed.element("bizmsgmenuid"), None);
    assert_eq!(tapped.message().kind, MessageKind::Text("是我".to_owned()));
    assert_eq!(tapped.element("bizmsgmenuid").as_deref(), Some("yes-1"));
    assert_ne!(typed.element("MsgId"), tapped.element("MsgId"));
}

#[tokio::test]
async fn the_message_about_the_first_action_can_arrive_last() {
    let callback = Callback::replying("hello").await;
    let world = SimulatorWorld::calling(&callback).await;
    let dora = person("dora");
    let url = text(&world.create_qr("abc").await, "url");
    let scanned = world.simulator.hold_scan(&dora, &url).unwrap();
    assert!(world.simulator.follows(&dora, &world.account).unwrap(), "the action has happened");
    assert_eq!(world.simulator.unfollow(&dora, &world.account).await.unwrap().shown, PhoneScreen::Nothing);
    assert_eq!(scanned.deliver().await.shown, PhoneScreen::Reply("hello".to_owned()));

    let followed = world.simulator.hold(&dora, &world.account, follow()).unwrap();
    world.simulator.say(&dora, &world.account, "hi").await.unwrap();
    drop(followed);

    let received = callback.received();
    let kinds: Vec<_> = received.iter().map(|received| received.message().kind).collect();
    assert_eq!(
        kinds,
        [
            MessageKind::Unsubscribe,
            MessageKind::Subscribe("qrscene_abc".to_owned()),
            MessageKind::Text("hi".to_owned())
        ]
    );
    assert!(received[1].message().created <= received[0].message().created, "it contains the time of the action");
}
