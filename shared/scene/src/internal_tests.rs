//! Signatures, and the bodies of calls.

use super::*;
use crate::page::Language;

const NOW: Duration = Duration::from_secs(1_800_000_000);
const LONG_AGO: Duration = Duration::from_secs(1_800_000_000 - 61);

fn secrets() -> Rotating {
    Rotating { current: "new".into(), previous: Some("old".into()) }
}

fn check(header: &str) -> Result<(), CallSignatureError> {
    verify(&secrets(), NOW, "/p", b"body", header)
}

#[test]
fn a_call_signed_with_either_secret_is_accepted() {
    assert_eq!(check(&sign(&secrets(), NOW, "/p", b"body")), Ok(()));
    assert_eq!(check(&sign(&Rotating::fixed("old"), NOW, "/p", b"body")), Ok(()));
}

#[test]
fn a_full_batch_of_the_longest_scenes_is_within_the_limit() {
    let longest = ReopenCall {
        scene: "-_v7-_v7-_v7-_v7-_v7-w".parse().unwrap(),
        account: "a".repeat(32).parse().unwrap(),
        binding: Some(Binding::of("state")),
        page: PageInfo {
            host: Some("h".repeat(253)),
            address: Some("2001:db80:1111:2222:3333:4444:5555:6666".parse().unwrap()),
            browser: Some("QQ Browser, HarmonyOS".to_owned()),
            language: Some(Language::Zh),
            // Each takes two bytes in JSON.
            chosen_id: Some("\"".repeat(64).parse().unwrap()),
        },
        life_ms: u64::MAX,
        typed_code: Some("1".repeat(18)),
    };
    let batch: Vec<&ReopenCall> = std::iter::repeat_n(&longest, MAX_REOPEN_BATCH).collect();
    assert!(serde_json::to_vec(&batch).unwrap().len() <= MAX_BODY_BYTES);
}

#[test]
fn a_wrong_or_stale_signature_is_refused() {
    for (header, why) in [
        (String::new(), CallSignatureError::Unsigned),
        ("1,2".to_owned(), CallSignatureError::Unsigned),
        ("1,2,3".to_owned(), CallSignatureError::Mismatch),
        (sign(&Rotating::fixed("other"), NOW, "/p", b"body"), CallSignatureError::Mismatch),
        (sign(&secrets(), NOW, "/q", b"body"), CallSignatureError::Mismatch),
        (sign(&secrets(), NOW, "/p", b"bodies"), CallSignatureError::Mismatch),
        (sign(&secrets(), LONG_AGO, "/p", b"body"), CallSignatureError::Stale),
        (sign(&secrets(), NOW + Duration::from_secs(61), "/p", b"body"), CallSignatureError::Stale),
    ] {
        assert_eq!(check(&header), Err(why), "{header}");
    }
}

#[test]
fn any_signed_call_is_accepted_and_any_change_is_refused() {
    bolero::check!().with_type().for_each(|(path, body, at, character): &(String, Vec<u8>, u8, char)| {
        let header = sign(&secrets(), NOW, path, body);
        assert_eq!(verify(&secrets(), NOW, path, body, &header), Ok(()));
        assert!(verify(&secrets(), NOW, path, &[body.as_slice(), b"x"].concat(), &header).is_err());
        let mut changed: Vec<char> = header.chars().collect();
        let at = usize::from(*at) % changed.len();
        if std::mem::replace(&mut changed[at], *character) != *character {
            let changed: String = changed.into_iter().collect();
            assert!(verify(&secrets(), NOW, path, body, &changed).is_err(), "{changed}");
        }
    });
}

#[test]
fn any_body_is_a_call_or_is_refused() {
    bolero::check!().for_each(|body: &[u8]| {
        assert!(check(&String::from_utf8_lossy(body)).is_err());
        reads_back::<OpenCall>(body);
        reads_back::<OpenedHandle>(body);
        reads_back::<Vec<ReopenCall>>(body);
        reads_back::<CancelCall>(body);
    });
}

#[test]
fn each_refusal_has_its_code() {
    for (refusal, code) in [
        (OpenRefusal::AccountUnknown, "account_unknown"),
        (OpenRefusal::Quota, "wechat_quota"),
        (OpenRefusal::NotGranted, "wechat_refused"),
        (OpenRefusal::WechatUnavailable, "wechat_unavailable"),
        (OpenRefusal::BusUnavailable, "bus_unavailable"),
    ] {
        assert_eq!((refusal.code(), OpenRefusal::from_code(code)), (code, Some(refusal)));
    }
    assert_eq!(OpenRefusal::from_code("nonsense"), None);
}

fn reads_back<T: Serialize + for<'de> Deserialize<'de>>(body: &[u8]) {
    if let Ok(call) = serde_json::from_slice::<T>(body) {
        let written = serde_json::to_vec(&call).unwrap();
        let again: T = serde_json::from_slice(&written).unwrap();
        assert_eq!(serde_json::to_vec(&again).unwrap(), written);
    }
}
