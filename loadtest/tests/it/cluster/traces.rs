//! One trace from WeChat's delivery to the page and the site, across two processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::Uri,
    response::Response,
    routing::{any, post},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Attribute},
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;

use super::*;

/// The trace context that comes with WeChat's message, and that a site sends. Neither is trusted to be a parent.
const FOREIGN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const FOREIGN_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Serves a router at an address of its own.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A collector of traces, by OTLP over HTTP. It has the bodies of all requests.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    async fn serve(&self) -> SocketAddr {
        let collect = async |State(Self(bodies)): State<Self>, body: Bytes| bodies.lock().push(body);
        serve(Router::new().route("/v1/traces", post(collect)).with_state(self.clone())).await
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().clone()
    }

    /// All spans, with what they are of.
    fn spans(&self) -> Vec<ReceivedSpan> {
        let requests = self.bodies().into_iter().map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let of_resource = |resource: opentelemetry_proto::tonic::trace::v1::ResourceSpans| {
            let process = attributes(&resource.resource.unwrap().attributes);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(|span| ReceivedSpan { process: process.clone(), span }).collect::<Vec<_>>()
        };
        resources.flat_map(of_resource).collect()
    }
}

#[derive(Debug, Clone)]
struct ReceivedSpan {
    process: BTreeMap<String, String>,
    span: Span,
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Attribute| match value {
        Attribute::StringValue(text) => text.clone(),
        Attribute::IntValue(number) => number.to_string(),
        Attribute::BoolValue(is) => is.to_string(),
        other => panic!("{other:?}"),
    };
    let read =
        |attribute: &KeyValue| (attribute.key.clone(), text(attribute.value.as_ref().unwrap().value.as_ref().unwrap()));
    let read: Vec<_> = attributes.iter().map(read).collect();
    let names: BTreeSet<_> = read.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), read.len(), "a name twice: {read:?}");
    read.into_iter().collect()
}

/// A proxy before the callback that adds a trace context to each request.
async fn tracing_proxy(callback: SocketAddr) -> SocketAddr {
    let forward = move |uri: Uri, request: Request| async move {
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        let url = format!("http://{callback}{}", uri.path_and_query().unwrap());
        let answer = reqwest::Client::new().post(url).header("traceparent", FOREIGN).body(body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(axum::body::Body::from(answer.bytes().await.unwrap()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    };
    serve(Router::new().fallback(any(forward))).await
}

fn traced(collector: SocketAddr, share: f64) -> Setup {
    Setup {
        settings: format!("[telemetry]\notlp_endpoint = 'http://{collector}'\ntrace_share = {share}\n"),
        environment: vec![(
            "OTEL_RESOURCE_ATTRIBUTES",
            "k8s.pod.name=pod-7f9c,k8s.namespace.name=scenecast,k8s.node.name=node-1".to_owned(),
        )],
        ..Setup::default()
    }
}

/// A process sends its last spans when it exits.
async fn end(cluster: &mut Cluster) {
    cluster.gateway(0).terminate();
    cluster.callback(0).terminate();
    cluster.gateway(0).ended().await;
    cluster.callback(0).ended().await;
}

/// The spans of one trace, by their names.
struct Tree<'a>(&'a [ReceivedSpan]);

impl Tree<'_> {
    /// The only span with this name and kind.
    #[track_caller]
    fn only(&self, name: &str, kind: SpanKind) -> &ReceivedSpan {
        let mut named = self.0.iter().filter(|span| span.span.name == name && span.span.kind() == kind);
        match (named.next(), named.next()) {
            (Some(span), None) => span,
            found => panic!("{name}: {found:?} in {:#?}", self.0),
        }
    }
}

#[track_caller]
fn is_child(child: &ReceivedSpan, parent: &ReceivedSpan) {
    assert_eq!(child.span.trace_id, parent.span.trace_id, "{child:?}\n{parent:?}");
    assert_eq!(child.span.parent_span_id, parent.span.span_id, "{child:?}\n{parent:?}");
    assert!(child.span.start_time_unix_nano <= child.span.end_time_unix_nano);
}

#[track_caller]
fn has(span: &ReceivedSpan, expected: &[(&str, &str)]) {
    let attributes = attributes(&span.span.attributes);
    let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(attributes, expected, "{}", span.span.name);
    assert_eq!(span.span.status.as_ref().map_or(StatusCode::Unset, Status::code), StatusCode::Unset);
}

fn server(address: SocketAddr) -> (String, String) {
    (address.ip().to_string(), address.port().to_string())
}

fn as_attributes((host, port): &(String, String)) -> [(&str, &str); 2] {
    [("server.address", host), ("server.port", port)]
}

fn linked(span: &ReceivedSpan) -> BTreeSet<String> {
    span.span.links.iter().map(|link| hex(&link.trace_id)).collect()
}

fn hex(bytes: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes.try_into().unwrap()))
}

#[tokio::test]
async fn a_login_is_one_trace_from_wechats_message_to_the_page_and_the_site() {
    let collector = Collector::default();
    let mut cluster = Cluster::start_as(traced(collector.serve().await, 1.0)).await;
    let proxy = tracing_proxy(cluster.callback_public(0)).await;
    let through_proxy = format!("http://{proxy}/wechat/demo").parse().unwrap();
    cluster.simulator.set_callbacks(&cluster.account, vec![through_proxy]).unwrap();
    let (mut page, opened) = open(&cluster, 0).await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    let confirmed = frame(&mut page, "confirmed").await;
    let url = format!("http://{}/v1/redeem", cluster.callback_internal(0));
    let body = json!({ "grant": confirmed.grant, "state": "the session's state" });
    let redeem = reqwest::Client::new().post(url).bearer_auth(API_KEY).header("traceparent", FOREIGN).json(&body);
    let redeemed: Value = redeem.send().await.unwrap().json().await.unwrap();
    let redis = server(cluster.redis.address());
    let internal = server(cluster.callback_internal(0));
    end(&mut cluster).await;

    let received = collector.spans();
    let tree = Tree(&received);
    let call = tree.only("POST /internal/scenes/open", SpanKind::Client);
    let opening = tree.only("POST /internal/scenes/open", SpanKind::Server);
    let open_script = tree.only("EVALSHA open", SpanKind::Client);
    let delivery = tree.only("POST /wechat/{account}", SpanKind::Server);
    let sending = tree.only("send wx:{scene}", SpanKind::Producer);
    let settling = tree.only("EVALSHA settle", SpanKind::Client);
    let processing = tree.only("process wx:{scene}", SpanKind::Consumer);
    let redeeming = tree.only("POST /v1/redeem", SpanKind::Server);
    assert_eq!(received.len(), 8, "{received:#?}");

    for root in [call, delivery] {
        assert!(root.span.parent_span_id.is_empty(), "{root:?}");
    }
    is_child(opening, call);
    is_child(open_script, opening);
    for (child, parent) in [(sending, delivery), (settling, sending), (processing, sending), (redeeming, delivery)] {
        is_child(child, parent);
    }
    let opened_in = hex(&call.span.trace_id);
    assert_eq!(linked(delivery), BTreeSet::from([FOREIGN_TRACE.to_owned(), opened_in]));
    assert_eq!(linked(redeeming), BTreeSet::from([FOREIGN_TRACE.to_owned()]));

    let scene = ("scenecast.scene", opened.scene.as_str());
    let post = ("http.request.method", "POST");
    let ok = ("http.response.status_code", "200");
    let scheme = ("url.scheme", "http");
    let path = |path| ("url.path", path);
    let route = |route| ("http.route", route);
    let outcome = |outcome| ("scenecast.outcome", outcome);
    let open_path = "/internal/scenes/open";
    has(call, &[&[post, path(open_path), ok, scene][..], &as_attributes(&internal)].concat());
    has(opening, &[post, route(open_path), path(open_path), scheme, ok, scene]);
    let account = [("scenecast.account", "demo"), ("scenecast.purpose", "scan"), outcome("logged_in")];
    has(
        delivery,
        &[&[post, route("/wechat/{account}"), path("/wechat/demo"), scheme, ok, scene][..], &account].concat(),
    );
    has(redeeming, &[post, route("/v1/redeem"), path("/v1/redeem"), scheme, ok, scene, outcome("redeemed")]);
    let script =
        |name| [("db.system.name", "redis"), ("db.operation.name", "EVALSHA"), ("db.stored_procedure.name", name)];
    has(open_script, &script("open"));
    has(settling, &[&script("settle")[..], &as_attributes(&redis)].concat());
    let channel = format!("wx:{}", opened.scene);
    let message = |operation| {
        [
            ("messaging.system", "redis"),
            ("messaging.operation.name", operation),
            ("messaging.operation.type", operation),
            ("messaging.destination.name", channel.as_str()),
            ("messaging.destination.template", "wx:{scene}"),
            ("messaging.destination.temporary", "true"),
            scene,
        ]
    };
    has(sending, &[&message("send")[..], &[outcome("applied")]].concat());
    has(processing, &[&message("process")[..], &[("scenecast.handover", "live")]].concat());

    for span in &received {
        let is_gateway = [call, processing].iter().any(|gateway| gateway.span.span_id == span.span.span_id);
        let name = if is_gateway { "scenecast-gateway" } else { "scenecast-callback" };
        assert_eq!(span.process["service.name"], name, "{span:?}");
        assert_eq!(span.process["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&*span.process["k8s.pod.name"], &*span.process["k8s.namespace.name"]), ("pod-7f9c", "scenecast"));
        assert!(!span.span.name.contains(&opened.scene));
    }
    names_nobody(&collector, &redeemed, &confirmed);
}

/// Nothing that was sent says who has logged in.
fn names_nobody(collector: &Collector, redeemed: &Value, confirmed: &PageFrame) {
    let text =
        |pointer: &str| redeemed.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{redeemed}"));
    let who = ["/openid", "/unionid", "/profile/name"].map(text);
    for secret in who.into_iter().chain([confirmed.grant.as_str(), "the session's state", API_KEY]) {
        assert!(secret.len() > 3, "{secret}");
        for body in collector.bodies() {
            let has_it = body.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!has_it, "{secret} is in the traces");
        }
    }
}

#[tokio::test]
async fn of_a_login_that_is_not_traced_nothing_is_sent() {
    let collector = Collector::default();
    let mut cluster = Cluster::start_as(traced(collector.serve().await, 0.0)).await;
    let (mut page, opened) = open(&cluster, 0).await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
    let key = format!("wx:{}", opened.scene);
    let stored = cluster.redis.cli(&["HGETALL", &key]).await.unwrap();
    assert!(!stored.contains("trace"), "{stored}");
    end(&mut cluster).await;
    assert_eq!(collector.bodies().len(), 0);
}
