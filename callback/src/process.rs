//! The callback as a part of a process: built, bound, served.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::middleware::{from_fn, from_fn_with_state};
use scenecast_shared::{
    bus::Bus,
    scene::AccountName,
    serve::{
        Admission, CannotListen, Listener, Rate, RateByAddress, Shutdown, TrustedProxies, TurnedAway, turn_away,
        with_client_address, with_problems,
    },
    store::{Budget, Codes, Guesses, JsCodes, Pending, ReplayGuard, Room, Store, TokenStore, Users},
    telemetry::{Metrics, Stages},
};

use tokio::sync::watch;

use crate::{
    accounts::{Accounts, Tools},
    app::App,
    config::Settings,
    counts::Counts,
    internal, miniapp, redeem,
    site::Mail,
    users, webhook,
    wechat::{Client, QR_CODE},
};

/// Longer than proxies keep a connection that isn't used (60 s), so that none hands us a webhook
/// on one that we are closing.
const IDLE: Duration = Duration::from_secs(75);

/// A callback that is ready to bind.
pub struct Callback {
    app: Arc<App>,
    tools: Arc<Tools>,
    public: SocketAddr,
    internal: SocketAddr,
    trusted_proxies: TrustedProxies,
    /// Of WeChat and mini programs, and of gateways and sites: neither takes the other's room.
    admissions: (Admission, Admission),
    shutdown: Shutdown,
}

impl Callback {
    /// Puts it together. Nothing is asked of WeChat or Redis yet.
    pub fn build(
        settings: Settings,
        bus: Bus,
        store: Store,
        stages: Stages,
        metrics: &Metrics,
        shutdown: &Shutdown,
    ) -> Self {
        let counts = Counts::new(metrics, stages);
        let client = Client::new(settings.api_base.clone(), counts.calls.clone());
        let tokens = TokenStore::new(store.clone());
        let users = Users::new(store.clone(), Some(Users::LIFE));
        let mail = Mail::new(store.clone(), Room::default(), metrics);
        let (circuit_open, clock) = (counts.circuit_open.clone(), settings.clock.clone());
        let tools = Tools { client, tokens, users: users.clone(), mail, circuit_open, clock };
        let accounts = Arc::new(Accounts::new(&settings, &tools));
        let (limits, proxies, turned_away) = (settings.limits, settings.trusted_proxies, TurnedAway::new(metrics));
        let admissions = (
            Admission::new(limits.of_the_public(), proxies.clone(), turned_away.clone()),
            Admission::new(limits.of_our_own(), TrustedProxies::default(), turned_away.clone()),
        );
        let app = App {
            accounts: watch::Sender::new(accounts),
            internal_secret: settings.internal_secret,
            picture_base: settings.picture_base,
            bus,
            pending: Pending::new(store.clone()),
            codes: Codes::new(store.clone()),
            guesses: Guesses::new(store.clone()),
            geo_database: settings.geo_database,
            replays: ReplayGuard::new(store.clone()),
            qr_budget: Budget::new(store.clone(), QR_CODE),
            js_codes: JsCodes::new(store),
            webhooks: Rate::per_second(limits.webhooks_per_second),
            junk: RateByAddress::per_minute(limits.requests_per_address),
            turned_away,
            clock: settings.clock,
            counts,
            users,
        };
        Self {
            app: Arc::new(app),
            tools: Arc::new(tools),
            public: settings.public,
            internal: settings.internal,
            trusted_proxies: proxies,
            admissions,
            shutdown: shutdown.clone(),
        }
    }

    /// Takes its addresses.
    pub async fn bind(self) -> Result<Bound, CannotListen> {
        let (of_the_public, of_our_own) = &self.admissions;
        let public = Listener::bind_in("WeChat", self.public, of_the_public, IDLE).await?;
        let internal = Listener::bind_in("gateways and sites", self.internal, of_our_own, IDLE).await?;
        Ok(Bound { callback: self, public, internal })
    }
}

/// A callback that has its addresses.
pub struct Bound {
    callback: Callback,
    public: Listener,
    internal: Listener,
}

impl Bound {
    /// Where WeChat's webhooks go.
    pub fn public_address(&self) -> SocketAddr {
        self.public.address()
    }

    /// Where gateways open scenes and sites redeem grants.
    pub fn internal_address(&self) -> SocketAddr {
        self.internal.address()
    }

    /// Replaces its accounts while it serves.
    pub fn replacing(&self) -> Replacing {
        let Callback { app, tools, shutdown, .. } = &self.callback;
        Replacing { app: app.clone(), tools: tools.clone(), shutdown: shutdown.clone() }
    }

    /// Serves until the process closes.
    pub async fn serve(self) {
        let Callback { app, shutdown, trusted_proxies, admissions: (admission, _), .. } = self.callback;
        for site in app.accounts().sites_that_are_new(&Accounts::default()) {
            site.start(&shutdown);
        }
        let public = with_problems(webhook::router().merge(miniapp::router(&admission)))
            .layer(from_fn_with_state(trusted_proxies, with_client_address))
            .with_state(app.clone());
        let internal = internal::router().merge(redeem::router()).merge(users::router());
        let internal = with_problems(internal).layer(from_fn(turn_away)).with_state(app);
        tokio::join!(self.public.serve(public, shutdown.clone()), self.internal.serve(internal, shutdown));
    }
}

/// What replaces the accounts of a callback that serves.
pub struct Replacing {
    app: Arc<App>,
    tools: Arc<Tools>,
    shutdown: Shutdown,
}

impl Replacing {
    /// Takes over these accounts and API keys, and nothing else of the settings. An account that
    /// `is_same` as before stays the same. Whoever is being answered goes on with what was before.
    pub(crate) fn replace(&self, settings: &Settings, is_same: impl Fn(&str, &AccountName) -> bool) {
        let before = self.app.accounts();
        let accounts = Arc::new(before.renewed(settings, &self.tools, is_same));
        for site in accounts.sites_that_are_new(&before) {
            site.start(&self.shutdown);
        }
        let (added, removed) = (&accounts.names() - &before.names(), &before.names() - &accounts.names());
        tracing::info!(?added, ?removed, "took over a changed configuration");
        self.app.accounts.send_replace(accounts);
    }
}
