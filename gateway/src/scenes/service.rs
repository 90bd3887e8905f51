//! Keys, opening, and what happens when Redis loses a scene.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use scenecast_bus::SceneReader;
use scenecast_metrics::Stage;
use scenecast_scene::{
    AccountName, Binding, Claims, Key, KeyError, KeyRing, PageInfo, SceneId, internal, internal::Handle, time::millis,
};
use scenecast_service::admission::{AddressRateLimit, RateLimit, RejectReason, Rejections};

use super::{
    call_turns::CallTurn,
    callback_client::CallbackClient,
    qr,
    remembered_codes::RememberedCodes,
    reopen_queue::{MissingScene, Pushed, QueueFull},
    request::{DisplayedCode, OpenRequest, OpenedScene, Visitor},
};
use crate::{config::GatewayConfig, metrics::GatewayMetrics, refusal::PageRefusal};

/// How long the gateway tries to cancel the scene of a page that is gone: shutdown waits for that.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Whoever makes up keys can send many.
static FOREIGN_KEY_LOG_RATE: LazyLock<RateLimit> = LazyLock::new(|| RateLimit::per_second(1));

/// Opens scenes and checks keys for all pages of this gateway.
pub(crate) struct SceneService {
    bus: SceneReader,
    keys: KeyRing,
    compatible_keys: KeyRing,
    callback: CallbackClient,
    open_limit: AddressRateLimit,
    reopen_limit: AddressRateLimit,
    remembered_codes: Mutex<RememberedCodes>,
    rejections: Rejections,
    scene_life: Duration,
    metrics: Arc<GatewayMetrics>,
}

impl SceneService {
    /// Has to be called within a runtime, which carries the calls to the callback.
    pub(crate) fn new<B>(
        config: &GatewayConfig<B>,
        bus: SceneReader,
        rejections: Rejections,
        metrics: Arc<GatewayMetrics>,
    ) -> Self {
        Self {
            bus,
            keys: KeyRing::new(config.key_secret.clone()),
            compatible_keys: KeyRing::compatible(config.key_secret.clone()),
            callback: CallbackClient::new(
                config.callback.url.clone(),
                config.internal_secret.clone(),
                config.limits,
                rejections.clone(),
            ),
            open_limit: AddressRateLimit::per_minute(config.limits.scenes_per_address),
            reopen_limit: AddressRateLimit::per_minute(config.limits.scenes_per_address),
            remembered_codes: Mutex::default(),
            rejections,
            scene_life: config.scene_life.duration(),
            metrics,
        }
    }

    pub(crate) fn bus(&self) -> &SceneReader {
        &self.bus
    }

    pub(crate) fn callback(&self) -> &CallbackClient {
        &self.callback
    }

    /// The key of a new scene of a compatible route. Nothing is stored by that.
    pub(crate) fn issue_compatible_key(&self, account: &AccountName, life: Duration) -> (Key, Claims) {
        self.compatible_keys.issue(account, None, life, SystemTime::now())
    }

    /// What a key of the own API says, if this deployment issued it and its scene can still have events.
    pub(crate) fn check_key(&self, key: &str) -> Result<Claims, PageRefusal> {
        check_by(&self.keys, key)
    }

    /// The same for a key of a compatible route. A key of the own API is none.
    pub(crate) fn check_compatible_key(&self, key: &str) -> Result<Claims, PageRefusal> {
        check_by(&self.compatible_keys, key)
    }

    /// Opens a scene for a page of the own API. The turn of the call is to be kept until the page waits for its login.
    pub(crate) async fn open(
        &self,
        request: &OpenRequest,
        visitor: &Visitor,
    ) -> Result<(Claims, OpenedScene, CallTurn), PageRefusal> {
        let binding = request.state.as_ref().map(|state| Binding::of(state.as_str()));
        let (key, claims) = self.keys.issue(&request.account, binding, self.scene_life, SystemTime::now());
        let call = internal::OpenCall {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: claims.binding,
            page: request.page(visitor),
            limited_as: visitor.limited_as,
            life_ms: millis(self.scene_life),
            handle: Handle::Any,
            may_ask_again: false,
        };
        let (handle, turn) = self.open_counted(&call).await?;
        let code = match handle {
            internal::OpenedHandle::Qr { url, .. } => DisplayedCode::Qr { svg: draw_qr(&claims, &url)?, url },
            internal::OpenedHandle::MiniProgram { image } => DisplayedCode::MiniProgram { image },
            internal::OpenedHandle::Typed { code } => DisplayedCode::Code(code),
        };
        let opened = OpenedScene { scene: claims.scene, key, expires_in: self.scene_life.as_secs(), code };
        Ok((claims, opened, turn))
    }

    /// Has a callback open a scene, unless its client has opened too many in the last minute.
    pub(crate) async fn open_by_callback(
        &self,
        call: &internal::OpenCall,
    ) -> Result<internal::OpenedHandle, PageRefusal> {
        Ok(self.open_counted(call).await?.0)
    }

    async fn open_counted(&self, call: &internal::OpenCall) -> Result<(internal::OpenedHandle, CallTurn), PageRefusal> {
        let opened = self.open_in_turn(call).await;
        self.metrics.count_open(&opened);
        opened
    }

    async fn open_in_turn(&self, call: &internal::OpenCall) -> Result<(internal::OpenedHandle, CallTurn), PageRefusal> {
        self.check_rate(&self.open_limit, call.limited_as)?;
        if call.page.address.is_none() {
            tracing::warn!(
                account = %call.account, scene = %call.scene,
                "a page's address isn't known, and the phone will be told so; if the page came through a proxy, have that \
                 append the browser's address to X-Forwarded-For"
            );
        }
        let (handle, turn) = self.callback.open(call).await?;
        if let internal::OpenedHandle::Typed { code } = &handle {
            let now = Instant::now();
            let ends = now + Duration::from_millis(call.life_ms);
            self.remembered_codes.lock().add(call.scene, code.clone(), ends, now);
        }
        Ok((handle, turn))
    }

    /// Has a scene cancelled whose page is gone and can't come back. Tries again for some seconds.
    pub(crate) async fn abandon(&self, scene: SceneId) {
        let cancelling = self.callback.cancel_with_retries(scene);
        if !matches!(tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await, Ok(Ok(()))) {
            tracing::warn!(
                %scene,
                "could not cancel a scene whose page is gone, because no callback could do it in time; until the scene \
                 ends, a phone that scans its code is told that it logged in"
            );
        }
    }

    /// Has a scene that Redis lost opened again, to live until `ends`, for a page that asks for it. Refused if the
    /// client has had too many scenes opened again in the last minute, or if too many scenes wait for that.
    pub(crate) fn reopen_lost(&self, claims: Claims, visitor: Visitor, ends: Instant) -> Result<(), PageRefusal> {
        if self.callback.reopening().contains(claims.scene) {
            return Ok(());
        }
        self.check_rate(&self.reopen_limit, visitor.limited_as)?;
        self.reopen_held(claims, visitor.page, ends)
    }

    /// The same for a page that has watched the scene since before it was lost: such pages have no limit.
    pub(crate) fn reopen_held(&self, claims: Claims, page: PageInfo, ends: Instant) -> Result<(), PageRefusal> {
        if self.push_missing(claims, page, ends)? == Pushed::Queued {
            self.metrics.scenes_lost.inc();
        }
        Ok(())
    }

    /// Has a scene opened that may never have been stored, since its page hasn't asked for its code yet. It lives until
    /// `ends`. Refused as [`SceneService::reopen_lost`] is.
    pub(crate) fn open_early(&self, claims: Claims, visitor: Visitor, ends: Instant) -> Result<(), PageRefusal> {
        if self.callback.reopening().contains(claims.scene) {
            return Ok(());
        }
        self.check_rate(&self.reopen_limit, visitor.limited_as)?;
        if self.push_missing(claims, visitor.page, ends)? == Pushed::Queued {
            self.metrics.stages.count(Stage::Opened);
        }
        Ok(())
    }

    fn push_missing(&self, claims: Claims, page: PageInfo, ends: Instant) -> Result<Pushed, PageRefusal> {
        let typed_code = self.remembered_codes.lock().of(claims.scene);
        let missing = MissingScene { claims, page, typed_code, ends };
        self.callback.reopening().push(missing).map_err(|QueueFull| {
            self.rejections.count(RejectReason::Reopening);
            PageRefusal::CallbackUnavailable("too many scenes wait to be opened again")
        })
    }

    /// Counts one more for the client.
    fn check_rate(&self, limit: &AddressRateLimit, client: Option<IpAddr>) -> Result<(), PageRefusal> {
        let Some(client) = client else { return Ok(()) };
        limit.check(client).map_err(|retry_after| {
            self.rejections.count(RejectReason::Scenes);
            PageRefusal::TooManyScenes { retry_after }
        })
    }
}

fn check_by(keys: &KeyRing, key: &str) -> Result<Claims, PageRefusal> {
    let now = SystemTime::now();
    let key: Key = key.parse().map_err(refusal_for)?;
    keys.check(&key, now).map_err(|error| {
        if keys.seems_signed_elsewhere(&key, now) && FOREIGN_KEY_LOG_RATE.allows() {
            tracing::warn!(
                "a page has a key that this gateway's key_secret didn't sign, so its login ends; if this goes on, compare \
                 key_secret of all gateways: they need the same, and while you change it, the old one as its previous \
                 value"
            );
        }
        refusal_for(error)
    })
}

fn refusal_for(error: KeyError) -> PageRefusal {
    match error {
        KeyError::Foreign => PageRefusal::KeyInvalid,
        KeyError::Stale => PageRefusal::SceneExpired,
    }
}

/// An SVG of the QR code for this address, by which a phone finds the scene of these claims.
pub(crate) fn draw_qr(claims: &Claims, url: &str) -> Result<String, PageRefusal> {
    qr::svg(url).map_err(|error| {
        tracing::error!(
            account = %claims.account, scene = %claims.scene, %error,
            "the address that WeChat gave for a QR code can't be drawn; the page is refused; please report this as a bug"
        );
        PageRefusal::WechatRefused("the QR code can't be drawn")
    })
}
