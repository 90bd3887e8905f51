//! A callback server that answers as a test needs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use scenecast_service::{
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::{EncodingAesKey, SimulatedAccount, http};
use scenecast_wechat::{Message, sign, text_reply};
use url::Url;

use crate::world::TOKEN;

/// One request that the callback received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn message(&self) -> Message {
        Message::parse(&self.body).unwrap()
    }

    /// The text of the body's only element with this name.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(std::str::from_utf8(&self.body).unwrap()).unwrap();
        let mut found = document.root_element().children().filter(|child| child.has_tag_name(name));
        let element = found.next()?;
        assert!(found.next().is_none(), "{name} twice");
        Some(element.text().unwrap_or_default().to_owned())
    }

    /// The same request with its body decrypted.
    pub(crate) fn decrypted(&self, key: &EncodingAesKey) -> Self {
        let body = key.decrypt(SimulatedAccount::SAMPLE_APP_ID, &self.element("Encrypt").unwrap()).unwrap();
        Self { body: body.into(), ..self.clone() }
    }

    /// A well-formed reply with this text, encrypted with this key.
    pub(crate) fn encrypted_reply(&self, key: &EncodingAesKey, text: &str) -> Response {
        let reply = text_reply(&self.decrypted(key).message(), text, 7);
        let encrypt = key.encrypt(SimulatedAccount::SAMPLE_APP_ID, [7; 16], reply.as_bytes());
        let signature = sign(&[TOKEN, "7", "nonce", &encrypt]);
        format!(
            "<xml><Encrypt>{encrypt}</Encrypt><MsgSignature>{signature}</MsgSignature><TimeStamp>7</TimeStamp>\
             <Nonce>nonce</Nonce></xml>"
        )
        .into_response()
    }

    /// A well-formed reply with this text.
    pub(crate) fn reply(&self, text: &str) -> Response {
        text_reply(&self.message(), text, 7).into_response()
    }
}

#[derive(Clone)]
pub(crate) struct Callback {
    url: Url,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Callback {
    /// A callback that answers each request with this function.
    pub(crate) async fn answering<F>(answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send,
    {
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let handler = move |State(log): State<Arc<Mutex<Vec<Received>>>>,
                            method: Method,
                            Query(query): Query<HashMap<String, String>>,
                            headers: HeaderMap,
                            body: Bytes| {
            let received = Received { method, query, headers, body };
            log.lock().unwrap().push(received.clone());
            let answer = answer.clone();
            async move { answer(received).await }
        };
        let url = serve(Router::new().fallback(handler).with_state(received.clone())).await;
        Self { url, received }
    }

    /// A callback that answers every request with this.
    pub(crate) async fn saying(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Self {
        Self::answering(move |_| {
            let answer = answer.clone().into_response();
            async { answer }
        })
        .await
    }

    /// A callback that replies to every message with this text.
    pub(crate) async fn replying(text: &'static str) -> Self {
        Self::answering(move |received| async move { received.reply(text) }).await
    }

    pub(crate) fn url(&self) -> Url {
        self.url.join("wechat/demo").unwrap()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// The address of a server that closes each connection when a request arrives.
pub(crate) async fn closing() -> Url {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = http(socket.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = socket.accept().await {
            connection.readable().await.unwrap();
        }
    });
    url
}

/// Serves on any free port until the test ends.
pub(crate) async fn serve(app: Router) -> Url {
    let listener = bind().await;
    let url = http(listener.address());
    tokio::spawn(listener.serve(app, Shutdown::never()));
    url
}

pub(crate) async fn bind() -> Listener {
    let limits = ListenerLimits { connections: 1000, idle: Duration::from_secs(30) };
    Listener::bind("tests", "127.0.0.1:0".parse().unwrap(), limits).await.unwrap()
}
