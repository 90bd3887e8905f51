//! Standalone has all compatible routes on, each with an account that suits it.

use scenecast_browsers::cookie_browser::{CookieBrowser, PageSocket, SocketMessage};
use scenecast_service::config::Seconds;
use scenecast_simulator::WeChatUser;
use scenecast_standalone::Standalone;
use serde_json::{Value, json};

use crate::standalone;

async fn started() -> (Standalone, CookieBrowser, impl Fn(&str) -> String) {
    let scenecast = standalone(Seconds::new(120)).await;
    let gateway = scenecast.gateway;
    (scenecast, CookieBrowser::default(), move |path: &str| format!("http://{gateway}{path}"))
}

fn ann() -> WeChatUser {
    WeChatUser::persona("ann").expect("one of the four")
}

async fn json_of(response: reqwest::Response) -> Value {
    response.json().await.expect("JSON")
}

async fn next_text(socket: &mut PageSocket) -> String {
    match socket.next_message().await {
        SocketMessage::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_ticket_is_polled_until_a_scan_and_the_reply_is_the_accounts_own_text() {
    let (scenecast, visitor, at) = started().await;
    let made = json_of(visitor.get(&at("/createQrCode")).await).await;
    let poll = at(&format!("/wxLogin?ticket={}", made["data"]["ticket"].as_str().unwrap()));
    assert_eq!(json_of(visitor.get(&poll).await).await["code"], 10024);

    let outcome = scenecast.simulator.scan(&ann(), made["data"]["url"].as_str().unwrap()).await.unwrap();
    let reply = format!("{:?}", outcome.shown);
    assert!(reply.contains("这是你第1次登录,玩的开心!"), "{reply}");
    assert_eq!(json_of(visitor.get(&poll).await).await["data"]["state"], 1);
}

#[tokio::test]
async fn a_code_is_typed_to_the_account_without_qr_codes() {
    let (scenecast, visitor, at) = started().await;
    let made = json_of(visitor.get(&at("/login/code")).await).await;
    let code = made["result"]["code"].as_str().unwrap();
    let mut events = visitor.subscribe(&at(&format!("/subscribe?id={code}"))).await.unwrap();

    let account = "personal".parse().unwrap();
    let wrong = scenecast.simulator.say(&ann(), &account, "00000000").await.unwrap();
    assert!(format!("{:?}", wrong.shown).contains("验证码过期了,刷新登录页面重试一下吧"), "{:?}", wrong.shown);
    let right = scenecast.simulator.say(&ann(), &account, code).await.unwrap();
    assert!(format!("{:?}", right.shown).contains("登录成功"), "{:?}", right.shown);
    while let Some(event) = events.next().await {
        if event.data.starts_with("login#") {
            return;
        }
    }
    panic!("the stream ended without a login");
}

#[tokio::test]
async fn a_qr_code_is_sent_on_open_to_a_port_of_its_own() {
    let (scenecast, visitor, _) = started().await;
    let mut socket = visitor.connect(&format!("ws://{}/any", scenecast.qr_on_open)).await.unwrap();
    let sent: Value = serde_json::from_str(&next_text(&mut socket).await).unwrap();
    assert_eq!(sent["message_type"], "qrcode_url");
}

#[tokio::test]
async fn an_id_that_a_page_chose_gets_a_qr_code_or_a_mini_program_code() {
    let (_scenecast, visitor, at) = started().await;
    let picture = visitor.get(&at("/wx/qrcode/1700000000")).await;
    assert_eq!(picture.headers()["content-type"], "image/svg+xml");
    let body = json!({ "scene": "1700000001" }).to_string();
    let made = json_of(visitor.post(&at("/miniapp/getwxacodeunlimit"), "application/json", body).await).await;
    assert_eq!((&made["code"], &made["msg"]), (&json!(200), &json!("ok")));
}
