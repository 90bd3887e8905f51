//! The modules that pages load, and their types.

use reqwest::{Response, StatusCode, header};

use crate::fixtures::GatewayWorld;

/// What a browser gets that sends this header.
async fn get(url: &str, name: header::HeaderName, value: &str) -> Response {
    reqwest::Client::new().get(url).header(name, value).send().await.unwrap()
}

fn text<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_of_any_origin_get_the_modules_and_their_types() {
    let world = GatewayWorld::new().await;
    for (path, media_type, has) in [
        ("/v1/scenecast.js", "text/javascript; charset=utf-8", "export function login"),
        ("/v1/scenecast-login.js", "text/javascript; charset=utf-8", "customElements.define('scenecast-login'"),
        ("/v1/scenecast.d.ts", "application/typescript; charset=utf-8", "declare function login"),
        ("/v1/scenecast-login.d.ts", "application/typescript; charset=utf-8", "'scenecast-login': LoginElement"),
    ] {
        let response = reqwest::get(world.url(path)).await.unwrap();
        assert_eq!(text(&response, "content-type"), media_type);
        assert_eq!(text(&response, "access-control-allow-origin"), "*");
        assert_eq!(text(&response, "cache-control"), "public, max-age=300");
        assert_eq!(text(&response, "content-encoding"), "", "nobody asked for another");
        assert!(response.text().await.unwrap().contains(has), "{path}");
    }
}

#[tokio::test]
async fn a_module_is_sent_compressed_and_once() {
    let world = GatewayWorld::new().await;
    let module = world.url("/v1/scenecast-login.js");
    let plain = get(&module, header::ACCEPT_ENCODING, "identity").await;
    let compressed = get(&module, header::ACCEPT_ENCODING, "gzip, deflate, br, zstd").await;
    assert_eq!(text(&compressed, "content-encoding"), "gzip");
    assert_eq!(text(&compressed, "vary"), "accept-encoding");
    assert_ne!(text(&plain, "etag"), text(&compressed, "etag"));
    let tag = text(&plain, "etag").to_owned();
    assert!(compressed.content_length().unwrap() * 2 < plain.content_length().unwrap());

    let again = get(&module, header::IF_NONE_MATCH, &tag).await;
    assert_eq!((again.status(), text(&again, "etag")), (StatusCode::NOT_MODIFIED, tag.as_str()));
    assert!(again.text().await.unwrap().is_empty());
    let changed = get(&module, header::IF_NONE_MATCH, "\"of-another-version\"").await;
    assert_eq!(changed.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_version_is_kept_for_ever_and_another_pods_version_not_at_all() {
    let world = GatewayWorld::new().await;
    let latest = reqwest::get(world.url("/v1/scenecast.js")).await.unwrap();
    let location = text(&latest, "content-location").to_owned();
    let latest = latest.text().await.unwrap();
    assert!(location.starts_with("/v1/modules/") && location.ends_with("/scenecast.js"), "{location}");
    for (path, kept) in [
        (location.as_str(), "public, max-age=31536000, immutable"),
        ("/v1/modules/0.1.0-0123456789ab/scenecast.js", "no-cache"),
        ("/v1/modules/x%20y/scenecast.js", "no-cache"),
    ] {
        let response = reqwest::get(world.url(path)).await.unwrap();
        assert_eq!(text(&response, "cache-control"), kept, "{path}");
        assert_eq!(response.text().await.unwrap(), latest);
    }
    let unknown = reqwest::get(world.url("/v1/modules/0.1.0/other.js")).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}
