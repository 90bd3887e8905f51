//! Requests of our own: through no proxy of the environment, and not cut off by a slow name server.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use axum::{Router, extract::Request, routing::any};
use reqwest::{Client, Method};
use scenecast_service::{
    outbound::{NameResolver, OutboundClient, ProxyUrl},
    shutdown::Shutdown,
};
use tokio::{process::Command, time::sleep};

use crate::fixtures::{LIMITS, serve};

/// Longer than the clients below may take to connect, and shorter than a test should.
const SLOW_LOOK_UP: Duration = Duration::from_millis(1500);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Where a test that runs itself in another process says which server to ask.
const SERVER: &str = "SCENECAST_TEST_SERVER";

fn limits() -> reqwest::ClientBuilder {
    Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(Duration::from_secs(5))
}

/// A server that says its name and what it was asked for.
async fn server(name: &'static str) -> SocketAddr {
    let app = Router::new().fallback(any(move |request: Request| async move { format!("{name} {}", request.uri()) }));
    serve(app, LIMITS, &Shutdown::never()).await
}

async fn get(client: &OutboundClient, url: &str) -> Result<String, String> {
    let answer = client.send(client.request(Method::GET, url)).await.map_err(|error| error.to_string())?;
    answer.text().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_look_up_takes_nothing_of_the_time_that_a_connection_may_take() {
    let address = server("callback").await;
    let names = NameResolver::new(move |_| async move {
        sleep(SLOW_LOOK_UP).await;
        Ok(vec![address.ip()])
    });
    let client = OutboundClient::new(names, None, limits());
    let url = format!("http://callback.internal:{}/open", address.port());
    assert_eq!(get(&client, &url).await.unwrap(), "callback /open");

    let nobody = OutboundClient::new(NameResolver::new(async |_| Ok(vec![])), None, limits());
    let error = get(&nobody, &url).await.unwrap_err();
    assert!(error.starts_with("name resolution of callback.internal failed"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_if_the_configuration_names_it() {
    let proxy = server("proxy").await;
    let proxy_url = ProxyUrl::try_from(format!("http://user:hush@{proxy}")).unwrap();
    // Only the proxy knows the names outside.
    let names = NameResolver::new(async |_| Ok(vec![]));
    let client = OutboundClient::new(names, Some(proxy_url), limits());
    assert_eq!(get(&client, "http://wechat.invalid/token").await.unwrap(), "proxy http://wechat.invalid/token");
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    let (server, proxy) = (server("server").await, server("proxy").await);
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["outbound::in_an_environment_with_a_proxy", "--exact", "--ignored"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, format!("http://{proxy}"))))
        .env(SERVER, server.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let output = test.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "no_proxy_of_the_environment_is_used runs it, with such an environment"]
async fn in_an_environment_with_a_proxy() {
    let url = format!("http://{}/", std::env::var(SERVER).unwrap());
    let client = OutboundClient::new(NameResolver::system(), None, limits());
    assert_eq!(get(&client, &url).await.unwrap(), "server /");
    let obeying = Client::builder().build().unwrap().get(&url).send().await.unwrap();
    assert!(obeying.text().await.unwrap().starts_with("proxy "), "a client that obeys the environment uses the proxy");
}
