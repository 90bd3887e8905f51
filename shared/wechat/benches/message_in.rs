//! What a callback computes for each of WeChat's messages in safe mode: signature, document, decryption, message.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scenecast_scene::{AccountName, Rotating};
use scenecast_wechat::{AesKey, EncryptedMessage, Message, SignedQuery, sign};

const TOKEN: &str = "benchToken";
const APP_ID: &str = "wx0123456789abcdef";
const NOW: u64 = 1_800_000_000;
const SCAN: &str = "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>\
    <FromUserName><![CDATA[oABCDEFGHIJKLMNOPQRSTUVWXYZ1]]></FromUserName><CreateTime>1800000000</CreateTime>\
    <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[SCAN]]></Event>\
    <EventKey><![CDATA[AAAAAAAAAAAAAAAAAAAAAA]]></EventKey><Ticket><![CDATA[gQH47joAAAAAAAAAASxodHRwOi8v]]></Ticket></xml>";

fn message_in(criterion: &mut Criterion) {
    let key: AesKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".parse().expect("a valid key");
    let encrypted = key.encrypt(SCAN.as_bytes(), APP_ID, [7; 16]);
    let body = format!(
        "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    );
    let timestamp = NOW.to_string();
    let signature = sign(&[TOKEN, &timestamp, "1", &encrypted]);
    let tokens = Rotating::fixed(TOKEN);
    let keys = Rotating { current: key, previous: None };
    let account: AccountName = "demo".parse().expect("a valid name");
    let query = SignedQuery { signature: &signature, timestamp: &timestamp, nonce: "1" };

    let mut group = criterion.benchmark_group("message in");
    group.bench_function("signature", |bench| {
        bench.iter(|| query.verify_encrypted(black_box(&encrypted), &tokens, NOW).expect("it is signed"));
    });
    group.bench_function("encrypted document", |bench| {
        bench.iter(|| EncryptedMessage::parse(black_box(body.as_bytes())).expect("it is well-formed"));
    });
    group.bench_function("decryption", |bench| {
        bench.iter(|| AesKey::decrypt_with_any(&keys, black_box(&encrypted), APP_ID).expect("it is for this key"));
    });
    group.bench_function("message", |bench| {
        bench.iter(|| {
            let message = Message::parse(black_box(SCAN.as_bytes())).expect("it is well-formed");
            message.delivery_id(&account)
        });
    });
    group.finish();
}

criterion_group!(benches, message_in);
criterion_main!(benches);
