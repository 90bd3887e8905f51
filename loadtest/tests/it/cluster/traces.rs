//! One trace from WeChat's delivery to the page, across two processes.

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use tokio::sync::mpsc;

use super::*;

/// The process of a span, and the span.
type ReceivedSpan = (String, Span);

/// A collector of traces, by OTLP over HTTP.
async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<ReceivedSpan>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let collect = move |body: Bytes| async move {
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(process)) = name.value.unwrap().value else { panic!() };
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                sender.send((process.clone(), span)).unwrap();
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(collect))).await });
    (address, receiver)
}

#[tokio::test]
async fn the_trace_of_a_delivery_ends_at_the_page() {
    let (collector, mut spans) = collector().await;
    let settings = format!("[telemetry]\notlp_endpoint = 'http://{collector}'\ntrace_share = 1.0\n");
    let mut cluster = Cluster::start_as(Setup { settings, ..Setup::default() }).await;
    let (mut page, opened) = open(&cluster, 0).await;
    scan(&cluster, 1, &opened).await;
    frame(&mut page, "confirmed").await;

    // A process sends its last spans when it exits.
    cluster.gateway(0).terminate();
    cluster.callback(0).terminate();
    cluster.gateway(0).ended().await;
    cluster.callback(0).ended().await;
    let mut received = vec![];
    while let Ok(span) = spans.try_recv() {
        received.push(span);
    }
    let named = |name: &str| {
        let found = received.iter().find(|(_, span)| span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {received:?}"))
    };
    let (delivery_from, delivery) = named("delivery");
    let (push_from, push) = named("push");
    assert_eq!((delivery_from.as_str(), push_from.as_str()), ("scenecast-callback", "scenecast-gateway"));
    assert_eq!(delivery.trace_id, push.trace_id);
    assert_eq!(delivery.span_id, push.parent_span_id);
}
