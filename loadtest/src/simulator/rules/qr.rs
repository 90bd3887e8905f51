//! QR codes with a scene: what may be asked for, and which ones there are. No I/O.
//!
//! Facts: "Create QR code" of developers.weixin.qq.com.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use scenecast_shared::scene::AccountName;
use serde::Deserialize;

use super::refusal::Refusal;

const DEFAULT_LIFE_SECS: u64 = 60;
const MAX_LIFE_SECS: u64 = 2_592_000;
/// How long an expired code is still told from one that never was.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The scene, as events name it.
    pub(crate) scene: String,
    /// Permanent if `None`.
    pub(crate) life: Option<Duration>,
}

impl Wanted {
    /// Reads the body of `qrcode/create`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            expire_seconds: Option<u64>,
            action_name: String,
            action_info: ActionInfo,
        }
        #[derive(Deserialize)]
        struct ActionInfo {
            scene: Option<Scene>,
        }
        #[derive(Default, Deserialize)]
        struct Scene {
            scene_id: Option<u64>,
            scene_str: Option<String>,
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| Refusal::DATA_FORMAT)?;
        let scene = body.action_info.scene.unwrap_or_default();
        let number = |most: u64| {
            let id = scene.scene_id.filter(|id| (1..=most).contains(id));
            id.map(|id| id.to_string()).ok_or(Refusal::ACTION_INFO)
        };
        let text = || {
            let text = scene.scene_str.clone().filter(|text| (1..=64).contains(&text.chars().count()));
            text.ok_or(Refusal::ACTION_INFO)
        };
        let (scene, temporary) = match body.action_name.as_str() {
            "QR_SCENE" => (number(u32::MAX.into())?, true),
            "QR_STR_SCENE" => (text()?, true),
            "QR_LIMIT_SCENE" => (number(100_000)?, false),
            "QR_LIMIT_STR_SCENE" => (text()?, false),
            _ => return Err(Refusal::ACTION_NAME),
        };
        let life = body.expire_seconds.unwrap_or(DEFAULT_LIFE_SECS);
        if temporary && !(1..=MAX_LIFE_SECS).contains(&life) {
            return Err(Refusal::DATA_FORMAT);
        }
        Ok(Self { scene, life: temporary.then(|| Duration::from_secs(life)) })
    }
}

/// One QR code.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) account: AccountName,
    pub(crate) scene: String,
    pub(crate) ticket: String,
    until: Option<Instant>,
}

/// Why a code can't be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCode {
    Unknown,
    Expired,
}

/// All codes that can be scanned, and those that could until a little while ago.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    by_id: HashMap<String, Code>,
    by_ticket: HashMap<String, String>,
    sweep_at: usize,
}

impl Codes {
    /// A new code; its opaque id is what its address ends in.
    pub(crate) fn make(&mut self, account: AccountName, wanted: Wanted, now: Instant) -> (String, Code) {
        self.sweep(now);
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        // Like WeChat's: base64 with `_` and `==`, so it has to be escaped in a query.
        let ticket = format!("gQ{}", URL_SAFE.encode(rand::random::<[u8; 64]>()));
        let until = wanted.life.map(|life| now + life);
        let code = Code { account, scene: wanted.scene, ticket: ticket.clone(), until };
        self.by_ticket.insert(ticket, id.clone());
        self.by_id.insert(id.clone(), code.clone());
        (id, code)
    }

    /// The code with this id, if it can be scanned.
    pub(crate) fn find(&self, id: &str, now: Instant) -> Result<Code, BadCode> {
        match self.by_id.get(id) {
            Some(code) if code.until.is_none_or(|until| now < until) => Ok(code.clone()),
            Some(_) => Err(BadCode::Expired),
            None => Err(BadCode::Unknown),
        }
    }

    /// The id of the code with this ticket, if it can be scanned.
    pub(crate) fn id_of(&self, ticket: &str, now: Instant) -> Option<&str> {
        let id = self.by_ticket.get(ticket)?;
        self.find(id, now).ok().map(|_| id.as_str())
    }

    /// Forgets old codes whenever their number has doubled, so that each costs little.
    fn sweep(&mut self, now: Instant) {
        if self.by_id.len() < self.sweep_at {
            return;
        }
        self.by_id.retain(|_, code| code.until.is_none_or(|until| now < until + REMEMBERED));
        let by_id = &self.by_id;
        self.by_ticket.retain(|_, id| by_id.contains_key(id));
        self.sweep_at = (self.by_id.len() * 2).max(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(scene: &str, life: Option<u64>) -> Wanted {
        Wanted { scene: scene.to_owned(), life: life.map(Duration::from_secs) }
    }

    fn body(action: &str, scene: &str, rest: &str) -> String {
        format!(r#"{{"action_name":"{action}","action_info":{{"scene":{scene}}}{rest}}}"#)
    }

    #[test]
    fn what_is_asked_for_is_checked() {
        let long = format!(r#"{{"scene_str":"{}"}}"#, "景".repeat(64));
        let too_long = format!(r#"{{"scene_str":"{}"}}"#, "x".repeat(65));
        for (body, expected) in [
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, r#","expire_seconds":120"#), Ok(wanted("abc", Some(120)))),
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, ""), Ok(wanted("abc", Some(60)))),
            (body("QR_STR_SCENE", &long, ""), Ok(wanted(&"景".repeat(64), Some(60)))),
            (body("QR_SCENE", r#"{"scene_id":4294967295}"#, ""), Ok(wanted("4294967295", Some(60)))),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100000}"#, ""), Ok(wanted("100000", None))),
            (body("QR_LIMIT_STR_SCENE", r#"{"scene_str":"a"}"#, ""), Ok(wanted("a", None))),
            (
                body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592000"#),
                Ok(wanted("a", Some(2_592_000))),
            ),
            (body("QR_STR_SCENE", &too_long, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_str":""}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_id":1}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", "null", ""), Err(Refusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":0}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":4294967296}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100001}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_CODE", r#"{"scene_str":"a"}"#, ""), Err(Refusal::ACTION_NAME)),
            (body("QR_STR_SCENE", r#"{"scene_str":1}"#, ""), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592001"#), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":0"#), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":"60""#), Err(Refusal::DATA_FORMAT)),
            (r#"{"action_name":"QR_STR_SCENE"}"#.to_owned(), Err(Refusal::DATA_FORMAT)),
            ("{'action_name':'QR_SCENE'}".to_owned(), Err(Refusal::DATA_FORMAT)),
            (String::new(), Err(Refusal::DATA_FORMAT)),
        ] {
            assert_eq!(Wanted::parse(body.as_bytes()), expected, "{body}");
        }
    }

    fn make(codes: &mut Codes, now: Instant) -> (String, Code) {
        codes.make("demo".parse().unwrap(), wanted("abc", Some(60)), now)
    }

    #[test]
    fn a_code_can_be_scanned_until_it_expires() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        let (id, code) = make(&mut codes, now);
        assert_eq!(codes.find(&id, now).unwrap().scene, "abc");
        assert_eq!(codes.id_of(&code.ticket, now), Some(id.as_str()));
        let end = now + Duration::from_secs(60);
        assert_eq!(codes.find(&id, end).unwrap_err(), BadCode::Expired);
        assert_eq!(codes.id_of(&code.ticket, end), None);
        assert_eq!(codes.find("made-up", now).unwrap_err(), BadCode::Unknown);
    }

    #[test]
    fn old_codes_do_not_pile_up() {
        let (mut codes, start) = (Codes::default(), Instant::now());
        for n in 0..10_000 {
            make(&mut codes, start + Duration::from_secs(n));
        }
        assert!(codes.by_id.len() <= 2048, "{}", codes.by_id.len());
        assert_eq!(codes.by_id.len(), codes.by_ticket.len());
    }
}
