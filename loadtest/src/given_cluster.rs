//! A cluster that somebody else runs: where it is, and a WeChat before it that this program serves.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use scenecast_scene::{AccountName, Secret};
use scenecast_service::{
    config::{ConfigError, Validate},
    listener::{ListenError, Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::{SimulatedAccount, Simulator};
use serde::Deserialize;
use tokio::net::lookup_host;
use url::Url;

use crate::crowd::ReplyPhrases;

/// Callbacks keep their connections to WeChat open.
const LIMITS: ListenerLimits = ListenerLimits { connections: 10_000, idle: Duration::from_secs(30) };

/// A cluster that somebody else runs; `target.toml` in this crate shows every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchTarget {
    /// The gateways' public listeners, each as `host:port`; or the address of a load balancer before them.
    pub(crate) gateways: Vec<String>,
    /// The callbacks' internal listeners, in the same form.
    callbacks: Vec<String>,
    /// An origin whose pages may open scenes.
    origin: String,
    /// The API key with which the site's backend redeems grants.
    pub(crate) api_key: Secret,
    /// The account's name in the configuration of gateways and callbacks.
    account: AccountName,
    /// How phones understand the account's replies, if it has its own texts.
    #[serde(default)]
    words: ReplyPhrases,
    /// The address on which this program serves WeChat.
    pub(crate) listen: SocketAddr,
    /// The URL by which the callbacks reach `listen`.
    public_url: Url,
    /// The account, as WeChat knows it. Deliveries go to its `callbacks`.
    wechat: SimulatedAccount,
}

impl Validate for WatchTarget {
    fn validate(&self) -> Result<(), ConfigError> {
        for (name, empty) in [
            ("gateways", self.gateways.is_empty()),
            ("callbacks", self.callbacks.is_empty()),
            ("wechat.callbacks", self.wechat.callbacks.is_empty()),
        ] {
            if empty {
                return Err(ConfigError::at(name, "must name at least one address"));
            }
        }
        Ok(())
    }
}

/// Why a cluster can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WatchTargetError {
    /// The name of a host can't be resolved.
    #[error("{name} can't be resolved: {source}")]
    Resolve { name: String, source: io::Error },
    /// The address for WeChat is in use, or not of this machine.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A cluster that somebody else runs, with our WeChat before it.
#[derive(Debug)]
pub struct GivenCluster {
    /// WeChat, which serves the callbacks now.
    pub simulator: Simulator,
    pub gateways: Vec<SocketAddr>,
    /// The callbacks' internal listeners.
    pub callbacks: Vec<SocketAddr>,
    pub account: AccountName,
    /// An origin whose pages may open scenes.
    pub origin: String,
    pub api_key: Secret,
    /// How phones understand the account's replies.
    pub words: ReplyPhrases,
}

impl GivenCluster {
    /// Resolves the addresses, and serves WeChat from now on.
    pub async fn open(target: WatchTarget) -> Result<Self, WatchTargetError> {
        let wechat = Listener::bind("WeChat", target.listen, LIMITS).await?;
        let cluster = Self::join(target).await?;
        tokio::spawn(wechat.serve(cluster.simulator.router(), Shutdown::never()));
        Ok(cluster)
    }

    /// Resolves the addresses. WeChat is served by another process, which has opened the same cluster: this one has only
    /// the phones.
    pub async fn join(target: WatchTarget) -> Result<Self, WatchTargetError> {
        let simulator = Simulator::new(target.public_url, BTreeMap::from([(target.account.clone(), target.wechat)]));
        Ok(Self {
            simulator,
            gateways: resolve(target.gateways).await?,
            callbacks: resolve(target.callbacks).await?,
            account: target.account,
            origin: target.origin,
            api_key: target.api_key,
            words: target.words,
        })
    }
}

async fn resolve(names: Vec<String>) -> Result<Vec<SocketAddr>, WatchTargetError> {
    let mut addresses = vec![];
    for name in names {
        let found = lookup_host(&name).await.map(Vec::from_iter);
        addresses.extend(found.map_err(|source| WatchTargetError::Resolve { name, source })?);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use scenecast_service::config::load;

    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");

    fn sample_with(name: &str, value: &str) -> Result<WatchTarget, ConfigError> {
        load(Some(SAMPLE.as_ref()), [(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn the_sample_is_valid_and_secrets_may_come_from_the_environment() {
        let target = sample_with("SCENECAST_API_KEY", "another").unwrap();
        assert_eq!((target.api_key.text(), target.gateways.len()), ("another", 1));
    }

    #[test]
    fn an_error_names_the_wrong_setting() {
        for (name, value, named) in [
            ("SCENECAST_LISTEN", "nowhere", "listen"),
            ("SCENECAST_ACCOUNT", "no account", "account"),
            ("SCENECAST_GATEWAY", "127.0.0.1:1", "gateway"),
        ] {
            let refused = sample_with(name, value).unwrap_err().to_string();
            assert!(refused.contains(named), "{refused}");
        }
        assert!(load::<WatchTarget>(None, []).unwrap_err().to_string().contains("gateways"));
    }

    #[tokio::test]
    async fn a_cluster_that_does_not_exist_is_an_error() {
        let target = WatchTarget {
            gateways: vec!["no-such-host.invalid:80".to_owned()],
            listen: ([127, 0, 0, 1], 0).into(),
            ..sample_with("SCENECAST_API_KEY", "k").unwrap()
        };
        let refused = GivenCluster::open(target).await.unwrap_err();
        assert!(refused.to_string().starts_with("no-such-host.invalid:80 can't be resolved"), "{refused}");
    }
}
