//! What a phone that has scanned answers with: which scene, through which mini program, until when, and
//! a MAC that covers who scanned without saying it. Any pod checks it, once it knows who did. No I/O.

use std::{fmt, str::FromStr, time::Duration};

use scenecast_shared::scene::{AccountName, OpenId, Rotating, SceneId, Secret, same};

/// Not a ticket of ours, or not this person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this ticket was not issued here, or to somebody else")]
pub(super) struct BadTicket;

/// A scan's ticket.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) mini_program: AccountName,
    pub(super) scene: SceneId,
    /// In unix seconds.
    expires: u64,
    mac: String,
}

impl Ticket {
    /// A ticket for whoever has just scanned this.
    pub(super) fn issue(
        secrets: &Rotating,
        mini_program: &AccountName,
        scene: SceneId,
        who: &OpenId,
        ends: Duration,
    ) -> Self {
        let expires = ends.as_secs();
        let mac = mac(&secrets.current, mini_program, scene, expires, who);
        Self { mini_program: mini_program.clone(), scene, expires, mac }
    }

    /// Checks that it was issued here, to this person.
    pub(super) fn check(&self, secrets: &Rotating, who: &OpenId) -> Result<(), BadTicket> {
        let issued = |secret: &Secret| {
            let mac = mac(secret, &self.mini_program, self.scene, self.expires, who);
            same(mac.as_bytes(), self.mac.as_bytes())
        };
        if secrets.any(issued) { Ok(()) } else { Err(BadTicket) }
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now.as_secs() >= self.expires
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mini_program, scene, expires, mac } = self;
        write!(f, "{mini_program}.{scene}.{expires}.{mac}")
    }
}

impl FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Self, BadTicket> {
        let mut parts = text.splitn(4, '.');
        let mut part = || parts.next().ok_or(BadTicket);
        let (mini_program, scene, expires, mac) = (part()?, part()?, part()?, part()?);
        Ok(Self {
            mini_program: mini_program.parse().map_err(|_| BadTicket)?,
            scene: scene.parse().map_err(|_| BadTicket)?,
            expires: expires.parse().map_err(|_| BadTicket)?,
            mac: mac.to_owned(),
        })
    }
}

fn mac(secret: &Secret, mini_program: &AccountName, scene: SceneId, expires: u64, who: &OpenId) -> String {
    let (scene, expires) = (scene.to_string(), expires.to_be_bytes());
    let parts =
        [b"miniapp ticket", mini_program.as_str().as_bytes(), scene.as_bytes(), &expires, who.as_str().as_bytes()];
    hex::encode(secret.mac(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Duration = Duration::from_secs(1_800_000_000);

    fn who(name: &str) -> OpenId {
        name.parse().unwrap()
    }

    fn anns() -> Ticket {
        let scene = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        Ticket::issue(
            &Rotating::fixed("secret"),
            &"mini".parse().unwrap(),
            scene,
            &who("oAnn-with-a-long-openid"),
            ENDS,
        )
    }

    fn check(ticket: &Ticket, secret: &str, name: &str) -> Result<(), BadTicket> {
        ticket.check(&Rotating { current: "new".into(), previous: Some(secret.into()) }, &who(name))
    }

    #[test]
    fn a_ticket_reads_back_and_is_its_persons_also_after_a_rotation() {
        let read: Ticket = anns().to_string().parse().unwrap();
        assert_eq!(check(&read, "secret", "oAnn-with-a-long-openid"), Ok(()));
        assert_eq!(check(&read, "secret", "oBob"), Err(BadTicket));
        assert_eq!(check(&read, "another", "oAnn-with-a-long-openid"), Err(BadTicket));
    }

    #[test]
    fn a_ticket_says_nothing_of_who_it_is_for() {
        assert!(!anns().to_string().contains("oAnn"));
    }

    #[test]
    fn nothing_in_it_can_be_changed() {
        for (from, to) in
            [("mini.", "other."), (".AAAA", ".AQAA"), ("1800000000", "1800000001"), ("1800000000", "01800000000")]
        {
            let text = anns().to_string();
            assert!(text.contains(from));
            let changed: Ticket = text.replacen(from, to, 1).parse().unwrap();
            let same = changed == anns();
            assert_eq!(check(&changed, "secret", "oAnn-with-a-long-openid").is_ok(), same, "{to}");
        }
    }

    #[test]
    fn a_ticket_ends() {
        assert!(!anns().is_over(ENDS.saturating_sub(Duration::from_millis(1))));
        assert!(anns().is_over(ENDS));
    }

    #[test]
    fn texts_that_are_no_ticket() {
        for text in ["", "mini", "...", "mini.AAAAAAAAAAAAAAAAAAAAAA.1800000000", "Mini.AAAAAAAAAAAAAAAAAAAAAA.1.x"] {
            assert!(text.parse::<Ticket>().is_err(), "{text}");
        }
    }
}
