//! One whole login before a run, so that whatever is wrong with the target is said at once, and not by thousands of logins that
//! come to nothing.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    ledger::{PhoneResult, Redemption},
    plan::{LoginPlan, WayIn},
    targets::{Heard, LoginTarget, OpenedPage, PageError, PageNews, Seat, SourceAddresses, TargetPage, Triggered},
};

/// For how long the login is waited for, in all.
const WITHIN: Duration = Duration::from_secs(30);
/// For how long the page is waited for, once its phone was told that it is logged in.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// Why nobody can be logged in. Each text says what to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("no page can be opened at {addresses}: {source}")]
    Page { addresses: String, source: PageError },
    #[error(
        "the code of the first page is none of this program's WeChat; the callbacks' wechat.api_base has to be public_url"
    )]
    Code,
    #[error("{}; check that --confirmation is that of the account, and the callbacks' address and logs", .because.as_deref().unwrap_or("the first phone was told something else than that it is logged in"))]
    Phone { because: Option<String> },
    #[error("the first phone was told that it is logged in, and its page never was: {0}; read the gateways' logs")]
    NotTold(String),
    #[error("the first grant can't be redeemed: {0}; check api_key, and the callbacks' internal listeners")]
    Grant(String),
    #[error("the first login was not over after {} s; read the logs of gateways and callbacks", WITHIN.as_secs())]
    Late,
}

/// Opens a page at one of these addresses; if anybody logs in in this plan, logs it in and redeems its grant, too. Nothing of
/// it is in any result.
pub(super) async fn probe<T: LoginTarget>(
    target: &T,
    addresses: &[SocketAddr],
    sources: SourceAddresses,
    plan: &LoginPlan,
) -> Result<(), ProbeError> {
    // It is the last page of all, so no page of the run has its number.
    let seat = Seat { number: u64::MAX, source: sources.of(0), way: WayIn::WebSocket };
    let opened = target.open(seat).await;
    let opened = opened.map_err(|source| ProbeError::Page { addresses: words(addresses), source })?;
    if plan.rate.logins() == 0.0 {
        return Ok(());
    }
    timeout(WITHIN, log_in(target, seat, opened)).await.map_err(|_| ProbeError::Late)?
}

async fn log_in<T: LoginTarget>(
    target: &T,
    seat: Seat,
    opened: OpenedPage<T::Page, T::Trigger>,
) -> Result<(), ProbeError> {
    let OpenedPage { mut page, trigger, scene } = opened;
    let news = PageNews::default();
    let acting = async {
        let Triggered { who, told, problem, .. } =
            target.trigger(trigger, Instant::now(), &news).await.ok_or(ProbeError::Code)?;
        match told {
            PhoneResult::Accepted => Ok(who),
            PhoneResult::Refused | PhoneResult::Nothing => {
                let nothing = || (told == PhoneResult::Nothing).then(|| "the first phone was told nothing".to_owned());
                Err(ProbeError::Phone { because: problem.map(|problem| problem.code().to_owned()).or_else(nothing) })
            }
        }
    };
    let mut hearing = std::pin::pin!(grant_of(&mut page, &news));
    let (who, early) = {
        let mut acting = std::pin::pin!(acting);
        tokio::select! {
            // The page mostly hears first.
            heard = &mut hearing => (acting.await?, Some(heard)),
            who = &mut acting => (who?, None),
        }
    };
    let heard = match early {
        Some(heard) => heard,
        None => timeout(PAGE_WITHIN, hearing).await.unwrap_or_else(|_| Err("it heard nothing".to_owned())),
    };
    let Some(grant) = heard.map_err(ProbeError::NotTold)? else { return Ok(()) };
    match target.redeem(seat, scene, grant, who.clone()).await {
        Redemption::Of(redeemed) if redeemed == who => Ok(()),
        Redemption::Of(_) => Err(ProbeError::Grant("it is somebody else's".to_owned())),
        Redemption::Refused(code) => Err(ProbeError::Grant(code)),
    }
}

fn words(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// Waits for the page's login. The error says why it will never come.
async fn grant_of(page: &mut impl TargetPage, news: &PageNews) -> Result<Option<String>, String> {
    loop {
        match page.hear().await {
            Heard::Scanned { number } => news.scanned(number),
            Heard::Login { grant } => return Ok(grant),
            Heard::Over { code } => return Err(code),
            Heard::SentAway { problem, .. } => return Err(problem.unwrap_or_else(|| "it was sent away".to_owned())),
            Heard::Disconnected => return Err("connection lost".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_scene::{OpenId, SceneId};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{plan::RateCurve, results::TargetInfo};

    /// A target whose phone, page and callback answer so.
    struct Answers {
        opens: bool,
        knows_code: bool,
        told: PhoneResult,
        problem: Option<PageError>,
        hears: Option<Heard>,
        redeems: Redemption,
    }

    struct ScriptedPage(mpsc::Receiver<Heard>);

    impl TargetPage for ScriptedPage {
        async fn hear(&mut self) -> Heard {
            match self.0.recv().await {
                Some(heard) => heard,
                None => std::future::pending().await,
            }
        }
    }

    fn ann() -> OpenId {
        "oAnn".parse().unwrap()
    }

    impl LoginTarget for Answers {
        type Page = ScriptedPage;
        type Trigger = mpsc::Sender<Heard>;

        fn info(&self) -> TargetInfo {
            TargetInfo::default()
        }

        async fn open(&self, seat: Seat) -> Result<OpenedPage<ScriptedPage, mpsc::Sender<Heard>>, PageError> {
            if !self.opens {
                return Err(PageError::Refused("crowded".to_owned()));
            }
            let (trigger, heard) = mpsc::channel(1);
            Ok(OpenedPage { page: ScriptedPage(heard), trigger, scene: seat.scene() })
        }

        async fn reconnect(&self, _: &mut ScriptedPage, _: Seat) -> Result<(), PageError> {
            Ok(())
        }

        async fn trigger(&self, page: mpsc::Sender<Heard>, planned: Instant, _: &PageNews) -> Option<Triggered> {
            if let Some(heard) = &self.hears {
                page.send(heard.clone()).await.unwrap();
            }
            let (told, problem) = (self.told, self.problem.clone());
            let (told_before, answered) = (vec![], Instant::now());
            let triggered =
                Triggered { who: ann(), planned, due: planned, sent: planned, told_before, told, answered, problem };
            self.knows_code.then_some(triggered)
        }

        async fn redeem(&self, _: Seat, _: SceneId, _: String, _: OpenId) -> Redemption {
            self.redeems.clone()
        }
    }

    async fn result(change: impl FnOnce(&mut Answers)) -> String {
        let mut answers = Answers {
            opens: true,
            knows_code: true,
            told: PhoneResult::Accepted,
            problem: None,
            hears: Some(Heard::Login { grant: Some("g".to_owned()) }),
            redeems: Redemption::Of(ann()),
        };
        change(&mut answers);
        let plan = LoginPlan::plain(1, RateCurve::constant(1.0, 1.0));
        let probed = probe(&answers, &[([127, 0, 0, 1], 80).into()], SourceAddresses::ANY, &plan).await;
        probed.map_or_else(|error| error.to_string(), |()| "passed".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_is_wrong_with_a_target_is_said_by_its_first_login() {
        assert_eq!(result(|_| {}).await, "passed");
        assert!(result(|it| it.opens = false).await.ends_with("127.0.0.1:80: crowded"));
        assert!(result(|it| it.knows_code = false).await.contains("wechat.api_base has to be public_url"));
        // The account asks, and the plan has no answer.
        let asked = |it: &mut Answers| (it.told, it.hears) = (PhoneResult::Refused, Some(Heard::Scanned { number: 0 }));
        assert!(result(asked).await.contains("check that --confirmation is that of the account"));
        let down = |it: &mut Answers| {
            (it.told, it.hears) = (PhoneResult::Nothing, None);
            it.problem = Some(PageError::Connection("a callback can't be reached: connection refused".to_owned()));
        };
        assert!(result(down).await.starts_with("a callback can't be reached: connection refused; check"));
        assert!(result(|it| it.hears = None).await.contains("its page never was: it heard nothing"));
        let over = |it: &mut Answers| it.hears = Some(Heard::Over { code: "expired".to_owned() });
        assert!(result(over).await.contains("its page never was: expired"));
        let refused = |it: &mut Answers| it.redeems = Redemption::Refused("unauthorized".to_owned());
        assert!(result(refused).await.contains("can't be redeemed: unauthorized; check api_key"));
        let other = |it: &mut Answers| it.redeems = Redemption::Of("oBob".parse().unwrap());
        assert!(result(other).await.contains("it is somebody else's"));
        let peer = |it: &mut Answers| it.hears = Some(Heard::Login { grant: None });
        assert_eq!(result(peer).await, "passed");
    }
}
