//! How much of a day's quota is used.

use std::time::{Duration, SystemTime};

use scenecast_callback::stores::DailyQuota;

use super::{Pods, account, other, over_every_backend};

over_every_backend! { a_budget_is_counted_by_all_pods_day_by_day }

async fn a_budget_is_counted_by_all_pods_day_by_day(pods: Pods) {
    let (here, there) = (DailyQuota::new(pods.here.clone(), "qrcode"), DailyQuota::new(pods.there.clone(), "qrcode"));
    let today = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!(here.count_call(&account(), today).await, Ok(1));
    assert_eq!(there.count_call(&account(), today).await, Ok(2));
    assert_eq!(there.count_call(&other(), today).await, Ok(1));
    assert_eq!(DailyQuota::new(pods.here.clone(), "user").count_call(&account(), today).await, Ok(1));
    assert_eq!(there.count_call(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(1));
    let of_0_2 = "1000000000000".to_owned();
    pods.there.put("budget:qrcode:demo:20833", of_0_2, Duration::from_secs(2 * 24 * 60 * 60)).await.unwrap();
    assert_eq!(here.count_call(&account(), today).await, Ok(1), "what version 0.2 wrote ends no day");
    assert_eq!(here.count_call(&other(), today).await, Ok(2));
    assert_eq!(here.count_call(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(2));
    if let Some(life) = pods.life("budget:qrcode:demo:20833").await {
        assert!((24 * 60 * 60..=2 * 24 * 60 * 60).contains(&life), "{life}");
    }
}
