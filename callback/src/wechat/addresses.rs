//! The addresses from which WeChat delivers: one more sign, beside the signature, that a message is WeChat's.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scenecast_scene::AccountName;
use scenecast_service::http::Networks;
use scenecast_wechat::CallbackIps;
use strum::IntoStaticStr;

use super::official_account_api::OfficialAccountApi;

/// WeChat asks us to read its addresses once a day.
const LIST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause after WeChat didn't tell its addresses. It is longer than a call takes.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Where a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum AddressOrigin {
    /// An address of WeChat.
    Wechat,
    /// Another address.
    Elsewhere,
    /// WeChat hasn't told us its addresses yet.
    Unknown,
}

impl AddressOrigin {
    /// Its word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// WeChat's addresses, as it tells them to one account. Clones share the list.
#[derive(Clone)]
pub(crate) struct WechatAddresses {
    account: AccountName,
    api: OfficialAccountApi,
    list: Arc<Mutex<AddressList>>,
}

impl WechatAddresses {
    pub(crate) fn new(account: AccountName, api: OfficialAccountApi) -> Self {
        let list = AddressList { networks: None, ask_at: Instant::now() };
        Self { account, api, list: Arc::new(Mutex::new(list)) }
    }

    /// Whether this address is WeChat's, by the list that we have. Doesn't wait for WeChat to tell a newer list.
    pub(crate) fn origin_of(&self, address: IpAddr) -> AddressOrigin {
        let mut list = self.list.lock();
        if list.is_due(Instant::now()) {
            let addresses = self.clone();
            tokio::spawn(async move { addresses.refresh().await });
        }
        list.origin_of(address)
    }

    /// The entries that can be read; `None` if there are none.
    fn read(&self, told: Vec<String>) -> Option<Networks> {
        let (good, bad): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|entry| Networks::try_from(vec![entry.clone()]).is_ok());
        if let Some(entry) = bad.first() {
            let entry: String = entry.chars().take(64).collect();
            tracing::warn!(
                account = %self.account, ?entry, unreadable = bad.len(),
                "WeChat told addresses that can't be read; what comes from these is refused, and the others are in use"
            );
        }
        Networks::try_from(good).ok().filter(|networks| !networks.is_empty())
    }

    async fn refresh(&self) {
        match self.api.callback_ips().await {
            Ok(CallbackIps { ip_list }) => match self.read(ip_list) {
                Some(networks) => self.list.lock().replace(networks, Instant::now()),
                None => tracing::warn!(
                    account = %self.account,
                    "WeChat told none of its addresses; the old list stays in use, and WeChat is asked again in a minute"
                ),
            },
            Err(error) => {
                tracing::warn!(
                    account = %self.account, %error,
                    "WeChat did not tell its addresses; the old list stays in use, and WeChat is asked again in a \
                     minute"
                );
            }
        }
    }
}

/// The last list that WeChat told.
struct AddressList {
    networks: Option<Networks>,
    ask_at: Instant,
}

impl AddressList {
    /// Whether it is time to ask WeChat. If so, the caller asks, and other callers get `false`.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.ask_at;
        if due {
            self.ask_at = now + RETRY_AFTER;
        }
        due
    }

    fn replace(&mut self, networks: Networks, now: Instant) {
        *self = Self { networks: Some(networks), ask_at: now + LIST_LIFE };
    }

    fn origin_of(&self, address: IpAddr) -> AddressOrigin {
        match &self.networks {
            None => AddressOrigin::Unknown,
            Some(networks) if networks.contains(address) => AddressOrigin::Wechat,
            Some(_) => AddressOrigin::Elsewhere,
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
    fn one_caller_asks_wechat_and_a_day_later_another_one() {
        let start = Instant::now();
        let mut list = AddressList { networks: None, ask_at: start };
        assert!(list.is_due(start));
        assert!(!list.is_due(start), "another caller asks already");
        list.replace(networks("101.226.103.0/25"), start);
        assert!(!list.is_due(start + LIST_LIFE / 2));
        assert!(list.is_due(start + LIST_LIFE));
    }

    #[test]
    fn while_wechat_does_not_answer_the_old_list_stays_and_wechat_is_asked_again_soon() {
        let start = Instant::now();
        let ann = "101.226.103.7".parse().unwrap();
        let mut list = AddressList { networks: None, ask_at: start };
        assert!(list.is_due(start));
        assert_eq!(list.origin_of(ann), AddressOrigin::Unknown);
        assert!(list.is_due(start + RETRY_AFTER));
        list.replace(networks("101.226.103.0/25"), start);
        assert!(list.is_due(start + LIST_LIFE));
        assert_eq!(list.origin_of(ann), AddressOrigin::Wechat);
        assert_eq!(list.origin_of("203.0.113.1".parse().unwrap()), AddressOrigin::Elsewhere);
        assert!(list.is_due(start + LIST_LIFE + RETRY_AFTER));
    }
}
