//! Whose request it is: honest proxies, careless ones, and clients that invent hops.

use axum::http::HeaderValue;
use scenecast_testing::LogText;

use super::*;
use crate::admission::rate_limit::AddressRateLimit;

const UNREADABLE: [&[u8]; 15] = [
    b"",
    b"unknown",
    b"_obfuscated",
    b"nonsense",
    b"\xff",
    b"\xe4\xbd\xa0",
    b"1.2.3.4\xff",
    b"1.2.3.4:nonsense",
    b"1.2.3.4:99999",
    b"1.2.3",
    b"[1.2.3.4]",
    b"1.2.3.4%eth0",
    b"[2001:db8::1",
    b"\"1.2.3.4",
    b"for=1.2.3.4",
];

fn proxies() -> TrustedProxies {
    serde_json::from_str(r#"["10.0.0.0/8", "127.0.0.1", "fd00::/8"]"#).unwrap()
}

fn client_of(peer: &str, lines: &[&[u8]]) -> ClientAddress {
    let headers = lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap())).collect();
    proxies().client(peer.parse().unwrap(), &headers)
}

fn known(address: &str) -> ClientAddress {
    ClientAddress::Known(address.parse().unwrap())
}

fn unreadable(proxy: &str) -> ClientAddress {
    ClientAddress::Unreadable { proxy: proxy.parse().unwrap() }
}

#[test]
fn only_trusted_proxies_can_forward_an_address() {
    for (peer, lines, expected) in [
        ("203.0.113.9", &[][..], "203.0.113.9"),
        ("203.0.113.9", &[&b"1.2.3.4"[..]], "203.0.113.9"),
        ("203.0.113.9", &[b"\xff"], "203.0.113.9"),
        ("10.1.2.3", &[b"1.2.3.4"], "1.2.3.4"),
        ("10.1.2.3", &[b"6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.1.2.3", &[b"6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        ("10.1.2.3", &[b"1.2.3.4", b"10.9.9.9"], "1.2.3.4"),
        ("10.1.2.3", &[b"6.6.6.6", b"1.2.3.4"], "1.2.3.4"),
        ("10.1.2.3", &[b"10.9.9.9, 192.168.1.5"], "192.168.1.5"),
        ("::ffff:10.1.2.3", &[b"2001:db8::1"], "2001:db8::1"),
        ("fd00::1", &[b"::ffff:1.2.3.4"], "1.2.3.4"),
    ] {
        assert_eq!(client_of(peer, lines), known(expected), "{peer} {lines:?}");
    }
}

#[test]
fn an_address_is_read_in_every_form_that_proxies_write() {
    for (hop, expected) in [
        (&b"1.2.3.4:50000"[..], "1.2.3.4"),
        (b"\"1.2.3.4:50000\"", "1.2.3.4"),
        (b"\"1.2.3.4\"", "1.2.3.4"),
        (b"\t1.2.3.4 ", "1.2.3.4"),
        (b"2001:DB8::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"[2001:db8::1]:50000", "2001:db8::1"),
        (b"\"[2001:db8::1]\"", "2001:db8::1"),
        (b"\"[2001:db8::1]:50000\"", "2001:db8::1"),
        (b"[::ffff:1.2.3.4]", "1.2.3.4"),
        (b"fe80::1%eth0", "fe80::1"),
        (b"[fe80::1%25eth0]", "fe80::1"),
    ] {
        assert_eq!(client_of("10.1.2.3", &[hop]), known(expected), "{}", hop.escape_ascii());
    }
}

#[test]
fn what_a_client_writes_before_its_own_address_changes_nothing() {
    for invented in UNREADABLE {
        let line = [invented, b", 1.2.3.4"].concat();
        assert_eq!(client_of("10.1.2.3", &[&line]), known("1.2.3.4"), "{}", line.escape_ascii());
        let through_two = [&line[..], b", 10.9.9.9"].concat();
        assert_eq!(client_of("10.1.2.3", &[&through_two]), known("1.2.3.4"), "{}", line.escape_ascii());
        assert_eq!(client_of("10.1.2.3", &[invented, b"1.2.3.4"]), known("1.2.3.4"), "{}", line.escape_ascii());
    }
}

#[test]
fn a_client_that_a_proxy_forwards_unreadably_is_none_that_is_known() {
    for hop in UNREADABLE {
        assert_eq!(client_of("10.1.2.3", &[hop]), unreadable("10.1.2.3"), "{}", hop.escape_ascii());
        let invented = [b"6.6.6.6, ", hop].concat();
        assert_eq!(client_of("10.1.2.3", &[&invented]), unreadable("10.1.2.3"), "{}", hop.escape_ascii());
        let through_two = [hop, b", 10.9.9.9"].concat();
        assert_eq!(client_of("10.1.2.3", &[&through_two]), unreadable("10.9.9.9"), "{}", hop.escape_ascii());
    }
    let endless = [&b"1.2.3.4"[..], &b", 10.9.9.9".repeat(MAX_PROXIES + 1)].concat();
    assert_eq!(client_of("10.1.2.3", &[&endless]), unreadable("10.9.9.9"));
    assert_eq!(unreadable("10.1.2.3").known(), None, "a phone isn't told the proxy's address");
}

#[test]
fn a_chain_of_trusted_proxies_alone_has_no_client() {
    for (lines, last) in
        [(&[][..], "10.1.2.3"), (&[&b"10.9.9.9"[..]], "10.9.9.9"), (&[b"fd00::7, 10.9.9.9"], "fd00::7")]
    {
        let client = client_of("10.1.2.3", lines);
        assert_eq!(client, ClientAddress::Proxy(last.parse().unwrap()), "{lines:?}");
        assert_eq!(client.known(), None);
    }
}

#[test]
fn headers_of_other_proxies_are_not_read() {
    for (name, value) in [("forwarded", "for=1.2.3.4"), ("x-real-ip", "1.2.3.4"), ("cf-connecting-ip", "1.2.3.4")] {
        let headers = HeaderMap::from_iter([(name.parse::<HeaderName>().unwrap(), value.parse().unwrap())]);
        let peer = "10.1.2.3".parse().unwrap();
        assert_eq!(proxies().client(peer, &headers), ClientAddress::Proxy(peer), "{name}");
    }
}

#[test]
fn unreadable_clients_are_limited_as_one_client_for_each_proxy() {
    let rate = AddressRateLimit::per_minute(2);
    for proxy in ["10.1.2.3", "10.9.9.9", "fd00::1", "fd00:1::1"] {
        let checked = [(); 3].map(|()| rate.check(unreadable(proxy).limited_as()).is_ok());
        assert_eq!(checked, [true, true, false], "{proxy}");
    }
    assert_eq!(known("203.0.113.9").limited_as(), "203.0.113.9".parse::<IpAddr>().unwrap());
}

#[test]
fn the_log_says_which_proxy_forwards_what_at_most_once_a_second() {
    let log = LogText::default();
    tracing::subscriber::with_default(log.subscriber(), || {
        // Another test may have used up this second's line.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while log.text().is_empty() && std::time::Instant::now() < until {
            client_of("10.1.2.3", &[b"un\xff\"known"]);
        }
        for _ in 0..100 {
            client_of("10.1.2.3", &[b"unknown"]);
        }
    });
    let log = log.text();
    assert!(log.contains("proxy=10.1.2.3") && log.contains(r#"forwarded=un\xff\"known"#), "{log}");
    assert!((1..10).contains(&log.lines().count()), "{log}");
}

#[test]
fn any_header_is_read_without_believing_an_untrusted_peer() {
    bolero::check!().for_each(|line: &[u8]| {
        if HeaderValue::from_bytes(line).is_ok() {
            assert_eq!(client_of("203.0.113.9", &[line]), known("203.0.113.9"));
            let appended = [line, b", 1.2.3.4"].concat();
            assert_eq!(client_of("10.1.2.3", &[&appended]), known("1.2.3.4"));
        }
    });
}

#[test]
fn only_a_trusted_proxy_can_forward_https() {
    for (peer, forwarded, expected) in [
        ("10.1.2.3", Some("https"), true),
        ("10.1.2.3", Some("wss"), true),
        ("::ffff:10.1.2.3", Some("HTTPS, http"), true),
        ("10.1.2.3", Some("http, https"), false),
        ("10.1.2.3", Some("ws"), false),
        ("10.1.2.3", Some(""), false),
        ("10.1.2.3", None, false),
        ("203.0.113.9", Some("https"), false),
    ] {
        let headers = forwarded.iter().map(|value| (FORWARDED_PROTO, value.parse().unwrap())).collect();
        assert_eq!(proxies().forwards_https(peer.parse().unwrap(), &headers), expected, "{peer} {forwarded:?}");
    }
}

#[test]
fn a_network_in_which_clients_are_is_not_trusted() {
    let read = |written: &str| serde_json::from_value::<TrustedProxies>(written.into());
    for written in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.1/0",
        "0.0.0.0/1, 128.0.0.0/1",
        "10.0.0.0/8, 11.0.0.0/8",
        "10.0.0.0/7",
        "2000::/3",
        "2a00::/12",
        "::/1, 8000::/1",
        "::ffff:10.0.0.0/104",
        "::ffff:10.1.2.3",
    ] {
        assert!(read(written).is_err(), "{written}");
    }
    for written in
        ["10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "fc00::/7", "fe80::/10", "104.16.0.0/13", "2606:4700::/32"]
    {
        assert!(read(written).is_ok(), "{written}");
    }
}
