//! The accounts that every test has: `demo`, `other` and the mini program `mini`, at WeChat and here.

use scenecast_simulator::SimulatedAccount;
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use scenecast_callback::{
    Clock, Texts,
    config::{
        AccountSettings, ApiKey, CallbackLimits, CallbackListen, Confirmation, EnvVersion, MiniProgramSettings, Mode,
        OutboundConfig, WechatSettings,
    },
    next_china_day,
};
use scenecast_scene::{Language, Rotating};
use scenecast_service::{
    config::{DrainConfig, Seconds, TelemetryConfig},
    http::TrustedProxies,
    threads::Threads,
};
use url::Url;

use super::{API_KEY, INTERNAL, OTHER_KEY, SECRET, TOKEN, TestConfig, any_port, name};

/// The settings of `demo`.
pub(crate) fn demo(config: &mut TestConfig) -> &mut AccountSettings {
    config.accounts.get_mut(&name("demo")).unwrap()
}

/// A clock at noon in China, so that no test runs over midnight by accident.
fn noon() -> Clock {
    let (clock, now) = (Clock::default(), SystemTime::now());
    clock.advance(next_china_day(now).duration_since(now).unwrap() + Duration::from_secs(12 * 60 * 60 + 60));
    clock
}

pub(super) fn simulated(account: &str) -> SimulatedAccount {
    SimulatedAccount {
        app_id: format!("wx{account}"),
        original_id: format!("gh_{account}"),
        unionid: account == "demo",
        ..SimulatedAccount::sample(SECRET.into(), TOKEN.into())
    }
}

pub(super) fn simulated_mini_program() -> SimulatedAccount {
    SimulatedAccount {
        app_id: "wxmini".to_owned(),
        original_id: "gh_mini".to_owned(),
        unionid: true,
        ..SimulatedAccount::sample_mini_program(SECRET.into(), TOKEN.into())
    }
}

fn mini_program() -> MiniProgramSettings {
    MiniProgramSettings {
        app_id: "wxmini".to_owned(),
        secret: SECRET.into(),
        page: SimulatedAccount::SAMPLE_PAGE.to_owned(),
        env_version: EnvVersion::Release,
        confirmation: Confirmation::Tap,
        grant_life: Seconds::new(60),
        site: Some("Example Shop".to_owned()),
        language: Language::En,
        webhooks: None,
    }
}

pub(super) fn config(wechat: &Url) -> TestConfig {
    let account = |account: &str| AccountSettings {
        app_id: format!("wx{account}"),
        secret: SECRET.into(),
        token: Rotating::fixed(TOKEN),
        original_id: format!("gh_{account}"),
        mode: Mode::Plain,
        aes_key: None,
        check_source_address: false,
        confirmation: Confirmation::None,
        site: None,
        path: None,
        grant_life: Seconds::new(60),
        qr_quota: 100_000,
        fallback_mini_program: None,
        profile_wait_ms: 2000,
        language: Language::En,
        texts: Texts::default(),
        webhooks: None,
    };
    let key = |key: &str, accounts: &[&str]| ApiKey {
        key: Rotating::fixed(key),
        accounts: accounts.iter().map(|account| name(account)).collect::<BTreeSet<_>>(),
    };
    TestConfig {
        listen: CallbackListen { public: any_port(), internal: any_port(), admin: any_port() },
        bus: (),
        internal_secret: Rotating::fixed(INTERNAL),
        accounts: ["demo", "other"].map(|it| (name(it), account(it))).into(),
        mini_programs: [(name("mini"), mini_program())].into(),
        api_keys: [("shop".to_owned(), key(API_KEY, &["demo"])), ("another".to_owned(), key(OTHER_KEY, &["other"]))]
            .into(),
        trusted_proxies: TrustedProxies::default(),
        geo_database: None,
        wechat: WechatSettings {
            api_base: wechat.to_string().try_into().unwrap(),
            picture_base: wechat.to_string().try_into().unwrap(),
        },
        outbound: OutboundConfig::default(),
        limits: CallbackLimits::default(),
        threads: Threads::default(),
        drain: DrainConfig::default(),
        telemetry: TelemetryConfig::default(),
        clock: noon(),
    }
}
