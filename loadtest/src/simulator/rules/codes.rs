//! The codes that there are: an Official Account's QR codes, and those of a mini program's pages.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use scenecast_shared::scene::AccountName;
use sha2::{Digest, Sha256};

use super::{
    page_code::{Version, WantedPage},
    qr::WantedQr,
};

/// How long an expired code is still told from one that never was.
const REMEMBERED: Duration = Duration::from_secs(600);

/// One code.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) account: AccountName,
    pub(crate) scene: String,
    pub(crate) opens: Opens,
    until: Option<Instant>,
}

/// What a code opens when it is scanned.
#[derive(Debug, Clone)]
pub(crate) enum Opens {
    /// The chat with an Official Account; the API knows the code by its ticket.
    Chat { ticket: String },
    /// A mini program's page.
    Page { path: String, version: Version },
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
    /// A new QR code: the opaque id that its address ends in, and its ticket.
    pub(crate) fn make_qr(&mut self, account: AccountName, wanted: WantedQr, now: Instant) -> (String, String) {
        self.sweep(now);
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        // Like WeChat's: base64 with `_` and `==`, so it has to be escaped in a query.
        let ticket = format!("gQ{}", URL_SAFE.encode(rand::random::<[u8; 64]>()));
        let opens = Opens::Chat { ticket: ticket.clone() };
        let until = wanted.life.map(|life| now + life);
        self.by_ticket.insert(ticket.clone(), id.clone());
        self.by_id.insert(id.clone(), Code { account, scene: wanted.scene, opens, until });
        (id, ticket)
    }

    /// The code of a page: the same for the same wish, and good for ever.
    pub(crate) fn make_page(&mut self, account: AccountName, wanted: WantedPage) -> String {
        let WantedPage { scene, page: path, version, .. } = wanted;
        let wish = format!("{account}\n{path}\n{version:?}\n{scene}");
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(wish)[..16]);
        let code = Code { account, scene, opens: Opens::Page { path, version }, until: None };
        self.by_id.insert(id.clone(), code);
        id
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

    fn make_qr(codes: &mut Codes, now: Instant) -> (String, String) {
        let wanted = WantedQr { scene: "abc".to_owned(), life: Some(Duration::from_secs(60)) };
        codes.make_qr("demo".parse().unwrap(), wanted, now)
    }

    #[test]
    fn a_qr_code_can_be_scanned_until_it_expires() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        let (id, ticket) = make_qr(&mut codes, now);
        assert_eq!(codes.find(&id, now).unwrap().scene, "abc");
        assert_eq!(codes.id_of(&ticket, now), Some(id.as_str()));
        let end = now + Duration::from_secs(60);
        assert_eq!(codes.find(&id, end).unwrap_err(), BadCode::Expired);
        assert_eq!(codes.id_of(&ticket, end), None);
        assert_eq!(codes.find("made-up", now).unwrap_err(), BadCode::Unknown);
    }

    #[test]
    fn old_codes_do_not_pile_up() {
        let (mut codes, start) = (Codes::default(), Instant::now());
        for n in 0..10_000 {
            make_qr(&mut codes, start + Duration::from_secs(n));
        }
        assert!(codes.by_id.len() <= 2048, "{}", codes.by_id.len());
        assert_eq!(codes.by_id.len(), codes.by_ticket.len());
    }

    #[test]
    fn a_pages_code_is_the_same_for_the_same_wish_and_never_ends() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        let mut make = |scene: &str| {
            let body = format!(r#"{{"scene":"{scene}","page":"pages/a"}}"#);
            let wanted = WantedPage::parse(body.as_bytes(), &["pages/a".to_owned()]).unwrap();
            codes.make_page("mini".parse().unwrap(), wanted)
        };
        let [one, again, other] = [make("a"), make("a"), make("b")];
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert_eq!(codes.find(&one, now + Duration::from_secs(10 * 365 * 24 * 3600)).unwrap().scene, "a");
    }
}
