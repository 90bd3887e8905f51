//! The phone of a person who opens a mini program by a page's code.

use std::time::Instant;

use axum::body::Bytes;
use scenecast_scene::{AccountName, OpenId};
use scenecast_simulator::http;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::phone::{MAX_TRIES, PhoneUsers, TRIES_AFTER};
use crate::{
    crowd::ReadyPods,
    ledger::PhoneResult,
    plan::PhoneSteps,
    targets::target::{PageError, Triggered},
};

/// The mini program on people's phones.
#[derive(Debug)]
pub(super) struct MiniProgramPhones {
    pub(super) account: AccountName,
    /// The callbacks' public listeners.
    pub(super) callbacks: ReadyPods,
}

/// What a callback answered to the mini program.
#[derive(Debug, PartialEq, Eq)]
enum MiniProgramReply {
    LoggedIn,
    /// The person has to confirm. The ticket goes with the answer.
    Asks {
        ticket: String,
    },
    Refused,
    /// The same call may succeed later.
    Again,
}

impl MiniProgramReply {
    fn read(status: u16, body: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        match (status, text("state")) {
            (200, "confirmed") => Self::LoggedIn,
            (200, "scanned") => Self::Asks { ticket: text("ticket").to_owned() },
            (429 | 500.., _) => Self::Again,
            _ => Self::Refused,
        }
    }
}

impl MiniProgramPhones {
    /// Lets the next person open the mini program by the code with this content, and log in.
    pub(super) async fn log_in(&self, people: &PhoneUsers, url: &str, planned: Instant) -> Option<Triggered> {
        let person = people.next_person();
        let scene = people.simulator.scan_code(url).ok()?.scene();
        let who: OpenId = people.simulator.openid(&person, &self.account).ok()?;
        let (told, now) = (PhoneResult::Nothing, Instant::now());
        let mut triggered = Triggered {
            who,
            planned,
            due: planned,
            sent: now,
            told_before: vec![],
            told,
            answered: now,
            problem: None,
        };
        let scan = || {
            let js_code = people.simulator.wx_login(&person, &self.account).ok()?;
            Some(json!({ "account": self.account, "js_code": js_code, "scene": scene }))
        };
        let mut answer = self.call(people, "/v1/miniapp/scan", scan, &mut triggered).await?;
        if let (MiniProgramReply::Asks { ticket }, true) = (&answer, people.steps != PhoneSteps::None) {
            triggered.planned = planned + people.think();
            triggered.due = triggered.planned.max(Instant::now());
            people.timer.sleep_until(triggered.planned).await;
            triggered.sent = Instant::now();
            let confirm = || Some(json!({ "ticket": ticket, "decision": "confirm" }));
            answer = self.call(people, "/v1/miniapp/confirm", confirm, &mut triggered).await?;
        }
        triggered.answered = Instant::now();
        triggered.told = match answer {
            MiniProgramReply::LoggedIn => PhoneResult::Accepted,
            MiniProgramReply::Asks { .. } | MiniProgramReply::Refused => PhoneResult::Refused,
            MiniProgramReply::Again => PhoneResult::Nothing,
        };
        Some(triggered)
    }

    /// Posts to a callback, again if it can't answer now. `None` if WeChat gives the mini program no code.
    async fn call(
        &self,
        people: &PhoneUsers,
        path: &str,
        body: impl Fn() -> Option<Value>,
        triggered: &mut Triggered,
    ) -> Option<MiniProgramReply> {
        loop {
            let body = Bytes::from(body()?.to_string());
            let callback = self.callbacks.nth(rand::random::<u32>().into());
            let url = callback.and_then(|callback| http(callback).join(path).ok());
            let answered = match &url {
                Some(url) => people.pool.post(url, "application/json", &body).await.map_err(PageError::from),
                None => Err(PageError::Connection("no callback is ready".to_owned())),
            };
            let answer = match answered {
                Ok((status, body)) => MiniProgramReply::read(status, &body),
                Err(problem) => {
                    triggered.problem.get_or_insert(problem);
                    MiniProgramReply::Again
                }
            };
            if answer != MiniProgramReply::Again || triggered.told_before.len() + 1 >= MAX_TRIES {
                return Some(answer);
            }
            triggered.told_before.push(PhoneResult::Nothing);
            sleep(TRIES_AFTER).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_whether_the_person_is_logged_in_or_may_try_again() {
        let read = |status, body: &str| MiniProgramReply::read(status, body.as_bytes());
        assert_eq!(read(200, r#"{"state":"confirmed","ticket":"t"}"#), MiniProgramReply::LoggedIn);
        assert_eq!(read(200, r#"{"state":"scanned","ticket":"t"}"#), MiniProgramReply::Asks { ticket: "t".to_owned() });
        assert_eq!(read(200, r#"{"state":"expired"}"#), MiniProgramReply::Refused);
        assert_eq!(read(404, r#"{"code":"code_unknown"}"#), MiniProgramReply::Refused);
        assert_eq!(read(503, "<html>"), MiniProgramReply::Again);
        assert_eq!(read(429, "{}"), MiniProgramReply::Again);
        assert_eq!(read(200, "<html>"), MiniProgramReply::Refused);
    }
}
