//! Pages that were written for other servers find theirs here.

use scenecast_loadtest::visitor::{Said, Visitor};
use scenecast_shared::config::Seconds;
use serde_json::Value;

use super::browser::standalone;

#[tokio::test]
async fn all_of_their_routes_are_on() {
    let scenecast = standalone(Seconds::new(120)).await;
    let (gateway, visitor) = (scenecast.gateway, Visitor::default());
    let get = async |path: &str| visitor.get(&format!("http://{gateway}{path}")).await;
    let json = async |path: &str| get(path).await.json::<Value>().await.unwrap();
    assert_eq!(get("/wx/qrcode/1700000000").await.headers()["content-type"], "image/svg+xml");
    assert_eq!(json("/login/code").await["status"]["code"], 0);
    assert_eq!(json("/createQrCode").await["code"], 200);

    let url = format!("http://{gateway}/miniapp/getwxacodeunlimit");
    let made = visitor.post(&url, "application/json", r#"{"scene":"scene-1700000000123"}"#.to_owned()).await;
    assert_eq!(made.json::<Value>().await.unwrap()["code"], 200);

    let mut on_open = visitor.connect(&format!("ws://{}/", scenecast.on_open)).await.unwrap();
    assert!(matches!(on_open.hear().await, Said::Text(text) if text.contains("qrcode_url")));
}
