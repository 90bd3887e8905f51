//! The HTTP client of all our requests.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, ClientBuilder, IntoUrl, Method, RequestBuilder, Response, blocking,
    dns::{Addrs, Name, Resolve, Resolving},
};
use scenecast_names::NameResolver;
use url::{Host, Url};

use super::{error::TransportError, proxy::ProxyUrl};

/// No certificates of authorities can be used, so no HTTP client can start.
#[derive(Debug, thiserror::Error)]
#[error(
    "no CA certificates were found, so no server could be trusted; install them (ca-certificates in Debian and Alpine), or \
     name a file in SSL_CERT_FILE"
)]
pub(crate) struct NoCertificates(#[source] reqwest::Error);

/// Whether [`OutboundClient`]s can start on this machine. What is true at the start stays so.
pub(crate) fn check_certificates() -> Result<(), NoCertificates> {
    Client::builder().build().map(drop).map_err(NoCertificates)
}

/// An HTTP client that uses a proxy only if it is told to, and that waits for a name before its time limits begin. Clones
/// share connections and names.
#[derive(Debug, Clone)]
pub struct OutboundClient {
    http: Client,
    names: NameResolver,
    proxy: Option<Arc<ProxyUrl>>,
}

impl OutboundClient {
    /// A client with the limits of this builder. It follows no redirects.
    pub fn new(names: NameResolver, proxy: Option<ProxyUrl>, limits: ClientBuilder) -> Self {
        let direct = limits
            .no_proxy()
            .dns_resolver(Arc::new(ClientNames(names.clone())))
            .redirect(reqwest::redirect::Policy::none());
        let builder = match &proxy {
            Some(proxy) => direct.proxy(proxy.for_everything()),
            None => direct,
        };
        let http = builder.build().expect("a process without certificates ends at its start");
        Self { http, names, proxy: proxy.map(Arc::new) }
    }

    /// The start of a request, for [`Self::send`].
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request, and returns the head of the answer. Before the client's time limits begin, it waits for the first
    /// address of the server's name, for 15 s at most.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, TransportError> {
        let request = request.build()?;
        let first_hop = self.proxy.as_deref().map_or(request.url(), ProxyUrl::url);
        if let Some(host) = host_name(first_hop) {
            self.names.wait_until_known(host).await?;
        }
        Ok(self.http.execute(request).await?)
    }
}

fn host_name(url: &Url) -> Option<&str> {
    match url.host()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// The same for a library that sends from a thread of its own, with this limit for a whole request and its look-up. Must be
/// called outside of an async runtime.
pub(crate) fn blocking_client(limit: Duration) -> blocking::Client {
    let names = ClientNames(NameResolver::system());
    let builder = blocking::Client::builder().no_proxy().dns_resolver(Arc::new(names)).timeout(limit);
    builder.build().expect("a process without certificates ends at its start")
}

/// Names, as the client library asks for them.
struct ClientNames(NameResolver);

impl Resolve for ClientNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let found = names.resolve(name.as_str()).await?;
            // The library puts in the port.
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
