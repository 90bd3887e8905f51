//! Where WeChat's webhooks come from: one more sign that a message is WeChat's, never the only one.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scenecast_shared::{scene::AccountName, serve::Networks};

use super::api::Api;

/// WeChat asks to look at its addresses once a day.
const GOOD_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// When WeChat is asked again after it didn't tell; longer than a call takes.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Where a webhook came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// An address of WeChat's.
    Wechat,
    /// Another.
    Elsewhere,
    /// WeChat hasn't told its addresses yet.
    Unknown,
}

impl Source {
    /// Its word in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Wechat => "wechat",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        }
    }
}

/// The addresses as one account is told them. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Sources {
    account: AccountName,
    api: Api,
    known: Arc<Mutex<Known>>,
}

impl Sources {
    pub(crate) fn new(account: AccountName, api: Api) -> Self {
        Self { account, api, known: Arc::new(Mutex::new(Known { networks: None, ask_at: Instant::now() })) }
    }

    /// Whether this address is WeChat's, as far as is known; nobody waits for WeChat to tell.
    pub(crate) fn judge(&self, address: IpAddr) -> Source {
        let mut known = self.known();
        if known.is_due(Instant::now()) {
            let this = self.clone();
            tokio::spawn(async move { this.ask().await });
        }
        known.judge(address)
    }

    async fn ask(&self) {
        match self.api.callback_ips().await {
            Ok(told) if !told.ip_list.is_empty() => self.known().learn(told.ip_list, Instant::now()),
            Ok(_) => tracing::warn!(account = %self.account, "WeChat tells of no address that its webhooks come from"),
            Err(error) => {
                tracing::warn!(account = %self.account, %error, "WeChat does not tell where its webhooks come from");
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // No code that holds the lock panics half-way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What WeChat told last, which is kept while it doesn't tell anything newer.
struct Known {
    networks: Option<Networks>,
    ask_at: Instant,
}

impl Known {
    /// Whether WeChat is to be asked, which is then the caller's to do.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.ask_at;
        if due {
            self.ask_at = now + AGAIN_AFTER;
        }
        due
    }

    fn learn(&mut self, networks: Networks, now: Instant) {
        *self = Self { networks: Some(networks), ask_at: now + GOOD_FOR };
    }

    fn judge(&self, address: IpAddr) -> Source {
        match &self.networks {
            None => Source::Unknown,
            Some(networks) if networks.contain(address) => Source::Wechat,
            Some(_) => Source::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(written: &str) -> Networks {
        serde_json::from_value(written.into()).unwrap()
    }

    #[test]
    fn wechat_is_asked_by_one_and_a_day_later_again() {
        let start = Instant::now();
        let mut known = Known { networks: None, ask_at: start };
        assert!(known.is_due(start));
        assert!(!known.is_due(start), "somebody asks already");
        known.learn(networks("101.226.103.0/25"), start);
        assert!(!known.is_due(start + GOOD_FOR / 2));
        assert!(known.is_due(start + GOOD_FOR));
    }

    #[test]
    fn while_wechat_does_not_tell_what_was_known_stands_and_it_is_asked_again_soon() {
        let start = Instant::now();
        let ann = "101.226.103.7".parse().unwrap();
        let mut known = Known { networks: None, ask_at: start };
        assert!(known.is_due(start));
        assert_eq!(known.judge(ann), Source::Unknown);
        assert!(known.is_due(start + AGAIN_AFTER));
        known.learn(networks("101.226.103.0/25"), start);
        assert!(known.is_due(start + GOOD_FOR));
        assert_eq!(known.judge(ann), Source::Wechat);
        assert_eq!(known.judge("203.0.113.1".parse().unwrap()), Source::Elsewhere);
        assert!(known.is_due(start + GOOD_FOR + AGAIN_AFTER));
    }
}
