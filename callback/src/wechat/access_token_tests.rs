//! The access token against the simulator, where a pod's own clock or store matters.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;
use scenecast_bus::{BusConfig, Store};
use scenecast_metrics::Metrics;
use scenecast_service::{
    config::DrainConfig,
    listener::{Listener, ListenerLimits},
    outbound::NameResolver,
    shutdown::Shutdown,
};
use scenecast_simulator::{CallFailure, SimulatedAccount, Simulator};

use super::{super::pause::PauseReason, *};
use crate::clock::Clock;

fn demo() -> AccountName {
    "demo".parse().unwrap()
}

async fn token_over(store: Store) -> (AccessTokenSource, Simulator) {
    let limits = ListenerLimits { connections: 100, idle: Duration::from_secs(60) };
    let wechat = Listener::bind("simulator", SocketAddr::from(([127, 0, 0, 1], 0)), limits).await.unwrap();
    let url: url::Url = format!("http://{}", wechat.address()).parse().unwrap();
    let account = SimulatedAccount::sample("app-secret-0123456789abcdef01234".into(), "abc123".into());
    let credentials = Credentials { app_id: account.app_id.clone(), secret: account.secret.clone() };
    let simulator = Simulator::new(url.clone(), BTreeMap::from([(demo(), account)]));
    tokio::spawn(wechat.serve(simulator.router(), Shutdown::new(DrainConfig::default())));
    let metrics = Metrics::new();
    let calls = metrics.counter_vec("calls", "Calls.", &["call", "result"]);
    let client = WechatClient::new(url.to_string().try_into().unwrap(), NameResolver::system(), None, calls);
    let gauge = metrics.gauge_vec("circuit", "Calls.", &["account", "call", "why"]);
    let circuit = Circuit::new(demo(), Clock::default(), gauge);
    (AccessTokenSource::new(demo(), credentials, client, circuit, TokenStore::new(store)), simulator)
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_while_calls_go_on_with_it() {
    let store = Store::over(None);
    let (token, simulator) = token_over(store.clone()).await;
    let ending = StoredToken { token: "ending".into(), expires_at: unix_now_ms() + 100_000 };
    TokenStore::new(store).put(SimulatedAccount::SAMPLE_APP_ID, &ending, Duration::from_secs(100)).await.unwrap();
    assert_eq!(token.get().await.unwrap(), "ending", "what another pod fetched");
    assert_eq!(token.get().await.unwrap(), "ending", "nobody waits for the renewal");
    while token.get().await.unwrap() == "ending" {
        tokio::task::yield_now().await;
    }
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 1);
}

#[tokio::test]
async fn a_token_that_ends_within_seconds_is_not_used() {
    let store = Store::over(None);
    let (token, _simulator) = token_over(store.clone()).await;
    let ending = StoredToken { token: "ending".into(), expires_at: unix_now_ms() + 4_000 };
    TokenStore::new(store).put(SimulatedAccount::SAMPLE_APP_ID, &ending, Duration::from_secs(4)).await.unwrap();
    assert_ne!(token.get().await.unwrap(), "ending");
}

#[tokio::test]
async fn a_dead_token_is_replaced_once_however_many_find_out() {
    let (token, simulator) = token_over(Store::over(None)).await;
    let dead = token.get().await.unwrap();
    simulator.expire_tokens();
    let fresh = token.replace(&dead).await.unwrap();
    assert_ne!(fresh, dead);
    assert_eq!(token.replace(&dead).await.unwrap(), fresh);
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn a_dead_token_is_used_by_nobody_until_wechat_or_another_pod_has_a_token() {
    let store = Store::over(None);
    let (token, simulator) = token_over(store.clone()).await;
    let dead = token.get().await.unwrap();
    simulator.fail_calls(STABLE_TOKEN, 1000, CallFailure::Code(40164));
    let asked = simulator.calls(STABLE_TOKEN).total();
    assert_eq!(token.replace(&dead).await.unwrap_err().code(), Some(ErrorCode::Address));
    let paused = CallError::NotMade(PauseReason::Refused(ErrorCode::Address));
    for _ in 0..3 {
        assert_eq!(token.get().await, Err(paused.clone()), "though Redis still has the dead one");
        assert_eq!(token.replace(&dead).await, Err(paused.clone()));
    }
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), asked + 1);
    let fresh = StoredToken { token: "of another pod".into(), expires_at: unix_now_ms() + 7_200_000 };
    TokenStore::new(store).put(SimulatedAccount::SAMPLE_APP_ID, &fresh, Duration::from_secs(7200)).await.unwrap();
    assert_eq!(token.get().await.unwrap(), fresh.token);
    assert_eq!(token.0.circuit.check(STABLE_TOKEN), Ok(()), "it is over");
}

#[tokio::test]
async fn a_refused_token_that_wechat_gives_again_is_tried_again_and_asked_for_once() {
    let (token, simulator) = token_over(Store::over(None)).await;
    let refused = token.get().await.unwrap();
    for _ in 0..3 {
        assert_eq!(token.replace(&refused).await.unwrap(), refused);
        assert_eq!(token.get().await.unwrap(), refused);
    }
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn those_who_wait_for_a_token_share_one_failure_and_a_hiccup_is_no_pause() {
    let (token, simulator) = token_over(Store::over(None)).await;
    simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Html);
    let waiting = join_all((0..20).map(|_| token.get())).await;
    assert!(waiting.iter().all(|got| matches!(got, Err(CallError::Foreign(_)))), "{waiting:?}");
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 1);
    token.get().await.unwrap();
}

#[tokio::test]
async fn without_redis_the_token_comes_from_wechat_and_is_kept_in_this_process() {
    // Nothing listens on port 1.
    let nowhere = BusConfig { url: "redis://127.0.0.1:1".parse().unwrap() };
    let (_, store) = nowhere.connect_writer(&Metrics::new());
    let (token, simulator) = token_over(store).await;
    let fetched = token.get().await.unwrap();
    assert_eq!(token.get().await.unwrap(), fetched);
    assert_eq!(simulator.calls(STABLE_TOKEN).total(), 1);
}
