//! The replay guard.

use scenecast_shared::{
    store::{Replay, ReplayGuard},
    wechat::Signed,
};

use super::{Pods, other, over_every_backend};
use crate::fixtures::account;

over_every_backend! { a_signature_is_good_for_one_body }

async fn a_signature_is_good_for_one_body(pods: Pods) {
    let (here, there) = (ReplayGuard::new(pods.here), ReplayGuard::new(pods.there));
    let signed = Signed { signature: "s", timestamp: "1800000000", nonce: "n" };
    assert_eq!(here.check(&account(), signed, b"body").await, Ok(Replay::Genuine));
    assert_eq!(there.check(&account(), signed, b"body").await, Ok(Replay::Genuine), "a redelivery");
    assert_eq!(there.check(&account(), signed, b"another").await, Ok(Replay::Forged));
    let next = Signed { nonce: "m", ..signed };
    assert_eq!(there.check(&account(), next, b"another").await, Ok(Replay::Genuine));
    assert_eq!(there.check(&other(), signed, b"another").await, Ok(Replay::Genuine));
}
