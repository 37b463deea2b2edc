use std::sync::Mutex;

use tokio::net::TcpListener;

use super::*;
use crate::http::client_for_strangers;

/// At least one address of each special range, by each of its names.
const SPECIAL: &[&str] = &[
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "64:ff9b::1:0:0:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::6810:84e5",
    "2a00::1",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
];

#[test]
fn no_special_address_is_public() {
    assert!(SPECIAL.len() >= 40);
    for address in SPECIAL {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
    for address in PUBLIC {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

/// A server on this machine, and the address at which a stranger wants it to be found.
struct Inside {
    listener: TcpListener,
}

impl Inside {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// Sends a request to a host that resolves to these addresses, each with the server's port, in this order for each
    /// lookup. Returns whether anything connected.
    async fn is_reached_by(&self, answers: Vec<Vec<IpAddr>>) -> bool {
        let port = self.listener.local_addr().unwrap().port();
        let answers = Mutex::new(answers);
        let resolver = PublicAddresses::looked_up(move |_| {
            let mut answers = answers.lock().unwrap();
            let next = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
            Box::pin(async move { Ok(next.into_iter().map(|ip| (ip, port).into()).collect()) })
        });
        let client = client_for_strangers(resolver).unwrap();
        let request = client.get(format!("https://stranger.example:{port}/metadata"));
        tokio::select! {
            accepted = self.listener.accept() => accepted.is_ok(),
            sent = request.send() => {
                assert!(sent.is_err());
                false
            }
        }
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_special_address_is_never_dialled() {
    let inside = Inside::start().await;
    for address in SPECIAL {
        assert!(!inside.is_reached_by(vec![vec![address.parse().unwrap()]]).await, "{address}");
    }
}

#[tokio::test]
async fn a_resolver_that_changes_its_answer_leads_nowhere_else() {
    let inside = Inside::start().await;
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    // A documentation address would not answer, so the first answer has none at all.
    for answers in [vec![vec![], vec![loopback]], vec![vec![loopback], vec![loopback]]] {
        assert!(!inside.is_reached_by(answers).await);
    }
}

#[tokio::test]
async fn of_several_addresses_only_the_public_ones_are_left() {
    let mixed =
        SPECIAL.iter().chain(PUBLIC).map(|text| (text.parse::<IpAddr>().unwrap(), 443).into());
    let mixed: Vec<SocketAddr> = mixed.collect();
    let resolver = PublicAddresses::looked_up(move |_| {
        let mixed = mixed.clone();
        Box::pin(async move { Ok(mixed) })
    });
    let left = resolver.resolve("stranger.example".parse().unwrap()).await.unwrap();
    let left: Vec<_> = left.map(|address| address.ip()).collect();
    let public: Vec<IpAddr> = PUBLIC.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(left, public);
}

#[tokio::test]
async fn plain_http_is_refused() {
    let client = client_for_strangers(PublicAddresses::of_system()).unwrap();
    assert!(client.get("http://stranger.example/metadata").send().await.is_err());
}
