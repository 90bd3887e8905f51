//! Connections that end while a call is on its way.

use scenecast_metrics::Metrics;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

#[derive(Debug, Deserialize)]
struct ConnectionNumber {
    connection: u32,
}

/// What becomes of a connection once a second call came on it.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Closed,
    Reset,
    /// An answer begins, and never ends.
    CutShort,
}

/// A server that answers the first call on each connection, and ends the first connection at its second call.
async fn server(ending: Ending) -> HttpUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let body = format!("{{\"connection\":{connection}}}");
            read_call(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            if connection == 0 {
                tokio::spawn(end_at_next_call(stream, ending));
            } else {
                tokio::spawn(async move { read_call(&mut stream).await });
            }
        }
    });
    url
}

async fn read_call(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") && stream.read_buf(&mut read).await.unwrap() > 0 {}
}

async fn end_at_next_call(mut stream: TcpStream, ending: Ending) {
    match ending {
        Ending::Closed => read_call(&mut stream).await,
        // What was not read when a connection is closed resets it.
        Ending::Reset => stream.readable().await.unwrap(),
        Ending::CutShort => {
            read_call(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").await.unwrap();
        }
    }
}

fn user_info() -> ApiCall<ConnectionNumber> {
    ApiCall {
        path: "/cgi-bin/user/info",
        subject: CallSubject::Person,
        query: vec![],
        body: None,
        format: ResponseFormat::JSON,
    }
}

async fn second_call(ending: Ending) -> Result<ConnectionNumber, CallError> {
    let calls = Metrics::new().counter_vec("calls", "Calls.", &["call", "result"]);
    let client = WechatClient::new(server(ending).await, NameResolver::system(), None, calls);
    let ask = user_info();
    assert_eq!(client.send(&ask, None).await.unwrap().connection, 0);
    client.send(&ask, None).await
}

#[tokio::test]
async fn a_call_on_a_kept_connection_that_wechat_has_ended_is_repeated_on_a_new_one() {
    for ending in [Ending::Closed, Ending::Reset] {
        assert_eq!(second_call(ending).await.unwrap().connection, 1, "{ending:?}");
    }
}

#[tokio::test]
async fn a_call_whose_answer_began_is_not_repeated() {
    assert!(matches!(second_call(Ending::CutShort).await, Err(CallError::Unreachable(_))));
}

/// A server that answers one call, and then waits until its connection is closed.
async fn server_that_keeps_its_connection() -> (HttpUrl, tokio::sync::oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
    let (tell, closed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_call(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"connection\":0}").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "no second call");
        tell.send(()).unwrap();
    });
    (url, closed)
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_before_wechat_closes_it() {
    let (url, closed) = server_that_keeps_its_connection().await;
    let calls = Metrics::new().counter_vec("calls", "Calls.", &["call", "result"]);
    let client = WechatClient::new(url, NameResolver::system(), None, calls);
    client.send(&user_info(), None).await.unwrap();
    tokio::time::pause();
    let unused_since = tokio::time::Instant::now();
    closed.await.unwrap();
    let kept = unused_since.elapsed();
    assert!(kept >= IDLE_TIMEOUT && kept < 3 * IDLE_TIMEOUT, "{kept:?}");
}
