//! Published messages of WeChat and other libraries, and properties of all messages and keys.

use super::*;
use crate::signature::sign;

struct PublishedMessage {
    token: &'static str,
    key: &'static str,
    app_id: &'static str,
    timestamp: &'static str,
    nonce: &'static str,
    signature: &'static str,
    random: &'static [u8; 16],
    message: &'static str,
    encrypted: &'static str,
}

const PUBLISHED: [PublishedMessage; 4] = [
    // WeChat, "Message push": a message in safe mode; 19 bytes of padding.
    PublishedMessage {
        token: "AAAAA",
        key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        app_id: "wxba5fad812f8e6fb9",
        timestamp: "1714112445",
        nonce: "415670741",
        signature: "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
        random: b"a8eedb185eb2fecf",
        message: "{\"ToUserName\":\"gh_97417a04a28d\",\"FromUserName\":\"o9AgO5Kd5ggOC-bXrbNODIiE3bGY\",\
                  \"CreateTime\":1714112445,\"MsgType\":\"event\",\"Event\":\"debug_demo\",\"debug_str\":\"hello world\"}",
        encrypted: "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzD\
                    pVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2I\
                    uQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F\
                    9mFUPAJGj04=",
    },
    // WeChat, "Message push": the reply to it.
    PublishedMessage {
        token: "AAAAA",
        key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        app_id: "wxba5fad812f8e6fb9",
        timestamp: "1713424427",
        nonce: "415670741",
        signature: "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
        random: b"707722b803182950",
        message: "{\"demo_resp\":\"good luck\"}",
        encrypted: "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
    },
    // WxJava's tests: beyond ASCII; the key's unused bits are set.
    PublishedMessage {
        token: "pamtest",
        key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        app_id: "wxb11529c136998cb6",
        timestamp: "1409304348",
        nonce: "xxxxxx",
        signature: "82c962d39941aa48552f90ef55aa323dc620cc10",
        random: b"aaaabbbbccccdddd",
        message: "我是中文abcd123",
        encrypted: "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==",
    },
    // wechatpy's tests: one byte of padding; the key's unused bits are set.
    PublishedMessage {
        token: "123456",
        key: "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
        app_id: "wx49f0ab532d5d035a",
        timestamp: "1411525903",
        nonce: "461056294",
        signature: "74d92dfeb87ba7c714f89d98870ae5eb62dff26d",
        random: b"ec90b1530358d4d3",
        message: "<xml><ToUserName><![CDATA[wx49f0ab532d5d035a]]></ToUserName>\n\
                  <FromUserName><![CDATA[messense]]></FromUserName>\n<CreateTime>1411525903</CreateTime>\n\
                  <MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n\
                  <MsgId>4363689963896700987</MsgId>\n<AgentID>1</AgentID>\n</xml>",
        encrypted: "RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IHCrsTyeDXz\
                    F6Bv283dGymzxh6ydJRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gY\
                    Nx410cvkKR2/nPwBiT+P4hIiOAQqGp/TywZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2S\
                    jHnwh4jYFxdgpkHHqIrH/54SNdshoQgWYEvccTKe7FS709/5t6NMxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En74\
                    9zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91eBdCRxthuL0=",
    },
];

const APP: &str = "wx49f0ab532d5d035a";
const RANDOM_BYTES: [u8; 16] = *b"0123456789abcdef";

fn key() -> AesKey {
    PUBLISHED[3].key.parse().unwrap()
}

/// `random ‖ length ‖ message ‖ app id`, with a length that may be wrong.
fn content(length: u32, message: &[u8], app_id: &str) -> Vec<u8> {
    [&RANDOM_BYTES[..], &length.to_be_bytes(), message, app_id.as_bytes()].concat()
}

/// The content with this padding, encrypted.
fn padded(mut content: Vec<u8>, padding: &[u8]) -> String {
    content.extend_from_slice(padding);
    key().encrypt_blocks(content)
}

#[test]
fn published_messages_are_signed_decrypted_and_encrypted_in_the_same_way() {
    for it in PUBLISHED {
        let key: AesKey = it.key.parse().unwrap();
        assert_eq!(sign(&[it.token, it.timestamp, it.nonce, it.encrypted]), it.signature, "{}", it.message);
        assert_eq!(key.decrypt(it.encrypted, it.app_id), Ok(it.message.as_bytes().to_vec()));
        assert_eq!(key.encrypt(it.message.as_bytes(), it.app_id, *it.random), it.encrypted);
    }
}

#[test]
fn a_key_is_43_letters_and_digits() {
    let good = PUBLISHED[3].key;
    for bad in [
        String::new(),
        good[1..].to_owned(),
        format!("{good}="),
        format!("{good}A"),
        format!(" {}", &good[1..]),
        format!("{}+", &good[1..]),
        format!("{}é", &good[2..]),
    ] {
        assert_eq!(bad.parse::<AesKey>().err(), Some(AesKeyError), "{bad:?}");
    }
    assert_eq!(format!("{:?}", Rotating { current: key(), previous: None }.current), "<secret>");
}

#[test]
fn the_last_two_bits_of_a_key_are_ignored() {
    let encrypted = key().encrypt(b"m", APP, RANDOM_BYTES);
    // 43 characters end in …Q, …R, …S or …T: the same 256 bits.
    for last in ["Q", "R", "S", "T"] {
        let same: AesKey = format!("{}{last}", &PUBLISHED[3].key[..42]).parse().unwrap();
        assert_eq!(same.decrypt(&encrypted, APP), Ok(b"m".to_vec()), "{last}");
    }
    let other: AesKey = format!("{}U", &PUBLISHED[3].key[..42]).parse().unwrap();
    assert_eq!(other.decrypt(&encrypted, APP), Err(DecryptError::Unreadable));
}

#[test]
fn every_length_of_padding_is_written_and_read() {
    // 16 random bytes, 4 of length and 18 of app id are 38.
    for (length, padding) in (0..64).map(|length| (length, 32 - (38 + length) % 32)) {
        let message = vec![b'x'; length];
        let encrypted = key().encrypt(&message, APP, RANDOM_BYTES);
        assert_eq!(STANDARD.decode(&encrypted).unwrap().len(), 38 + length + padding);
        assert_eq!(key().decrypt(&encrypted, APP), Ok(message));
    }
    let twelve = content(12, b"twelve bytes", APP);
    let to_a_block = 64 - twelve.len();
    let by_16 = padded(twelve, &vec![u8::try_from(to_a_block).unwrap(); to_a_block]);
    assert_eq!(key().decrypt(&by_16, APP), Ok(b"twelve bytes".to_vec()), "padded to AES's own blocks");
}

#[test]
fn malformed_messages_are_refused() {
    // With 10 bytes of message the content is 48 bytes, whole blocks.
    let ten = b"ten bytes.";
    let whole = content(10, ten, APP);
    let good = padded(whole.clone(), &[16; 16]);
    assert_eq!(key().decrypt(&good, APP), Ok(ten.to_vec()));
    let too_long = |length| padded(content(length, ten, APP), &[16; 16]);
    let sixteen = STANDARD.encode([7; 16]);
    for (encrypted, why) in [
        ("", DecryptError::Unreadable),
        (&good[..good.len() - 1], DecryptError::Malformed),
        (&good[..good.len() - 4], DecryptError::Malformed),
        (&good[..64], DecryptError::Unreadable),
        ("not base64!", DecryptError::Malformed),
        (&good.replace('/', "_").replace('+', "-"), DecryptError::Malformed),
        (&format!("{good}\n"), DecryptError::Malformed),
        (&sixteen, DecryptError::Unreadable),
        (&padded(whole.clone(), &[0; 16]), DecryptError::Unreadable),
        (&padded(whole.clone(), &[33; 48]), DecryptError::Unreadable),
        (&padded(whole.clone(), &[17; 16]), DecryptError::Unreadable),
        (&padded(whole.clone(), &[[9; 15].as_slice(), &[16]].concat()), DecryptError::Unreadable),
        (&padded(vec![], &[32; 32]), DecryptError::Unreadable),
        (&padded(RANDOM_BYTES.to_vec(), &[16; 16]), DecryptError::Unreadable),
        (&padded([&RANDOM_BYTES[..], &[0; 3]].concat(), &[13; 13]), DecryptError::Unreadable),
        (&too_long(29), DecryptError::Unreadable),
        (&too_long(u32::MAX), DecryptError::Unreadable),
        (&too_long(28), DecryptError::AnotherApp),
        (&too_long(11), DecryptError::AnotherApp),
        (&too_long(9), DecryptError::AnotherApp),
        (&key().encrypt(ten, "", RANDOM_BYTES), DecryptError::AnotherApp),
        (&key().encrypt(ten, "wx49f0ab532d5d035A", RANDOM_BYTES), DecryptError::AnotherApp),
        (&key().encrypt(ten, "wx49f0ab532d5d035", RANDOM_BYTES), DecryptError::AnotherApp),
    ] {
        assert_eq!(key().decrypt(encrypted, APP), Err(why), "{encrypted}");
    }
}

/// The key of these bytes.
fn key_of(bytes: [u8; 32]) -> AesKey {
    AesKey(Zeroizing::new(bytes))
}

#[test]
fn any_message_reads_back() {
    bolero::check!().with_type().for_each(|(key, message, random): &([u8; 32], Vec<u8>, [u8; 16])| {
        let key = key_of(*key);
        let encrypted = key.encrypt(message, APP, *random);
        assert_eq!(key.decrypt(&encrypted, APP).as_ref(), Ok(message));
        assert_eq!(key.decrypt(&encrypted, "wx"), Err(DecryptError::AnotherApp));
    });
}

#[test]
fn the_longest_message_reads_back() {
    let message = vec![0x20; 64 * 1024];
    assert_eq!(key().decrypt(&key().encrypt(&message, APP, RANDOM_BYTES), APP), Ok(message));
}

#[test]
fn during_a_rotation_both_keys_are_accepted_and_the_reply_uses_the_same_key() {
    let [old, new, other] = [1, 2, 3].map(|byte| key_of([byte; 32]));
    let rotating = Rotating { current: new.clone(), previous: Some(old.clone()) };
    let rotated = Rotating { current: new.clone(), previous: None };
    bolero::check!().for_each(|message: &[u8]| {
        for key in [&old, &new] {
            let (read, with) =
                AesKey::decrypt_with_any(&rotating, &key.encrypt(message, APP, RANDOM_BYTES), APP).unwrap();
            assert_eq!(read, message);
            assert_eq!(key.decrypt(&with.encrypt(&read, APP, RANDOM_BYTES), APP).as_deref(), Ok(message));
        }
        let foreign = AesKey::decrypt_with_any(&rotating, &other.encrypt(message, APP, RANDOM_BYTES), APP);
        assert_eq!(foreign.err(), Some(DecryptError::Unreadable));
        let late = AesKey::decrypt_with_any(&rotated, &old.encrypt(message, APP, RANDOM_BYTES), APP);
        assert_eq!(late.err(), Some(DecryptError::Unreadable));
    });
}

#[test]
fn a_flipped_bit_changes_the_result() {
    bolero::check!().with_type().for_each(|(message, bit): &(Vec<u8>, u16)| {
        let mut bytes = STANDARD.decode(key().encrypt(message, APP, RANDOM_BYTES)).unwrap();
        let bit = usize::from(*bit) % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(key().decrypt(&STANDARD.encode(bytes), APP).as_ref(), Ok(message));
    });
}

#[test]
fn any_bytes_are_decrypted_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = key().decrypt(&String::from_utf8_lossy(bytes), APP);
        let _ = key().decrypt(&STANDARD.encode(bytes), APP);
        // What somebody with the key can send.
        let _ = key().decrypt(&padded(bytes.to_vec(), &vec![1; 16 - bytes.len() % 16]), APP);
        let read = key().decrypt(&key().encrypt_blocks(pad(bytes.to_vec())), APP);
        assert!(read.is_err() || bytes.ends_with(APP.as_bytes()));
    });
}

#[test]
fn a_key_is_compared_with_keys_and_with_the_beginning_of_its_text() {
    let key = |text: &str| text.parse::<AesKey>().unwrap();
    let (one, other) = ("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "bbcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
    assert!(key(one).is_same(&key(one)) && !key(one).is_same(&key(other)));
    for (text, begins) in [("abc", true), (&one[..32], true), ("bcd", false), ("", true)] {
        assert_eq!(key(one).begins_with(text), begins, "{text}");
    }
}
