//! Real traffic through load balancers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::back_end::BackEnd;
use testbed::cloud::{CloudSimulatorOptions, Protocol, State, Verb};
use testbed::loopback::LoopbackRange;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::{Cloud, DEADLINE, until, wanted, with};

const NODE_PORT: u16 = 30_080;

/// A cloud with traffic, and addresses for its Nodes.
struct Site {
    cloud: Cloud,
    range: LoopbackRange,
}

impl Site {
    async fn start() -> Self {
        let options = CloudSimulatorOptions {
            health_check_period: Duration::from_millis(50),
            ..CloudSimulatorOptions::named("cloud1")
        };
        Self {
            cloud: Cloud::start(options).await,
            range: LoopbackRange::claim().expect("a range"),
        }
    }

    fn node(&self, number: u16) -> IpAddr {
        self.range.address(number).into()
    }

    /// A back end on this Node that says `n` and the number.
    async fn back_end(&self, number: u16, protocol: Protocol) -> BackEnd {
        let says = format!("n{number}");
        let started = BackEnd::start(self.node(number), NODE_PORT, protocol, says);
        started.await.expect("a back end")
    }

    fn wanted(&self, nodes: std::ops::RangeInclusive<u16>, fields: Value) -> Value {
        let nodes: Vec<IpAddr> = nodes.map(|number| self.node(number)).collect();
        with(with(wanted("web", "u1"), json!({ "nodes": nodes })), fields)
    }

    /// Creates a load balancer and gives its id and its address with port 80.
    async fn create(&self, body: &Value) -> (String, SocketAddr) {
        let answer = self.cloud.call(Verb::Create, body).await;
        assert_eq!(answer.text("state"), "active", "{}", answer.text);
        let ip: IpAddr = answer.text("ip").parse().expect("an address");
        (answer.text("lbId"), SocketAddr::new(ip, 80))
    }

    async fn update(&self, id: &str, body: Value) {
        let answer = self
            .cloud
            .call(Verb::Update, &with(body, json!({ "lbId": id })))
            .await;
        assert_eq!(
            (answer.text("err"), answer.text("state")),
            (String::new(), "active".into())
        );
    }
}

/// Connects from this address, asks, and gives the open connection and the answer.
async fn ask_from(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<(TcpStream, String)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(to).await?;
    let says = ask_again(&mut stream).await?;
    Ok((stream, says))
}

/// One HTTP request on an open connection; gives the line that came back.
async fn ask_again(stream: &mut TcpStream) -> std::io::Result<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        .await?;
    let mut answer = String::new();
    let mut chunk = [0; 1024];
    loop {
        let length = stream.read(&mut chunk).await?;
        answer.push_str(&String::from_utf8_lossy(&chunk[..length]));
        match answer.split_once("\r\n\r\n") {
            Some((_, body)) if body.ends_with('\n') => return Ok(body.trim_end().to_owned()),
            _ if length == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// One request on a connection of its own.
async fn ask(to: SocketAddr) -> std::io::Result<String> {
    Ok(ask_from(Ipv4Addr::LOCALHOST, to).await?.1)
}

/// How often each back end answers so many requests.
async fn tally(to: SocketAddr, requests: usize) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..requests {
        *tally.entry(ask(to).await.expect("an answer")).or_default() += 1;
    }
    tally
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(says, count)| (says.to_owned(), count)).into()
}

#[tokio::test]
async fn round_robin_reaches_all_back_ends_in_turn() {
    let site = Site::start().await;
    let (one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let (_, web) = site.create(&site.wanted(1..=2, json!({}))).await;
    assert_eq!(tally(web, 10).await, counts([("n1", 5), ("n2", 5)]));
    assert_eq!(one.answered(), 5);
}

#[tokio::test]
async fn low_ports_can_be_elsewhere_for_users_who_may_not_take_them() {
    const OFFSET: u16 = 20_000;
    let options = CloudSimulatorOptions {
        low_port_offset: OFFSET,
        ..CloudSimulatorOptions::named("cloud1")
    };
    let site = Site {
        cloud: Cloud::start(options).await,
        range: LoopbackRange::claim().expect("a range"),
    };
    let _one = site.back_end(1, Protocol::Tcp).await;
    let listeners = json!([
        { "protocol": "TCP", "port": 80, "nodePort": NODE_PORT },
        { "protocol": "TCP", "port": 8443, "nodePort": NODE_PORT },
    ]);
    let wanted = site.wanted(1..=1, json!({ "listeners": listeners }));
    let (_, low) = site.create(&wanted).await;
    let at = |port| SocketAddr::new(low.ip(), port);
    assert_eq!(ask(at(80 + OFFSET)).await.expect("an answer"), "n1");
    assert_eq!(ask(at(8443)).await.expect("an answer"), "n1");
    assert!(ask(low).await.is_err());
}

#[tokio::test]
async fn least_connections_fills_the_back_end_that_has_become_idle() {
    let site = Site::start().await;
    let (_one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let fields = json!({ "algorithm": "least-connections" });
    let (_, web) = site.create(&site.wanted(1..=2, fields)).await;
    let open = async || ask_from(Ipv4Addr::LOCALHOST, web).await.expect("an answer");
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(open().await);
    }
    held.retain(|(_, says)| says == "n2");
    assert_eq!(held.len(), 3, "both had the same number");
    // The ends of the others count once the forwarder has seen them.
    until("n1 gets two connections in a row", async || {
        let (first, second) = (open().await, open().await);
        (first.1 == "n1" && second.1 == "n1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn source_hash_sends_a_client_to_one_back_end() {
    let site = Site::start().await;
    let (_one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let (_, web) = site
        .create(&site.wanted(1..=2, json!({ "algorithm": "source-hash" })))
        .await;
    let mut seen = BTreeMap::new();
    for client in 1..=16 {
        let source = Ipv4Addr::new(127, 0, 1, client);
        let (_, says) = ask_from(source, web).await.expect("an answer");
        let (_, again) = ask_from(source, web).await.expect("an answer");
        assert_eq!(says, again, "{source}");
        *seen.entry(says).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "16 clients are spread: {seen:?}");
}

#[tokio::test]
async fn a_dead_back_end_is_skipped_and_comes_back() {
    let site = Site::start().await;
    let (one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let (_, web) = site.create(&site.wanted(1..=2, json!({}))).await;
    assert_eq!(tally(web, 2).await, counts([("n1", 1), ("n2", 1)]));
    one.stop().await;
    assert_eq!(tally(web, 6).await, counts([("n2", 6)]), "no request fails");
    let _one = site.back_end(1, Protocol::Tcp).await;
    until("n1 serves again", async || {
        (ask(web).await.ok()? == "n1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn update_moves_traffic_and_keeps_open_connections() {
    let site = Site::start().await;
    let (_one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let (id, web) = site.create(&site.wanted(1..=1, json!({}))).await;
    let (mut open, says) = ask_from(Ipv4Addr::LOCALHOST, web).await.expect("an answer");
    assert_eq!(says, "n1");
    site.update(&id, site.wanted(2..=2, json!({}))).await;
    assert_eq!(tally(web, 4).await, counts([("n2", 4)]));
    assert_eq!(ask_again(&mut open).await.expect("still open"), "n1");

    let listeners = json!([{ "port": 81, "nodePort": NODE_PORT }]);
    let moved = site.wanted(2..=2, json!({ "listeners": listeners, "port": 81 }));
    site.update(&id, moved).await;
    assert!(ask(web).await.is_err(), "port 80 is closed");
    assert_eq!(
        ask(SocketAddr::new(web.ip(), 81)).await.expect("port 81"),
        "n2"
    );
    assert_eq!(ask_again(&mut open).await.expect("still open"), "n1");
}

#[tokio::test]
async fn delete_closes_the_ports_and_the_connections() {
    let site = Site::start().await;
    let _one = site.back_end(1, Protocol::Tcp).await;
    let (id, web) = site.create(&site.wanted(1..=1, json!({}))).await;
    let (mut open, _) = ask_from(Ipv4Addr::LOCALHOST, web).await.expect("an answer");
    assert_eq!(
        site.cloud
            .call(Verb::Delete, &json!({ "lbId": id }))
            .await
            .text("err"),
        ""
    );
    TcpListener::bind(web)
        .await
        .expect("the port is free once delete is answered");
    let ended = tokio::time::timeout(DEADLINE, ask_again(&mut open)).await;
    assert!(ended.expect("an end").is_err(), "the connection is cut");
}

#[tokio::test]
async fn source_ranges_let_in_only_their_clients() {
    let site = Site::start().await;
    let (_tcp, _udp) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(1, Protocol::Udp).await,
    );
    let listeners = json!([
        { "port": 80, "nodePort": NODE_PORT },
        { "port": 80, "nodePort": NODE_PORT, "protocol": "UDP" },
    ]);
    let body = site.wanted(
        1..=1,
        json!({ "sourceRanges": ["127.0.2.0/24"], "listeners": listeners }),
    );
    let (_, web) = site.create(&body).await;
    let inside = Ipv4Addr::new(127, 0, 2, 1);
    let outside = Ipv4Addr::new(127, 0, 3, 1);
    assert_eq!(ask_from(inside, web).await.expect("let in").1, "n1");
    assert!(ask_from(outside, web).await.is_err());
    let (dropped, let_in) = (client(outside).await, client(inside).await);
    dropped.send_to(b"?", web).await.expect("sent");
    // Answered later than the first would have been.
    assert_eq!(datagram(&let_in, web).await, "n1");
    assert!(dropped.try_recv(&mut [0; 8]).is_err());
}

async fn client(source: Ipv4Addr) -> UdpSocket {
    UdpSocket::bind((source, 0)).await.expect("a socket")
}

/// Sends datagrams until one is answered: UDP promises nothing.
async fn datagram(client: &UdpSocket, to: SocketAddr) -> String {
    let mut answer = [0; 64];
    until("a datagram is answered", async || {
        client.send_to(b"?", to).await.expect("sent");
        let patience = Duration::from_millis(200);
        let received = tokio::time::timeout(patience, client.recv(&mut answer)).await;
        let length = received.ok()?.ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    })
    .await
}

#[tokio::test]
async fn udp_reaches_the_back_ends_and_leaves_a_dead_one() {
    let site = Site::start().await;
    let (one, two) = (
        site.back_end(1, Protocol::Udp).await,
        site.back_end(2, Protocol::Udp).await,
    );
    let listeners = json!([{ "port": 80, "nodePort": NODE_PORT, "protocol": "UDP" }]);
    let (_, dns) = site
        .create(&site.wanted(1..=2, json!({ "listeners": listeners })))
        .await;
    let (first, second) = (
        client(Ipv4Addr::LOCALHOST).await,
        client(Ipv4Addr::LOCALHOST).await,
    );
    let mut says = [datagram(&first, dns).await, datagram(&second, dns).await];
    assert_eq!(
        datagram(&first, dns).await,
        says[0],
        "a flow keeps its back end"
    );
    says.sort();
    assert_eq!(says, ["n1", "n2"]);
    one.stop().await;
    until("both clients are served by n2", async || {
        let both = (datagram(&first, dns).await, datagram(&second, dns).await);
        (both == ("n2".into(), "n2".into())).then_some(())
    })
    .await;
    assert!(two.answered() >= 3);
}

#[tokio::test]
async fn an_http_health_check_decides() {
    let site = Site::start().await;
    let (_one, _two) = (
        site.back_end(1, Protocol::Tcp).await,
        site.back_end(2, Protocol::Tcp).await,
    );
    let check = |number| BackEnd::start(site.node(number), 32_000, Protocol::Tcp, "ok");
    let (_one_healthy, two_healthy) = (check(1).await.expect("1"), check(2).await.expect("2"));
    let fields =
        json!({ "healthCheck": { "protocol": "HTTP", "port": 32_000, "path": "/healthz" } });
    let (_, web) = site.create(&site.wanted(1..=2, fields)).await;
    assert_eq!(tally(web, 2).await, counts([("n1", 1), ("n2", 1)]));
    two_healthy.stop().await;
    until("n2 gets nothing", async || {
        (tally(web, 4).await == counts([("n1", 4)])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_to_a_back_end_begins_with_the_header_that_was_asked_for() {
    let site = Site::start().await;
    let back_end = TcpListener::bind((site.node(1), NODE_PORT)).await;
    let back_end = back_end.expect("a port");
    let with_header = |version: &str| {
        let listener = json!({ "port": 80, "nodePort": NODE_PORT, "proxyProtocol": version });
        // Probes would be accepted too.
        let check = json!({ "protocol": "NONE" });
        site.wanted(
            1..=1,
            json!({ "listeners": [listener], "healthCheck": check }),
        )
    };
    // What the back end reads from a connection on which the client says "hello".
    let received = async |web: SocketAddr| {
        let mut client = TcpStream::connect(web).await.expect("accepted");
        client.write_all(b"hello").await.expect("sent");
        client.shutdown().await.expect("ended");
        let (mut stream, _) = back_end.accept().await.expect("a connection");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("all");
        let from = client.local_addr().expect("an address");
        (bytes, from)
    };

    let (id, web) = site.create(&with_header("v1")).await;
    let (bytes, from) = received(web).await;
    let line = format!(
        "PROXY TCP4 {} {} {} 80\r\nhello",
        from.ip(),
        web.ip(),
        from.port()
    );
    assert_eq!(String::from_utf8_lossy(&bytes), line);

    site.update(&id, with_header("v2")).await;
    let (bytes, from) = received(web).await;
    let ip = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => panic!("{address}"),
    };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([ip(from), ip(web)].concat());
    header.extend([from.port().to_be_bytes(), web.port().to_be_bytes()].concat());
    header.extend(b"hello");
    assert_eq!(bytes, header);

    site.update(&id, with_header("none")).await;
    assert_eq!(received(web).await.0, b"hello");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_with_a_remedy() {
    let site = Site::start().await;
    let address = site.node(9);
    let taken = TcpListener::bind((address, 80)).await.expect("a port");
    let options = CloudSimulatorOptions {
        addresses: Some(site.range.network()),
        ..CloudSimulatorOptions::named("cloud2")
    };
    let cloud = Cloud::start(options).await;
    let body = with(wanted("web", "u1"), json!({ "address": address }));
    let answer = cloud.call(Verb::Create, &body).await;
    assert_eq!(answer.text("state"), "error");
    assert!(
        answer.text("message").contains("ss -ltnup"),
        "{}",
        answer.text
    );
    drop(taken);
    let body = with(body, json!({ "lbId": answer.text("lbId") }));
    let answer = cloud.call(Verb::Update, &body).await;
    assert_eq!(
        (answer.text("state"), answer.text("message")),
        ("active".into(), String::new())
    );
    assert_eq!(cloud.simulator.inventory()[0].state, State::Active);
}
