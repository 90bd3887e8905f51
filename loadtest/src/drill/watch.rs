//! Logins at somebody else's cluster, with the ledger, while its operator breaks it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use scenecast_shared::{
    config::{BadConfig, Checked},
    scene::{AccountName, Secret},
    serve::{CannotListen, Limits, Listener, Shutdown},
};
use serde::Deserialize;
use tokio::net::lookup_host;
use url::Url;

use super::{
    COMES_THROUGH_WITHIN, Load, Report,
    table::{Head, Row},
};
use crate::{
    crowd::{Crowd, Phones, Pods, Site, Venue, Words},
    simulator::{Account, Simulator},
};

/// How often a row is printed.
const ROW_EVERY: Duration = Duration::from_secs(10);
/// Callbacks keep their connections to WeChat.
const LIMITS: Limits = Limits { connections: 10_000, idle: Duration::from_secs(30) };

/// Somebody's cluster; `target.toml` beside this crate shows all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// The gateways' public listeners, each `host:port`; or one address before all of them.
    gateways: Vec<String>,
    /// The callbacks' internal listeners, likewise.
    callbacks: Vec<String>,
    /// An origin whose pages may open scenes.
    origin: String,
    /// What the site's backend redeems with.
    api_key: Secret,
    /// The account's name at gateways and callbacks.
    account: AccountName,
    /// How phones know what they were told, where the account has texts of its own.
    #[serde(default)]
    words: Words,
    /// Where this program is WeChat.
    listen: SocketAddr,
    /// How the callbacks reach that.
    public_url: Url,
    /// The account, as WeChat knows it; `callbacks` are its webhook's addresses.
    wechat: Account,
}

impl Checked for Target {
    fn check(&self) -> Result<(), BadConfig> {
        for (name, empty) in [
            ("gateways", self.gateways.is_empty()),
            ("callbacks", self.callbacks.is_empty()),
            ("wechat.callbacks", self.wechat.callbacks.is_empty()),
        ] {
            if empty {
                return Err(BadConfig::at(name, "must name at least one address"));
            }
        }
        Ok(())
    }
}

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotWatch {
    /// A name can't be looked up.
    #[error("{0} can't be looked up: {1}")]
    Unknown(String, io::Error),
    /// The address for WeChat is taken, or not ours.
    #[error(transparent)]
    Listen(#[from] CannotListen),
    /// The rows can't be written.
    #[error("the table can't be written: {0}")]
    Write(#[from] io::Error),
}

/// Has people log in for this time, or until Ctrl-C; says whether the promise was kept.
pub(super) async fn watch(
    target: Target,
    load: Load,
    time: Option<Duration>,
    out: &mut impl Write,
) -> Result<bool, CannotWatch> {
    let began = Instant::now();
    let wechat = Listener::bind("WeChat", target.listen, LIMITS).await?;
    let simulator = Simulator::new(target.public_url, BTreeMap::from([(target.account.clone(), target.wechat)]));
    tokio::spawn(wechat.serve(simulator.router(), Shutdown::never()));

    let venue = Venue {
        gateways: Pods::fixed(look_up(target.gateways).await?),
        site: Site::new(Pods::fixed(look_up(target.callbacks).await?), target.api_key.text().to_owned()),
        account: target.account.clone(),
        origin: target.origin,
        restless: true,
    };
    let crowd = Arc::new(Crowd::gather(venue, load.pages));
    let phones = Phones::new(simulator, target.account, target.words, load.thinks());
    let report = || {
        let tally = crowd.ledger().tally(load.late_after);
        Report { name: "watch", tally, checks: vec![], took: began.elapsed() }
    };

    writeln!(out, "{Head}")?;
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        Err(error) = print_rows(out, &report) => return Err(error.into()),
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(time.unwrap_or(Duration::MAX)) => {}
    }
    phones.are_done().await;
    crowd.comes_through(COMES_THROUGH_WITHIN).await;
    crowd.presents_again().await;
    let report = report();
    writeln!(out, "{}", Row(&report))?;
    Ok(report.passes())
}

/// A row every now and then, as long as somebody reads it.
async fn print_rows(out: &mut impl Write, report: impl Fn() -> Report) -> io::Result<Infallible> {
    let mut moments = tokio::time::interval(ROW_EVERY);
    moments.tick().await;
    loop {
        moments.tick().await;
        writeln!(out, "{}", Row(&report()))?;
        out.flush()?;
    }
}

async fn look_up(names: Vec<String>) -> Result<Vec<SocketAddr>, CannotWatch> {
    let mut addresses = vec![];
    for name in names {
        let found = lookup_host(&name).await.map(Vec::from_iter);
        addresses.extend(found.map_err(|error| CannotWatch::Unknown(name, error))?);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use scenecast_shared::config::load;

    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");

    fn sample_with(name: &str, value: &str) -> Result<Target, BadConfig> {
        load(Some(SAMPLE.as_ref()), [(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn the_sample_is_whole_and_secrets_may_come_by_environment() {
        let target = sample_with("SCENECAST_API_KEY", "another").unwrap();
        assert_eq!((target.api_key.text(), target.gateways.len()), ("another", 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, named) in [
            ("SCENECAST_LISTEN", "nowhere", "listen"),
            ("SCENECAST_ACCOUNT", "no account", "account"),
            ("SCENECAST_GATEWAY", "127.0.0.1:1", "gateway"),
        ] {
            let refused = sample_with(name, value).unwrap_err().to_string();
            assert!(refused.contains(named), "{refused}");
        }
        assert!(load::<Target>(None, []).unwrap_err().to_string().contains("gateways"));
    }

    #[tokio::test]
    async fn a_cluster_that_does_not_exist_is_refused() {
        let target = Target {
            gateways: vec!["no-such-host.invalid:80".to_owned()],
            listen: ([127, 0, 0, 1], 0).into(),
            ..sample_with("SCENECAST_API_KEY", "k").unwrap()
        };
        let refused = watch(target, Load::SHORT, None, &mut vec![]).await.unwrap_err();
        assert!(refused.to_string().starts_with("no-such-host.invalid:80 can't be looked up"), "{refused}");
    }
}
