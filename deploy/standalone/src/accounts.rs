//! The demo's accounts. Each is described once, and both sides get it: the simulator, as if it were entered in
//! WeChat's console, and the callback.

use std::collections::BTreeMap;

use rand::distr::{Alphanumeric, SampleString};
use scenecast_callback::{
    DeliveryPath, Phrase, Texts,
    config::{AccountSettings, Confirmation, EnvVersion, MiniProgramSettings, Mode},
};
use scenecast_scene::{AccountName, Language, Rotating, Secret};
use scenecast_service::config::defaults;
use scenecast_simulator::{AccountQuota, EncryptionMode, Rights, SimulatedAccount};

/// A verified service account with the default confirmation: the person who scans is asked.
pub(crate) const DEMO: &str = "demo";
/// The mini program whose codes replace that account's QR codes when it has none left.
pub(crate) const DEMO_MINI: &str = "demo-mini";
/// A service account for the compatible routes: a scan is a login.
pub(crate) const CLASSIC: &str = "classic";
/// A person's account. It has no right to QR codes, so codes are typed to it.
pub(crate) const PERSONAL: &str = "personal";

/// A service account whose phones have to pick the number that the page shows.
pub(crate) const NUMBER: &str = "number";

/// The site's name, as phones see it.
const SITE: &str = "Scenecast Demo";

static DEMO_ACCOUNTS: [DemoAccount; 4] = [
    DemoAccount {
        name: DEMO,
        title: SITE,
        app_id: SimulatedAccount::SAMPLE_APP_ID,
        original_id: SimulatedAccount::SAMPLE_ORIGINAL_ID,
        rights: Rights::VerifiedService,
        confirmation: Confirmation::Tap,
        path: None,
        fallback_mini_program: Some(DEMO_MINI),
        texts: &[],
    },
    DemoAccount {
        name: CLASSIC,
        title: "Scenecast Classic",
        app_id: "wxc1a551c000000001",
        original_id: "gh_c1a551c00001",
        rights: Rights::VerifiedService,
        confirmation: Confirmation::None,
        path: Some("/weChatNotice"),
        fallback_mini_program: None,
        texts: &[(Phrase::LoggedIn, "{name},登录成功!\n这是你第{logins}次登录,玩的开心!")],
    },
    DemoAccount {
        name: PERSONAL,
        title: "Scenecast Personal",
        app_id: "wxbe45041a00000001",
        original_id: "gh_be45041a0001",
        rights: Rights::UnverifiedSubscription,
        confirmation: Confirmation::None,
        path: Some("/wx/callback"),
        fallback_mini_program: None,
        texts: &[(Phrase::LoggedIn, "登录成功"), (Phrase::CodeUnknown, "验证码过期了,刷新登录页面重试一下吧")],
    },
    DemoAccount {
        name: NUMBER,
        title: "Scenecast Number",
        app_id: "wx0a3be50000000001",
        original_id: "gh_0a3be5000001",
        rights: Rights::VerifiedService,
        confirmation: Confirmation::Number,
        path: None,
        fallback_mini_program: None,
        texts: &[],
    },
];

/// An account of the demo without its secrets.
struct DemoAccount {
    name: &'static str,
    title: &'static str,
    app_id: &'static str,
    original_id: &'static str,
    rights: Rights,
    confirmation: Confirmation,
    path: Option<&'static str>,
    fallback_mini_program: Option<&'static str>,
    /// The same text in every language.
    texts: &'static [(Phrase, &'static str)],
}

/// The secrets of one account: random, and gone when the process ends.
struct AccountSecrets {
    app: Secret,
    token: Secret,
    aes_key: String,
}

impl AccountSecrets {
    fn random() -> Self {
        let letters_and_digits = |length| Alphanumeric.sample_string(&mut rand::rng(), length);
        Self {
            app: letters_and_digits(32).as_str().into(),
            token: letters_and_digits(32).as_str().into(),
            aes_key: letters_and_digits(43),
        }
    }
}

/// All accounts, in the form in which each side takes them.
pub(crate) struct DemoAccounts {
    pub(crate) simulated: BTreeMap<AccountName, SimulatedAccount>,
    pub(crate) official: BTreeMap<AccountName, AccountSettings>,
    pub(crate) mini_programs: BTreeMap<AccountName, MiniProgramSettings>,
}

impl DemoAccounts {
    /// With new secrets. Phones are answered in this language, unless their page has another.
    pub(crate) fn new(language: Language) -> Self {
        let mini = (name(DEMO_MINI), AccountSecrets::random());
        let mut accounts = Self {
            simulated: [(mini.0.clone(), simulated_mini_program(&mini.1))].into(),
            mini_programs: [(mini.0, mini_program(mini.1, language))].into(),
            official: BTreeMap::new(),
        };
        for account in &DEMO_ACCOUNTS {
            let secrets = AccountSecrets::random();
            accounts.simulated.insert(name(account.name), account.simulated(&secrets));
            accounts.official.insert(name(account.name), account.settings(secrets, language));
        }
        accounts
    }

    /// The path to which WeChat posts the messages of each account.
    pub(crate) fn delivery_paths(&self) -> Vec<(AccountName, String)> {
        let path = |(name, settings): (&AccountName, &AccountSettings)| {
            let own = settings.path.as_ref().map(|path| path.as_str().to_owned());
            (name.clone(), own.unwrap_or_else(|| format!("/wechat/{name}")))
        };
        self.official.iter().map(path).collect()
    }
}

impl DemoAccount {
    fn simulated(&self, secrets: &AccountSecrets) -> SimulatedAccount {
        SimulatedAccount {
            title: self.title.to_owned(),
            rights: self.rights,
            app_id: self.app_id.to_owned(),
            original_id: self.original_id.to_owned(),
            mode: EncryptionMode::Safe,
            aes_key: secrets.aes_key.parse().expect("43 letters and digits"),
            ..SimulatedAccount::sample(secrets.app.clone(), secrets.token.clone())
        }
    }

    fn settings(&self, secrets: AccountSecrets, language: Language) -> AccountSettings {
        let aes_key = secrets.aes_key.parse().expect("43 letters and digits");
        let path = |path: &str| DeliveryPath::try_from(path.to_owned()).expect("a plain path");
        AccountSettings {
            app_id: self.app_id.to_owned(),
            secret: secrets.app,
            token: Rotating { current: secrets.token, previous: None },
            original_id: self.original_id.to_owned(),
            mode: Mode::Safe,
            aes_key: Some(Rotating { current: aes_key, previous: None }),
            check_source_address: false,
            confirmation: self.confirmation,
            site: Some(SITE.to_owned()),
            path: self.path.map(path),
            grant_life: defaults::grant_life(),
            qr_quota: if self.is_verified() { AccountQuota::default().qr_codes.into() } else { 0 },
            fallback_mini_program: self.fallback_mini_program.map(name),
            profile_wait_ms: if self.is_verified() { 300 } else { 0 },
            language,
            texts: self.texts(),
            webhooks: None,
        }
    }

    /// Whether it has the right to make QR codes and to ask who people are.
    fn is_verified(&self) -> bool {
        self.rights == Rights::VerifiedService
    }

    fn texts(&self) -> Texts {
        let each = self.texts.iter().flat_map(|text| [Language::Zh, Language::En].map(|language| (language, text)));
        each.fold(Texts::default(), |texts, (language, (phrase, text))| {
            texts.with(*phrase, language, text).expect("its placeholders are those of its phrase")
        })
    }
}

fn simulated_mini_program(secrets: &AccountSecrets) -> SimulatedAccount {
    let sample = SimulatedAccount::sample_mini_program(secrets.app.clone(), secrets.token.clone());
    SimulatedAccount { title: "Scenecast Mini".to_owned(), ..sample }
}

fn mini_program(secrets: AccountSecrets, language: Language) -> MiniProgramSettings {
    MiniProgramSettings {
        app_id: SimulatedAccount::SAMPLE_MINI_APP_ID.to_owned(),
        secret: secrets.app,
        page: SimulatedAccount::SAMPLE_PAGE.to_owned(),
        env_version: EnvVersion::Release,
        confirmation: Confirmation::Tap,
        grant_life: defaults::grant_life(),
        site: Some(SITE.to_owned()),
        language,
        webhooks: None,
    }
}

/// The name of one of the accounts above.
pub(crate) fn name(name: &str) -> AccountName {
    name.parse().expect("a-z and -")
}
