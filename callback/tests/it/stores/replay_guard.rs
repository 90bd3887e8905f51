//! The replay guard.

use scenecast_callback::stores::{ReplayGuard, ReplayVerdict, SignedContent};

use super::{Pods, over_every_backend};

over_every_backend! { a_signature_is_accepted_with_one_content }

async fn a_signature_is_accepted_with_one_content(pods: Pods) {
    use ReplayVerdict::{Forged, Genuine};
    let (here, there) = (ReplayGuard::new(pods.here), ReplayGuard::new(pods.there));
    let (body, another) = (SignedContent::Body(b"body"), SignedContent::Body(b"another"));
    assert_eq!(here.claim("s", body).await, Ok(Genuine));
    assert_eq!(there.claim("s", body).await, Ok(Genuine), "a redelivery");
    for content in [another, SignedContent::Echo("body"), SignedContent::TooLong, SignedContent::Body(b"")] {
        assert_eq!(there.claim("s", content).await, Ok(Forged), "{content:?}");
    }
    assert_eq!(there.claim("t", another).await, Ok(Genuine), "another signature");
    for (signature, first) in [("u", SignedContent::Echo("echo")), ("v", SignedContent::TooLong)] {
        assert_eq!(here.claim(signature, first).await, Ok(Genuine));
        assert_eq!(there.claim(signature, SignedContent::Body(b"echo")).await, Ok(Forged));
    }
}
