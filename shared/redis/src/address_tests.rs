use super::*;

fn parse(text: &str) -> RedisAddress {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn nodes(nodes: &[(&str, u16)]) -> Vec<Server> {
    nodes.iter().map(|(host, port)| Server::new(*host, *port)).collect()
}

#[test]
fn each_layout_has_its_scheme() {
    assert_eq!(parse("redis://r").layout(), &Layout::Independent(nodes(&[("r", 6379)])));
    assert_eq!(parse("redis://[::1]:7000/3").layout(), &Layout::Independent(nodes(&[("::1", 7000)])));
    let layout = |sentinels| Layout::Sentinel { sentinels, service: "mymaster".to_owned() };
    let sentinel = parse("redis-sentinel://s-1?node=s-2:26380&sentinelServiceName=mymaster");
    assert_eq!(sentinel.layout(), &layout(nodes(&[("s-2", 26380), ("s-1", 26379)])));
    let seeds = nodes(&[("c-1", 7001), ("c-2", 7002)]);
    assert_eq!(parse("redis-cluster://c-2:7002?node=c-1:7001").layout(), &Layout::Cluster { seeds });
    let shards = nodes(&[("a", 1), ("b", 1), ("c", 1)]);
    for text in ["redis-shards://b:1?node=c:1&node=a:1", "redis-shards://a:1?node=a:1&node=b:1&node=c:1"] {
        assert_eq!(parse(text).layout(), &Layout::Independent(shards.clone()), "{text}");
    }
}

#[test]
fn redis_and_sentinels_each_get_their_own_user_and_password() {
    let address =
        parse("redis-sentinel://ann:a%20b@s:1/2?sentinelServiceName=m&sentinelUsername=watch&sentinelPassword=c%2Fd");
    let node = Server::new("r", 1);
    let redis = address.config(&node);
    let sentinel = address.sentinel_config(&node);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((redis.username, redis.password, redis.database), (text("ann"), text("a b"), Some(2)));
    assert_eq!((sentinel.username, sentinel.password, sentinel.database), (text("watch"), text("c/d"), None));
    assert_eq!(redis.server, ServerConfig::Centralized { server: node });
}

#[test]
fn a_password_is_percent_decoded() {
    for (written, password) in
        [("it's%20%22so%22%5C", "it's \"so\"\\"), ("p%C3%A4ss", "päss"), ("a%2Fb%40c%3Ad%25e&f=g+h", "a/b@c:d%e&f=g+h")]
    {
        for layout in ["redis://u:PASS@r", "redis-cluster://u:PASS@c:1?node=d:1"] {
            let address = parse(&layout.replace("PASS", written));
            assert_eq!(address.config(&Server::new("r", 1)).password.as_deref(), Some(password), "{layout}");
        }
    }
}

#[test]
fn an_ipv6_address_may_be_anywhere() {
    let sentinels = nodes(&[("fd00::2", 26379), ("fd00::3", 26380), ("fd00::1", 26379)]);
    let url = "redis-sentinel://[fd00::1]?node=[fd00::2]:26379&node=%5Bfd00::3%5D:26380&sentinelServiceName=m";
    assert_eq!(parse(url).layout(), &Layout::Sentinel { sentinels, service: "m".to_owned() });
    let seeds = nodes(&[("10.0.0.1", 7003), ("c-1", 7002), ("fd00::1", 7001)]);
    let url = "redis-cluster://[fd00::1]:7001?node=c-1:7002&node=10.0.0.1:7003";
    assert_eq!(parse(url).layout(), &Layout::Cluster { seeds });
    let shards = nodes(&[("fd00::1", 1), ("fd00::2", 1)]);
    assert_eq!(parse("redis-shards://[fd00::2]:1?node=[fd00::1]:1").layout(), &Layout::Independent(shards));
}

#[test]
fn servers_and_sentinels_are_reached_over_tls_alike_unless_it_says_otherwise() {
    for (text, redis, sentinels) in [
        ("redis://r", false, false),
        ("rediss://r", true, true),
        ("rediss-sentinel://s?sentinelServiceName=m", true, true),
        ("rediss-sentinel://s?sentinelServiceName=m&sentinelTls=false", true, false),
        ("rediss-sentinel://s?sentinelServiceName=m&sentinelTls=true", true, true),
        ("redis-sentinel://s?sentinelTls=true&sentinelServiceName=m", false, true),
        ("rediss-cluster://c", true, true),
        ("rediss-shards://a?node=b:1", true, true),
        ("redis-cluster://c", false, false),
    ] {
        let address = parse(text);
        let node = Server::new("r", 1);
        let configs = [address.config(&node), address.sentinel_config(&node)];
        assert_eq!(configs.map(|config| config.tls.is_some()), [redis, sentinels], "{text}");
    }
}

#[test]
fn an_invalid_address_is_refused_and_the_error_does_not_contain_it() {
    for text in [
        "",
        "memory:",
        "redis:",
        "redis://",
        "http://secret",
        "redisss://secret",
        "redis-ring://secret",
        "redis://secret:port",
        "redis://r/secret",
        "redis://r?node=secret:1",
        "redis://r#secret",
        "redis-sentinel://s:1?node=secret:1",
        "redis-sentinel://s:1?sentinelServiceName=m&password=secret",
        "redis-cluster://c:1/2?node=secret:1",
        "redis-cluster://c:1?node=secret",
        "redis-cluster://c:1?node=:1",
        "redis-cluster://c:1?node=[secret]:1",
        "redis-cluster://c:1?node=fd00::1:7000",
        "redis-cluster://c:1?node=[fd00::1]",
        "redis-cluster://c:1?node=u:secret@c:1",
        "redis-cluster://c:1?sentinelTls=true",
        "redis-sentinel://s:1?sentinelServiceName=m&sentinelTls=secret",
        "redis-sentinel://s:1?sentinelServiceName=m&sentinelPassword=",
        "redis-sentinel://s:1?sentinelServiceName=m&sentinelUsername=secret",
        "redis-shards://c:1/1",
        "redis://callback:@r",
        "rediss://callback@r",
        "redis-sentinel://callback:@s:1?sentinelServiceName=m",
        "redis-cluster://callback:@c:1",
        "redis-shards://callback:@c:1",
    ] {
        let error = text.parse::<RedisAddress>().map(drop).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{text}: {error}");
    }
    assert_eq!(format!("{:?}", parse("redis://ann:secret@r")), "redis://…");
}

#[test]
fn a_ca_file_is_refused_if_it_is_missing_has_no_certificate_or_tls_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let trusting = |text: &str| parse(text).trusting(&file).map(drop).unwrap_err();
    assert!(trusting("rediss://r").contains("No such file"));
    std::fs::write(&file, "no certificate").unwrap();
    assert!(trusting("rediss://r").contains("certificate"));
    assert!(trusting("redis://r").contains("rediss"));
}

#[test]
fn each_mistake_in_an_address_is_named_by_its_part() {
    use RedisAddressError::*;
    let sentinel = "redis-sentinel://s?sentinelServiceName=m";
    for (text, expected) in [
        ("", Scheme),
        ("localhost:6379", Scheme),
        ("redis:6379", Scheme),
        ("http://redis:6379", Scheme),
        ("valkey://redis", Scheme),
        ("Redis://redis", Scheme),
        ("redis+tls://redis", Scheme),
        ("redis-sentinels://redis", Scheme),
        ("memory:", Memory),
        ("redis://", NoHost),
        ("redis://:6379", NoHost),
        ("redis://u:hush@", NoHost),
        ("redis://u:hush@:6379", NoHost),
        ("redis://u:hush@/0", NoHost),
        ("redis:///0", NoHost),
        ("redis://re dis", Host),
        ("redis://[hush]", Host),
        ("redis://[::1", Host),
        ("redis://a:1,b:2", Port),
        ("redis://a,b:2", SeveralHosts),
        ("redis-sentinel://u:hush@a,b,c:26379?sentinelServiceName=m", SeveralHosts),
        ("redis://redis:port", Port),
        ("redis://redis:0", Port),
        ("redis://redis:65536", Port),
        ("redis://redis:6379:6380", Port),
        ("redis://redis:-1", Port),
        ("redis://fd00::1:6379", Port),
        ("redis://u:hush", Port),
        ("redis://u:hu/sh@redis:6379", RawDelimiter),
        ("redis://u:12/hush@redis:6379", RawDelimiter),
        ("redis://u:hu?sh@redis:6379", RawDelimiter),
        ("redis://u:hu#sh@redis:6379", RawDelimiter),
        ("redis://:/hush@redis", RawDelimiter),
        ("redis://u:hu@sh/hush@redis", RawDelimiter),
        ("redis-sentinel://u:hu/sh@s?sentinelServiceName=m", RawDelimiter),
        ("redis-sentinel://u:hu?sh@s?sentinelServiceName=m", RawDelimiter),
        ("redis://u:100%Et@redis", PercentEncoding),
        ("redis://u:hush%@redis", PercentEncoding),
        ("redis://u:hush%2@redis", PercentEncoding),
        ("redis://u:hush%E4@redis", PercentEncoding),
        ("redis://u%zz:hush@redis", PercentEncoding),
        (&format!("{sentinel}&sentinelPassword=hush%zz"), PercentEncoding),
        ("redis://redis#hush", Fragment),
        ("redis://redis/0#", Fragment),
        (&format!("{sentinel}&sentinelPassword=hu#sh"), Fragment),
        ("redis://redis/hush", Database),
        ("redis://redis/256", Database),
        ("redis://redis/-1", Database),
        ("redis://redis/0/1", Database),
        ("redis://redis/db0", Database),
        ("redis-cluster://c/1", NoDatabases),
        ("redis-shards://c/1", NoDatabases),
        ("redis-sentinel://s", NoServiceName),
        ("redis-sentinel://s?sentinelServiceName=", NoServiceName),
        (&format!("{sentinel}&sentinelServiceName=n"), RepeatedParameter("sentinelServiceName")),
        (&format!("{sentinel}&sentinelTls=hush"), SentinelTls),
        ("redis-cluster://c?node=hush", Node),
        ("redis-cluster://c?node=hush:0", Node),
        ("redis-cluster://c?node=hush:1&node=", Node),
        ("redis://u@redis", NoPassword),
        ("redis://u:@redis", NoPassword),
        (&format!("{sentinel}&sentinelPassword="), NoSentinelPassword),
        (&format!("{sentinel}&sentinelUsername=hush"), NoSentinelPassword),
        (&format!("{sentinel}&sentinelPassword=hu+sh"), Plus),
        (&format!("{sentinel}&sentinelUsername=hu+sh&sentinelPassword=p"), Plus),
    ] {
        let error = text.parse::<RedisAddress>().map(drop).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("hush"), "{text}: {error}");
    }
}

#[test]
fn an_unknown_parameter_is_named_unless_it_may_be_a_part_of_a_password() {
    for (text, said) in [
        ("redis://redis?timeout=hush", "has no parameter timeout here; redis:// takes none"),
        ("redis://redis?node=hush:1", "has no parameter node here; redis:// takes none; other layouts have their own"),
        ("redis-cluster://c?sentinelTls=true", "has no parameter sentinelTls here; there are node"),
        (
            "redis-sentinel://s?sentinelservicename=hush",
            "has no parameter sentinelservicename here; there are node, sent",
        ),
        (
            "redis-sentinel://s?sentinelServiceName=m&sentinelPassword=a&hush",
            "has no parameter of such a name (a & in a",
        ),
        (
            "redis-sentinel://s?sentinelServiceName=m&sentinelPassword=a&hush=b",
            "has no parameter of such a name (a & in",
        ),
        ("redis://redis?9hush", "has no parameter of such a name"),
    ] {
        let error = text.parse::<RedisAddress>().map(drop).unwrap_err().to_string();
        assert!(error.starts_with(said) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn what_is_odd_and_right_is_read() {
    let password = |text: &str| parse(text).config(&Server::new("r", 1)).password.unwrap();
    assert_eq!(password("redis://u:a@b@redis"), "a@b");
    assert_eq!(password("redis://u:a:b@redis:"), "a:b");
    assert_eq!(password("redis://:a+b&c=d@redis/15"), "a+b&c=d");
    let sentinels = parse("redis-sentinel://s?sentinelServiceName=m&sentinelPassword=a@b%2B/c?d");
    assert_eq!(sentinels.sentinel_config(&Server::new("r", 1)).password.as_deref(), Some("a@b+/c?d"));
}
