//! The callback as a part of a process: built, bound, served.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use scenecast_bus::{SceneWriter, Store};
use scenecast_metrics::{Metrics, Stages};
use scenecast_scene::AccountName;
use scenecast_service::{
    admission::{AddressRateLimit, Admission, HeldConnections, RateLimit, Rejections, reject_overloaded},
    http::{ListenerKind, MisplacedRequests, TrustedProxies, refuse_large_heads, with_client_address, with_problems},
    listener::{ListenError, Listener, probes},
    outbound::NameResolver,
    shutdown::Shutdown,
};

use crate::{
    accounts::{AccountRegistry, AccountServices, Accounts, PreviousSecretUses},
    config::{CallbackConfig, OutboundConfig},
    gateways::{self, AddressShares, GatewayCalls, HandleFactory},
    inbound::{self, DeliveryServices, InboundState, WechatClock},
    metrics::CallbackMetrics,
    mini_program::{self, MiniProgramState},
    site::{RedeemState, UsersState, redeem_router, users_router},
    stores::{
        DailyQuota, GuessLimiter, JsCodes, KeptCodes, OutboxCapacity, PendingQuestions, ReplayGuard, STORED_NAMES,
        TokenStore, TypedCodes, Users,
    },
    webhooks::WebhookSender,
    wechat::{QR_CODE, WechatClient},
};

/// How many deliveries out of time are held without an answer, each for 5.5 seconds. The others are closed at once.
const HELD_STALE_DELIVERIES: usize = 100;

/// A callback that is ready to bind its addresses.
pub struct CallbackServer {
    accounts: AccountRegistry,
    services: Arc<AccountServices>,
    public: UnboundListener,
    internal: UnboundListener,
    shutdown: Shutdown,
}

/// An address, what may connect to it, and what it serves. The public and the internal listener have their own limits,
/// so that neither takes the other's connections.
struct UnboundListener {
    /// Who connects to it, for error messages.
    clients: &'static str,
    address: SocketAddr,
    admission: Admission,
    keep_alive: Duration,
    router: Router,
}

/// A bound address, and what it serves.
struct BoundListener {
    listener: Listener,
    router: Router,
}

impl UnboundListener {
    async fn bind(self) -> Result<BoundListener, ListenError> {
        let Self { clients, address, admission, keep_alive, router } = self;
        let listener = Listener::bind_with_admission(clients, address, &admission, keep_alive).await?;
        Ok(BoundListener { listener, router })
    }
}

impl CallbackServer {
    /// Builds the callback. It doesn't call WeChat or Redis yet.
    pub fn build<B>(
        config: &CallbackConfig<B>,
        bus: SceneWriter,
        store: Store,
        stages: Stages,
        metrics: &Metrics,
        shutdown: &Shutdown,
    ) -> Self {
        store.check_rights(STORED_NAMES);
        let callback_metrics = CallbackMetrics::new(metrics, stages);
        let names = NameResolver::system();
        let OutboundConfig { wechat_proxy, webhook_proxy } = config.outbound.clone();
        let calls = callback_metrics.wechat.calls.clone();
        let capacity = OutboxCapacity::default();
        let services = AccountServices {
            client: WechatClient::new(config.wechat.api_base.clone(), names.clone(), wechat_proxy, calls),
            tokens: TokenStore::new(store.clone()),
            users: Users::new(store.clone(), Some(Users::LIFE)),
            webhook_sender: WebhookSender::new(store.clone(), capacity, names, webhook_proxy, metrics),
            circuit_open: callback_metrics.wechat.circuit_open.clone(),
            previous_secrets: PreviousSecretUses::new(callback_metrics.previous_secrets.clone()),
            clock: config.clock.clone(),
        };
        let accounts = AccountRegistry::new(Accounts::new(config, &services));
        let replays = ReplayGuard::new(store.clone());
        tokio::spawn(date_losses_for_plain_accounts(replays.clone(), accounts.clone()));
        let routes = RouteBuilder {
            config,
            bus,
            store,
            replays,
            metrics: callback_metrics,
            users: services.users.clone(),
            accounts: accounts.clone(),
            rejections: Rejections::new(metrics),
            shutdown,
        };
        Self {
            public: routes.public(),
            internal: routes.internal(),
            accounts,
            services: Arc::new(services),
            shutdown: shutdown.clone(),
        }
    }

    pub async fn bind(self) -> Result<BoundCallback, ListenError> {
        Ok(BoundCallback {
            accounts: self.accounts,
            services: self.services,
            public: self.public.bind().await?,
            internal: self.internal.bind().await?,
            shutdown: self.shutdown,
        })
    }
}

/// Only the signatures of plain mode have to be remembered, and a reload may bring the first account of it.
async fn date_losses_for_plain_accounts(replays: ReplayGuard, accounts: AccountRegistry) {
    accounts.wait_for(Accounts::any_plain).await;
    replays.date_losses();
}

/// What the routes are built from.
struct RouteBuilder<'a, B> {
    config: &'a CallbackConfig<B>,
    bus: SceneWriter,
    store: Store,
    replays: ReplayGuard,
    metrics: CallbackMetrics,
    users: Users,
    accounts: AccountRegistry,
    rejections: Rejections,
    shutdown: &'a Shutdown,
}

impl<B> RouteBuilder<'_, B> {
    fn public(&self) -> UnboundListener {
        let proxies = self.config.trusted_proxies.clone();
        let admission = Admission::new(self.config.limits.public(), proxies.clone(), self.rejections.clone());
        let routes = inbound::router(self.inbound()).merge(mini_program::router(self.mini_programs(), &admission));
        let routes = with_problems(routes, &self.misplaced_at(ListenerKind::Wechat))
            .layer(from_fn_with_state(proxies, with_client_address));
        UnboundListener {
            clients: "WeChat",
            address: self.config.listen.public,
            admission,
            keep_alive: self.config.limits.keep_alive.duration(),
            router: self.with_probes(routes),
        }
    }

    fn internal(&self) -> UnboundListener {
        let limits = self.config.limits.internal();
        let admission = Admission::new(limits, TrustedProxies::default(), self.rejections.clone());
        let routes = gateways::router(self.gateway_calls())
            .merge(redeem_router(self.redeem()))
            .merge(users_router(self.users()));
        let routes = with_problems(routes, &self.misplaced_at(ListenerKind::Internal));
        UnboundListener {
            clients: "gateways and sites",
            address: self.config.listen.internal,
            admission,
            keep_alive: self.config.limits.keep_alive.duration(),
            router: self.with_probes(routes.layer(from_fn(reject_overloaded))),
        }
    }

    fn misplaced_at(&self, listener: ListenerKind) -> MisplacedRequests {
        MisplacedRequests::at(listener, self.rejections.bad_requests())
    }

    /// Routes with the limit of their heads, and probes beside them.
    fn with_probes(&self, routes: Router) -> Router {
        let bad_requests = self.rejections.bad_requests().clone();
        routes.layer(from_fn_with_state(bad_requests, refuse_large_heads)).merge(probes(self.shutdown))
    }

    fn inbound(&self) -> InboundState {
        let limits = self.config.limits;
        InboundState {
            accounts: self.accounts.clone(),
            replays: self.replays.clone(),
            message_rate: RateLimit::per_second(limits.deliveries_per_second),
            invalid_delivery_rate: AddressRateLimit::per_minute(limits.requests_per_address),
            rejections: self.rejections.clone(),
            misplaced: self.misplaced_at(ListenerKind::Wechat),
            wechat_clock: WechatClock::new(self.metrics.wechat_clock_ahead.clone()),
            stale_room: HeldConnections::new(HELD_STALE_DELIVERIES),
            metrics: self.metrics.clone(),
            services: DeliveryServices {
                bus: self.bus.clone(),
                secret: self.config.internal_secret.clone(),
                users: self.users.clone(),
                questions: PendingQuestions::new(self.store.clone()),
                codes: TypedCodes::new(self.store.clone()),
                guesses: GuessLimiter::new(self.store.clone()),
                geo_database: self.config.geo_database.clone(),
                stages: self.metrics.stages.clone(),
                typed_codes: self.metrics.typed_codes.clone(),
            },
        }
    }

    fn mini_programs(&self) -> MiniProgramState {
        MiniProgramState {
            accounts: self.accounts.clone(),
            bus: self.bus.clone(),
            secret: self.config.internal_secret.clone(),
            users: self.users.clone(),
            js_codes: JsCodes::new(self.store.clone()),
            stages: self.metrics.stages.clone(),
            requests: self.metrics.mini_program_requests.clone(),
        }
    }

    fn gateway_calls(&self) -> GatewayCalls {
        let qr_quota = DailyQuota::new(self.store.clone(), QR_CODE);
        GatewayCalls {
            secret: self.config.internal_secret.clone(),
            accounts: self.accounts.clone(),
            bus: self.bus.clone(),
            stages: self.metrics.stages.clone(),
            handles: HandleFactory {
                picture_base: self.config.wechat.picture_base.clone(),
                shares: AddressShares::new(self.config.limits.qr_percent_per_address, qr_quota.clone()),
                qr_quota,
                shown: KeptCodes::new(self.store.clone()),
                codes: TypedCodes::new(self.store.clone()),
                clock: self.config.clock.clone(),
                metrics: self.metrics.handles.clone(),
            },
        }
    }

    fn redeem(&self) -> RedeemState {
        RedeemState {
            accounts: self.accounts.clone(),
            bus: self.bus.clone(),
            users: self.users.clone(),
            stages: self.metrics.stages.clone(),
            redeems: self.metrics.redeems.clone(),
            previous_secrets: self.previous_secrets(),
        }
    }

    fn users(&self) -> UsersState {
        let previous_secrets = self.previous_secrets();
        UsersState { accounts: self.accounts.clone(), users: self.users.clone(), previous_secrets }
    }

    fn previous_secrets(&self) -> PreviousSecretUses {
        PreviousSecretUses::new(self.metrics.previous_secrets.clone())
    }
}

/// A callback that has bound its addresses.
pub struct BoundCallback {
    accounts: AccountRegistry,
    services: Arc<AccountServices>,
    public: BoundListener,
    internal: BoundListener,
    shutdown: Shutdown,
}

impl BoundCallback {
    /// The address for WeChat and mini programs.
    pub fn public_address(&self) -> SocketAddr {
        self.public.listener.address()
    }

    /// The address for gateways and sites.
    pub fn internal_address(&self) -> SocketAddr {
        self.internal.listener.address()
    }

    /// Replaces the accounts while the callback serves.
    pub fn account_replacer(&self) -> AccountReplacer {
        AccountReplacer {
            accounts: self.accounts.clone(),
            services: self.services.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Serves until the process closes.
    pub async fn serve(self) {
        let Self { accounts, public, internal, shutdown, .. } = self;
        for publisher in accounts.current().new_publishers(&Accounts::default()) {
            publisher.start(&shutdown);
        }
        tokio::join!(
            public.listener.serve(public.router, shutdown.clone()),
            internal.listener.serve(internal.router, shutdown),
        );
    }
}

/// Replaces the accounts of a callback that serves.
pub struct AccountReplacer {
    accounts: AccountRegistry,
    services: Arc<AccountServices>,
    shutdown: Shutdown,
}

impl AccountReplacer {
    /// Takes over the accounts and API keys of this configuration, and nothing else of it. An account that `is_same` as
    /// before stays as it is. Requests in progress go on with the accounts from before.
    pub(crate) fn replace<B>(&self, config: &CallbackConfig<B>, is_same: impl Fn(&str, &AccountName) -> bool) {
        let before = self.accounts.current();
        let accounts = Arc::new(before.renewed(config, &self.services, is_same));
        for publisher in accounts.new_publishers(&before) {
            publisher.start(&self.shutdown);
        }
        let added = &accounts.names() - &before.names();
        let removed = &before.names() - &accounts.names();
        tracing::info!(?added, ?removed, "took over a changed configuration");
        self.accounts.replace(accounts);
    }
}
