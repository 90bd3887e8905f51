//! The replay guard.

use scenecast_callback::stores::{ReplayGuard, ReplayVerdict};
use scenecast_wechat::SignedQuery;

use super::{Pods, account, other, over_every_backend};

over_every_backend! { a_signature_is_accepted_with_one_body }

async fn a_signature_is_accepted_with_one_body(pods: Pods) {
    let (here, there) = (ReplayGuard::new(pods.here), ReplayGuard::new(pods.there));
    let signed = SignedQuery { signature: "s", timestamp: "1800000000", nonce: "n" };
    assert_eq!(here.check(&account(), signed, b"body").await, Ok(ReplayVerdict::Genuine));
    assert_eq!(there.check(&account(), signed, b"body").await, Ok(ReplayVerdict::Genuine), "a redelivery");
    assert_eq!(there.check(&account(), signed, b"another").await, Ok(ReplayVerdict::Forged));
    let next = SignedQuery { nonce: "m", ..signed };
    assert_eq!(there.check(&account(), next, b"another").await, Ok(ReplayVerdict::Genuine));
    assert_eq!(there.check(&other(), signed, b"another").await, Ok(ReplayVerdict::Genuine));
}
