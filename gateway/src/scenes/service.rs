//! Keys, opening, and what happens when Redis loses a scene.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use scenecast_bus::SceneReader;
use scenecast_metrics::Stage;
use scenecast_scene::{
    AccountName, Binding, Claims, Key, KeyError, KeyRing, PageInfo, SceneId, internal, internal::Handle, time::millis,
};
use scenecast_service::admission::{AddressRateLimit, RejectReason, Rejections};

use super::{
    callback_client::CallbackClient,
    qr,
    request::{DisplayedCode, OpenRequest, OpenedScene},
};
use crate::{config::GatewayConfig, metrics::GatewayMetrics, refusal::PageRefusal};

/// How long the gateway tries to cancel the scene of a page that is gone: shutdown waits for that.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens scenes and checks keys for all pages of this gateway.
pub(crate) struct SceneService {
    bus: SceneReader,
    keys: KeyRing,
    callback: CallbackClient,
    open_limit: AddressRateLimit,
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
            callback: CallbackClient::new(config.callback.url.clone(), config.internal_secret.clone()),
            open_limit: AddressRateLimit::per_minute(config.limits.scenes_per_address),
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

    /// A new scene's key. Nothing is stored by that.
    pub(crate) fn issue_key(&self, account: &AccountName, binding: Option<Binding>, life: Duration) -> (Key, Claims) {
        self.keys.issue(account, binding, life, SystemTime::now())
    }

    /// What a key says, if this deployment issued it and its scene can still have events.
    pub(crate) fn check_key(&self, key: &str) -> Result<Claims, PageRefusal> {
        key.parse().and_then(|key| self.keys.check(&key, SystemTime::now())).map_err(|error| match error {
            KeyError::Foreign => PageRefusal::KeyInvalid,
            KeyError::Stale => PageRefusal::SceneExpired,
        })
    }

    /// Opens a scene for a page of the own API.
    pub(crate) async fn open(
        &self,
        request: &OpenRequest,
        mut page: PageInfo,
    ) -> Result<(Claims, OpenedScene), PageRefusal> {
        page.language = request.locale.map(|locale| locale.0);
        let binding = request.state.as_ref().map(|state| Binding::of(state.as_str()));
        let (key, claims) = self.issue_key(&request.account, binding, self.scene_life);
        let call = internal::OpenCall {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: claims.binding,
            page,
            life_ms: millis(self.scene_life),
            handle: Handle::Any,
        };
        let code = match self.open_by_callback(&call).await? {
            internal::OpenedHandle::Qr { url, .. } => DisplayedCode::Qr { svg: draw_qr(&claims, &url)?, url },
            internal::OpenedHandle::MiniProgram { image } => DisplayedCode::MiniProgram { image },
            internal::OpenedHandle::Typed { code } => DisplayedCode::Code(code),
        };
        let opened = OpenedScene { scene: claims.scene, key, expires_in: self.scene_life.as_secs(), code };
        Ok((claims, opened))
    }

    /// Has a callback open a scene, unless the page's address has opened too many in the last minute.
    pub(crate) async fn open_by_callback(
        &self,
        call: &internal::OpenCall,
    ) -> Result<internal::OpenedHandle, PageRefusal> {
        if let Some(address) = call.page.address
            && let Err(retry_after) = self.open_limit.check(address)
        {
            self.rejections.count(RejectReason::Scenes);
            return Err(PageRefusal::TooManyScenes { retry_after });
        }
        self.callback.open(call).await
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

    /// Has a scene that Redis lost opened again, to live until `ends`.
    pub(crate) fn reopen_lost(&self, claims: Claims, page: PageInfo, ends: Instant) {
        self.metrics.scenes_lost.inc();
        self.callback.reopen(claims, page, ends);
    }

    /// Has a scene opened whose page hasn't asked for its code yet, to live until `ends`.
    pub(crate) fn open_early(&self, claims: Claims, page: PageInfo, ends: Instant) {
        self.metrics.stages.count(Stage::Opened);
        self.callback.reopen(claims, page, ends);
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
