//! How much of a day's quota is used.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use scenecast_callback::stores::DailyQuota;

use super::{Pods, account, other, over_every_backend};

over_every_backend! {
    a_budget_is_counted_by_all_pods_day_by_day
    pods_that_count_in_blocks_give_no_number_twice
}

/// So little that each call is counted by itself.
const SMALL: u64 = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

async fn a_budget_is_counted_by_all_pods_day_by_day(pods: Pods) {
    let (here, there) = (DailyQuota::new(pods.here.clone(), "qrcode"), DailyQuota::new(pods.there.clone(), "qrcode"));
    let today = today();
    assert_eq!(here.count_call(&account(), SMALL, today).await, Ok(1));
    assert_eq!(there.count_call(&account(), SMALL, today).await, Ok(2));
    assert_eq!(there.count_call(&other(), SMALL, today).await, Ok(1));
    assert_eq!(DailyQuota::new(pods.here.clone(), "user").count_call(&account(), SMALL, today).await, Ok(1));
    assert_eq!(there.count_call(&account(), SMALL, today + DAY).await, Ok(1));
    let of_0_2 = "1000000000000".to_owned();
    pods.there.put("budget:qrcode:demo:20833", of_0_2, Duration::from_secs(2 * 24 * 60 * 60)).await.unwrap();
    assert_eq!(here.count_call(&account(), SMALL, today).await, Ok(1), "what version 0.2 wrote ends no day");
    assert_eq!(here.count_call(&other(), SMALL, today).await, Ok(2));
    assert_eq!(here.count_call(&account(), SMALL, today + DAY).await, Ok(2));
    if let Some(life) = pods.life("budget:qrcode:demo:20833").await {
        assert!((24 * 60 * 60..=2 * 24 * 60 * 60).contains(&life), "{life}");
    }
}

async fn pods_that_count_in_blocks_give_no_number_twice(pods: Pods) {
    let [here, there] = [&pods.here, &pods.there].map(|store| DailyQuota::new(store.clone(), "qrcode"));
    let mut numbers = vec![];
    for _ in 0..10 {
        for pod in [&here, &there] {
            let at_once = (0..5).map(|_| async { pod.count_call(&account(), 100_000, today()).await.unwrap() });
            numbers.extend(join_all(at_once).await);
        }
    }
    let highest = numbers.iter().copied().max().unwrap_or_default();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
    let counted = pods.here.get("budget:qrcode:demo:20833").await.unwrap();
    let counted: u64 = counted.as_deref().unwrap_or_default().parse().unwrap();
    assert!((highest..=100 + 2 * 15).contains(&counted), "{counted}");
    assert_eq!(there.count_call(&account(), 100_000, today() + DAY).await, Ok(1));
}
