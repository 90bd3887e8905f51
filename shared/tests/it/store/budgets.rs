//! What is left of a day's quota.

use std::time::{Duration, SystemTime};

use scenecast_shared::store::{Budget, Spent};

use super::{Pods, other, over_every_backend};
use crate::fixtures::account;

over_every_backend! { a_budget_is_counted_by_all_pods_day_by_day }

async fn a_budget_is_counted_by_all_pods_day_by_day(pods: Pods) {
    let (here, there) = (Budget::new(pods.here.clone(), "qrcode"), Budget::new(pods.there.clone(), "qrcode"));
    let today = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!(here.spend(&account(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(there.spend(&account(), today).await, Ok(Spent::Calls(2)));
    assert_eq!(there.spend(&other(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(Budget::new(pods.here.clone(), "user").spend(&account(), today).await, Ok(Spent::Calls(1)));
    assert_eq!(there.spend(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(Spent::Calls(1)));
    there.use_up(&account(), today).await.unwrap();
    assert_eq!(here.spend(&account(), today).await, Ok(Spent::UsedUp));
    assert_eq!(here.spend(&other(), today).await, Ok(Spent::Calls(2)));
    assert_eq!(here.spend(&account(), today + Duration::from_secs(24 * 60 * 60)).await, Ok(Spent::Calls(2)));
    if let Some(life) = pods.life("budget:qrcode:demo:20833").await {
        assert!((24 * 60 * 60..=2 * 24 * 60 * 60).contains(&life), "{life}");
    }
}
