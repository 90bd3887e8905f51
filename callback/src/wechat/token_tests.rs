//! The access token against the simulator, where a pod's own clock or store is what matters.

use std::{collections::BTreeMap, net::SocketAddr};

use scenecast_loadtest::simulator::{Account, Simulator};
use scenecast_shared::{
    bus::{Bus, Role},
    config::{BusUrl, Drain},
    serve::{Limits, Listener, Shutdown},
    store::Store,
    telemetry::Metrics,
};

use super::*;
use crate::clock::Clock;

fn demo() -> AccountName {
    "demo".parse().unwrap()
}

async fn token_over(store: Store) -> (AccessToken, Simulator) {
    let limits = Limits { connections: 100, idle: Duration::from_secs(60) };
    let wechat = Listener::bind("simulator", SocketAddr::from(([127, 0, 0, 1], 0)), limits).await.unwrap();
    let url: url::Url = format!("http://{}", wechat.address()).parse().unwrap();
    let account = Account::sample("app-secret-0123456789abcdef01234".into(), "abc123".into());
    let credentials = Credentials { app_id: account.app_id.clone(), secret: account.secret.clone() };
    let simulator = Simulator::new(url.clone(), BTreeMap::from([(demo(), account)]));
    tokio::spawn(wechat.serve(simulator.router(), Shutdown::new(Drain::default())));
    let metrics = Metrics::new();
    let calls = metrics.counters("calls", "Calls.", &["call", "result"]);
    let client = Client::new(url.to_string().try_into().unwrap(), calls);
    let shown = metrics.gauges("circuit", "Calls.", &["account", "call", "why"]);
    let circuit = Circuit::new(demo(), Clock::default(), shown);
    (AccessToken::new(demo(), credentials, client, circuit, TokenStore::new(store)), simulator)
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_while_calls_go_on_with_it() {
    let store = Store::over(None);
    let (token, simulator) = token_over(store.clone()).await;
    let ending = StoredToken { token: "ending".into(), expires_at: unix_now_ms() + 100_000 };
    TokenStore::new(store).put(Account::SAMPLE_APP_ID, &ending, Duration::from_secs(100)).await.unwrap();
    assert_eq!(token.get().await.unwrap(), "ending", "what another pod fetched");
    assert_eq!(token.get().await.unwrap(), "ending", "nobody waits for the renewal");
    while token.get().await.unwrap() == "ending" {
        tokio::task::yield_now().await;
    }
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 1);
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_not_used() {
    let store = Store::over(None);
    let (token, _simulator) = token_over(store.clone()).await;
    let ending = StoredToken { token: "ending".into(), expires_at: unix_now_ms() + 4_000 };
    TokenStore::new(store).put(Account::SAMPLE_APP_ID, &ending, Duration::from_secs(4)).await.unwrap();
    assert_ne!(token.get().await.unwrap(), "ending");
}

#[tokio::test]
async fn a_dead_token_is_replaced_only_by_the_first_who_finds_out() {
    let (token, simulator) = token_over(Store::over(None)).await;
    let dead = token.get().await.unwrap();
    simulator.expire_tokens();
    let fresh = token.replace(&dead).await.unwrap();
    assert_ne!(fresh, dead);
    assert_eq!(token.replace(&dead).await.unwrap(), fresh);
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn without_a_store_the_token_comes_from_wechat_and_is_kept_here() {
    // Nothing listens on port 1.
    let nowhere: BusUrl = "redis://127.0.0.1:1".parse().unwrap();
    let (_, redis) = Bus::connect(&nowhere, Role::Settles, &Metrics::new());
    let (token, simulator) = token_over(Store::over(redis)).await;
    let fetched = token.get().await.unwrap();
    assert_eq!(token.get().await.unwrap(), fetched);
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 1);
}
