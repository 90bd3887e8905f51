//! Logins at a cluster that somebody else runs, while its operator breaks something.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

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

use super::{
    drill::DELIVERED_WITHIN,
    load::Load,
    report::DrillReport,
    table::{TableHeader, TableRow},
};
use crate::crowd::{Crowd, CrowdConfig, Phones, ReadyPods, ReplyPhrases, SiteBackend};

/// How often a row is printed.
const ROW_INTERVAL: Duration = Duration::from_secs(10);
/// Callbacks keep their connections to WeChat open.
const LIMITS: ListenerLimits = ListenerLimits { connections: 10_000, idle: Duration::from_secs(30) };

/// A cluster that somebody else runs; `target.toml` in this crate shows every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchTarget {
    /// The gateways' public listeners, each as `host:port`; or the address of a load balancer before them.
    gateways: Vec<String>,
    /// The callbacks' internal listeners, in the same form.
    callbacks: Vec<String>,
    /// An origin whose pages may open scenes.
    origin: String,
    /// The API key with which the site's backend redeems grants.
    api_key: Secret,
    /// The account's name in the configuration of gateways and callbacks.
    account: AccountName,
    /// How phones understand the account's replies, if it has its own texts.
    #[serde(default)]
    words: ReplyPhrases,
    /// The address on which this program serves WeChat.
    listen: SocketAddr,
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

/// Why a watch can't start or go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// The name of a host can't be resolved.
    #[error("{name} can't be resolved: {source}")]
    Resolve { name: String, source: io::Error },
    /// The address for WeChat is in use, or not of this machine.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The table can't be written.
    #[error("the table can't be written: {0}")]
    Write(#[from] io::Error),
}

/// Lets people log in for this time, or until Ctrl-C. Answers whether no login was lost, doubled or mixed up.
pub(super) async fn watch(
    target: WatchTarget,
    load: Load,
    time: Option<Duration>,
    out: &mut impl Write,
) -> Result<bool, WatchError> {
    let began = Instant::now();
    let wechat = Listener::bind("WeChat", target.listen, LIMITS).await?;
    let simulator = Simulator::new(target.public_url, BTreeMap::from([(target.account.clone(), target.wechat)]));
    tokio::spawn(wechat.serve(simulator.router(), Shutdown::never()));

    let config = CrowdConfig {
        gateways: ReadyPods::fixed(resolve(target.gateways).await?),
        site: SiteBackend::new(ReadyPods::fixed(resolve(target.callbacks).await?), target.api_key.text().to_owned()),
        account: target.account.clone(),
        origin: target.origin,
        restless: true,
    };
    let crowd = Arc::new(Crowd::gather(config, load.pages));
    let phones = Phones::new(simulator, target.account, target.words, load.think_time());
    let report = || {
        let tally = crowd.ledger().tally(load.late_after);
        DrillReport { name: "watch", tally, checks: vec![], took: began.elapsed() }
    };

    writeln!(out, "{TableHeader}")?;
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        Err(error) = print_rows(out, &report) => return Err(error.into()),
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(time.unwrap_or(Duration::MAX)) => {}
    }
    phones.wait_until_done().await;
    crowd.wait_for_deliveries(DELIVERED_WITHIN).await;
    crowd.redeem_again().await;
    let report = report();
    writeln!(out, "{}", TableRow(&report))?;
    Ok(report.passes())
}

/// Prints a row at each interval. Returns only if that fails.
async fn print_rows(out: &mut impl Write, report: impl Fn() -> DrillReport) -> io::Result<Infallible> {
    let mut ticks = tokio::time::interval(ROW_INTERVAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        writeln!(out, "{}", TableRow(&report()))?;
        out.flush()?;
    }
}

async fn resolve(names: Vec<String>) -> Result<Vec<SocketAddr>, WatchError> {
    let mut addresses = vec![];
    for name in names {
        let found = lookup_host(&name).await.map(Vec::from_iter);
        addresses.extend(found.map_err(|source| WatchError::Resolve { name, source })?);
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
        let refused = watch(target, Load::SHORT, None, &mut vec![]).await.unwrap_err();
        assert!(refused.to_string().starts_with("no-such-host.invalid:80 can't be resolved"), "{refused}");
    }
}
