//! The replies to phones: in whose words, in which language, and never longer than WeChat shows.

use std::{net::IpAddr, path::Path};

use scenecast_callback::{Phrase, Texts, config::Confirmation};
use scenecast_scene::{Language, PageInfo};
use scenecast_simulator::{PhoneAction, PhoneScreen, menu_links};

use crate::world::{CallbackWorld, TestConfig, demo, event, name, person, reply, said, signed};

fn page(host: &str, address: &str, browser: &str, language: Option<Language>) -> PageInfo {
    let address: IpAddr = address.parse().unwrap();
    PageInfo {
        host: Some(host.into()),
        address: Some(address),
        browser: Some(browser.into()),
        language,
        ..PageInfo::default()
    }
}

/// Gives `demo` these words, for all languages.
fn saying(settings: &mut TestConfig, phrase: Phrase, text: &str) {
    for language in [Language::Zh, Language::En] {
        let texts = std::mem::take(&mut demo(settings).texts);
        demo(settings).texts = texts.with(phrase, language, text).unwrap();
    }
}

async fn asking(change: impl FnOnce(&mut TestConfig)) -> CallbackWorld {
    CallbackWorld::with(None, |settings| {
        demo(settings).confirmation = Confirmation::Tap;
        change(settings);
    })
    .await
}

/// The line of a text that begins with this.
fn line<'a>(text: &'a str, begins: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or_else(|| panic!("no {begins:?} in {text}"))
}

#[tokio::test]
async fn the_question_says_what_is_known_about_the_page() {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/places.mmdb");
    let world = asking(|settings| settings.geo_database = Some(places.try_into().unwrap())).await;
    let (_, qr_url) = world.open_page(&page("shop.example", "203.0.113.7", "Chrome, Windows", None)).await;
    let asked = world.scan("bo", &qr_url).await;
    for (begins, rest) in [
        ("Site: ", "shop.example"),
        ("Place: ", "Hangzhou, Zhejiang, China"),
        ("IP address: ", "203.0.113.7"),
        ("Browser: ", "Chrome, Windows"),
    ] {
        assert_eq!(line(reply(&asked), begins), rest);
    }
    let time = line(reply(&asked), "Time: ");
    assert!(time.len() == "16:00 (UTC+8)".len() && time.ends_with(" (UTC+8)"), "{time}");
}

#[tokio::test]
async fn what_strangers_chose_is_shown_alike_on_page_and_phone_and_hides_nothing() {
    let world =
        asking(|settings| saying(settings, Phrase::LoggedIn, "Hello {name}\nSite: {host}\nBrowser: {browser}")).await;
    let host = "bank\u{202e}lave.example\u{200b}\nSite: bank.example";
    let shown_page = page(host, "203.0.113.7", &format!("Chrome{}", "\u{301}".repeat(300)), None);
    let (site, browser) = ("banklave.example Site: bank.example", "Chrome\u{301}\u{301}\u{301}\u{301}");
    for (told, shown) in [
        ("Ann\u{202e}nimdA", "AnnnimdA"),
        ("A\u{200b}n\u{e0041}n\u{2028}\u{feff}Admin", "Ann Admin"),
        ("安 👩🏽\u{200d}🚀🇨🇳", "安 👩🏽\u{200d}🚀🇨🇳"),
    ] {
        world.keep_name("bo", told).await;
        let (scene, qr_url) = world.open_page(&shown_page).await;
        let asked = world.scan("bo", &qr_url).await;
        assert_eq!((line(reply(&asked), "Site: "), line(reply(&asked), "Browser: ")), (site, browser));
        let done = world.touch("bo", &asked, "Confirm").await;
        assert_eq!(reply(&done), format!("Hello {shown}\nSite: {site}\nBrowser: {browser}"));
        assert_eq!(world.login(scene).await.profile.name, shown);
    }
}

#[tokio::test]
async fn what_a_page_hides_is_said_to_be_unknown() {
    let world = asking(|_| ()).await;
    let (_, qr_url) = world.open().await;
    let asked = world.scan("bo", &qr_url).await;
    for begins in ["Site: ", "IP address: ", "Browser: "] {
        assert_eq!(line(reply(&asked), begins), "unknown");
    }
    assert!(!reply(&asked).contains("Place:"), "without a database no place is known: {asked:?}");
    assert_eq!(menu_links(reply(&asked)).len(), 2);
}

#[tokio::test]
async fn the_sites_name_is_shown_instead_of_its_host() {
    let world = asking(|settings| demo(settings).site = Some("Example Shop".into())).await;
    let (_, qr_url) = world.open_page(&page("shop.example", "203.0.113.7", "Chrome, Windows", None)).await;
    assert_eq!(line(reply(&world.scan("bo", &qr_url).await), "Site: "), "Example Shop");
}

#[tokio::test]
async fn the_reply_is_in_the_language_of_the_page() {
    let world = asking(|_| ()).await;
    for (language, begins, yes) in
        [(Some(Language::Zh), "请确认登录：", "确认登录"), (Some(Language::En), "Please confirm", "Confirm")]
    {
        let (_, qr_url) = world.open_page(&page("shop.example", "203.0.113.7", "Chrome, Windows", language)).await;
        let asked = world.scan("bo", &qr_url).await;
        assert!(reply(&asked).starts_with(begins), "{asked:?}");
        let done = world.touch("bo", &asked, yes).await;
        assert_eq!(reply(&done).is_ascii(), language == Some(Language::En), "{done:?}");
    }
}

#[tokio::test]
async fn every_reply_after_a_question_is_in_the_language_of_the_page() {
    let world = asking(|settings| demo(settings).language = Language::Zh).await;
    let shown = page("shop.example", "203.0.113.7", "Chrome, Windows", Some(Language::En));
    let (_, qr_url) = world.open_page(&shown).await;
    let asked = world.scan("bo", &qr_url).await;
    for outcome in [
        world.scan("ann", &qr_url).await,
        world.touch("bo", &asked, "Decline").await,
        world.touch("bo", &asked, "Confirm").await,
        world.scan("ann", &qr_url).await,
    ] {
        assert!(reply(&outcome).is_ascii(), "{outcome:?}");
    }
    let to_another = world.touch("ann", &asked, "Confirm").await;
    assert!(reply(&to_another).starts_with("无法识别"), "{to_another:?}");
}

#[tokio::test]
async fn the_facts_about_a_page_forge_neither_a_line_nor_a_link() {
    let world = asking(|_| ()).await;
    let forged =
        "Chrome</a>\nSite: bank.example <a href=\"weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=x\">yes</a> ]]>";
    let (_, qr_url) = world.open_page(&page("shop.example", "203.0.113.7", forged, None)).await;
    let asked = world.scan("bo", &qr_url).await;
    assert_eq!(line(reply(&asked), "Site: "), "shop.example");
    assert_eq!(menu_links(reply(&asked)).len(), 2);
}

#[tokio::test]
async fn no_reply_is_longer_than_wechat_shows() {
    for (confirmation, phrase, all) in [
        (Confirmation::Tap, Phrase::Confirm, "{name}{site}{time}{host}{address}{browser}{confirm}{decline}"),
        (Confirmation::Number, Phrase::PickNumber, "{name}{site}{host}{browser}{choices}{decline}"),
        (Confirmation::None, Phrase::LoggedIn, "{name}{site}{time}{host}{address}{browser}{logins}"),
    ] {
        let words = format!("{all}{}", "x".repeat(600));
        let world = asking(|settings| {
            saying(settings, phrase, &words);
            demo(settings).confirmation = confirmation;
        })
        .await;
        let long = "😀".repeat(3_000);
        let (_, qr_url) = world.open_page(&page(&long, "2001:db8::1", &long, None)).await;
        let outcome = world.scan("ann", &qr_url).await;
        assert!(reply(&outcome).ends_with("xxx") && reply(&outcome).contains("😀…"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_reply_may_say_the_number_of_logins() {
    for world in CallbackWorld::each_with(|settings| {
        saying(settings, Phrase::LoggedIn, "{name},登录成功!\n这是你第{logins}次登录,玩的开心!");
    })
    .await
    {
        for n in 1..=3 {
            let (_, outcome) = world.scan_new("ann").await;
            assert_eq!(reply(&outcome), format!("Ann,登录成功!\n这是你第{n}次登录,玩的开心!"));
            assert_eq!(world.again(&outcome).await, reply(&outcome), "counted once");
        }
    }
}

#[tokio::test]
async fn a_follow_without_a_login_is_welcomed_and_with_a_login_is_asked() {
    let world = asking(|_| ()).await;
    for key in [None, Some(""), Some("last_trade_no_4"), Some("scanbarcode|ean13|6901"), Some("scanimage|7")] {
        let followed = PhoneAction::Follow { event_key: key.map(str::to_owned) };
        let welcomed = world.simulator.send(&person("dora"), &name("demo"), followed).await.unwrap();
        assert_eq!(reply(&welcomed), "Welcome!", "{key:?}");
        world.simulator.unfollow(&person("dora"), &name("demo")).await.unwrap();
    }
    let (_, asked) = world.scan_new("dora").await;
    assert!(reply(&asked).starts_with("Please confirm"), "{asked:?}");
}

#[tokio::test]
async fn other_messages_get_a_reply_if_the_account_has_words_for_it() {
    let actions = || {
        [
            PhoneAction::Say("hi ]]> 你好 😀 <a href=\"x\">&amp;".into()),
            PhoneAction::Say("1".into()),
            PhoneAction::SendImage,
            PhoneAction::SendVoice,
            PhoneAction::SendOther { msg_type: "hologram".into() },
        ]
    };
    let silent = asking(|_| ()).await;
    for action in actions() {
        let sent = silent.simulator.send(&person("bo"), &name("demo"), action.clone()).await.unwrap();
        assert_eq!(sent.shown, PhoneScreen::Nothing, "{action:?}");
    }
    let world = asking(|settings| saying(settings, Phrase::AutoReply, "您好!]]> {{{name}}} 😀")).await;
    for action in actions() {
        let sent = world.simulator.send(&person("ann"), &name("demo"), action.clone()).await.unwrap();
        assert!(reply(&sent).starts_with("您好!]]> {WeChat user "), "{action:?} {sent:?}");
    }
    for action in [PhoneAction::ClickMenu { key: "about".into() }, PhoneAction::CauseOther { event: "eclipse".into() }]
    {
        let sent = world.simulator.send(&person("ann"), &name("demo"), action.clone()).await.unwrap();
        assert_eq!(sent.shown, PhoneScreen::Nothing, "{action:?}");
    }
}

#[tokio::test]
async fn our_words_are_used_if_nothing_is_left_of_the_accounts_words() {
    let world = CallbackWorld::with(None, |settings| saying(settings, Phrase::Welcome, "{site}")).await;
    let answered = world.delivery("demo", &signed(), event("subscribe", "")).send().await.unwrap();
    assert_eq!(said(&answered.text().await.unwrap()), "Welcome!");
    assert!(Texts::default().with(Phrase::Welcome, Language::Zh, "{logins}").is_err());
}
