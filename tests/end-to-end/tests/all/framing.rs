//! Requests whose end different servers find in different places (RFC 9112 section 11.2): none of them smuggles a second
//! request to Azure DevOps, and none disturbs the next one.

use std::time::Duration;

use end_to_end::{PROJECTS, World};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Not a wait: a server that keeps a connection open is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);
/// What an attacker wants Azure DevOps to read as a request of its own.
const SMUGGLED: &str = "GET /mycompany/_apis/smuggled HTTP/1.1\r\nHost: dev.azure.com\r\n\r\n";
const TASK: &str = "dev.azure.com/mycompany/Website/_apis/wit/workitems/$Task?api-version=7.1";
const DOCUMENT: &str = r#"[{"op":"add","path":"/fields/System.Title","value":"x"}]"#;

/// Headers and body of each attack, without the headers that every request has.
fn attacks() -> Vec<(&'static str, String)> {
    let size = DOCUMENT.len();
    let all = size + SMUGGLED.len();
    let chunked = format!("{size:x}\r\n{DOCUMENT}\r\n0\r\n\r\n");
    let cl_te = |te: &str| {
        let body = format!("{chunked}{SMUGGLED}");
        format!("Content-Length: {}\r\n{te}\r\n\r\n{body}", body.len())
    };
    let te_cl = |te: &str| {
        let inner = SMUGGLED.len();
        let body = format!("{size:x}\r\n{DOCUMENT}\r\n{inner:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
        format!("Content-Length: {}\r\n{te}\r\n\r\n{body}", size + 4)
    };
    vec![
        ("CL.TE", cl_te("Transfer-Encoding: chunked")),
        ("CL.TE, folded", cl_te("Transfer-Encoding:\r\n chunked")),
        ("CL.TE, blank before the colon", cl_te("Transfer-Encoding : chunked")),
        ("CL.TE, tab", cl_te("Transfer-Encoding:\tchunked")),
        ("CL.TE, vertical tab", cl_te("Transfer-Encoding: \u{b}chunked")),
        ("CL.TE, unknown coding", cl_te("Transfer-Encoding: xchunked")),
        ("CL.TE, twice", cl_te("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
        ("CL.TE, list", cl_te("Transfer-Encoding: identity, chunked")),
        ("CL.TE, upper case", cl_te("TRANSFER-ENCODING: Chunked")),
        ("CL.TE, underscore", cl_te("Transfer_Encoding: chunked")),
        ("CL.TE, hidden in another header", cl_te("X: y\rTransfer-Encoding: chunked")),
        (
            "CL.TE, named in Connection",
            cl_te("Transfer-Encoding: chunked\r\nConnection: transfer-encoding"),
        ),
        ("TE.CL", te_cl("Transfer-Encoding: chunked")),
        (
            "TE.CL, named in Connection",
            te_cl("Transfer-Encoding: chunked\r\nConnection: content-length"),
        ),
        (
            "two lengths",
            format!("Content-Length: {size}\r\nContent-Length: {all}\r\n\r\n{DOCUMENT}{SMUGGLED}"),
        ),
        (
            "two lengths in one header",
            format!("Content-Length: {size}, {all}\r\n\r\n{DOCUMENT}{SMUGGLED}"),
        ),
        ("a signed length", format!("Content-Length: +{size}\r\n\r\n{DOCUMENT}{SMUGGLED}")),
        ("a negative length", format!("Content-Length: -1\r\n\r\n{DOCUMENT}{SMUGGLED}")),
        ("a short length", format!("Content-Length: {size}\r\n\r\n{DOCUMENT}{SMUGGLED}")),
        ("no length", format!("X: y\r\n\r\n{SMUGGLED}")),
        (
            "bare line feeds",
            format!("Content-Length: {size}\nTransfer-Encoding: chunked\n\n{chunked}{SMUGGLED}"),
        ),
        (
            "a bare line feed in a value",
            format!(
                "X: y\nContent-Length: {all}\r\nContent-Length: {size}\r\n\r\n{DOCUMENT}{SMUGGLED}"
            ),
        ),
        (
            "a bare line feed in a chunk's size",
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{size:x}\n{DOCUMENT}\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a chunk extension",
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{size:x};a=\n{SMUGGLED}\r\n{DOCUMENT}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a chunk size that overflows",
            format!(
                "Transfer-Encoding: chunked\r\n\r\n10000000000000000{size:x}\r\n{DOCUMENT}\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a trailer",
            format!(
                "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n{size:x}\r\n{DOCUMENT}\r\n0\r\nContent-Length: {all}\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "an upgrade",
            format!(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: {size}\r\n\r\n{DOCUMENT}{SMUGGLED}"
            ),
        ),
        ("a zero byte", format!("X: a\0b\r\nContent-Length: {size}\r\n\r\n{DOCUMENT}{SMUGGLED}")),
    ]
}

/// Sends bytes to a server and waits until it has answered or closed.
async fn send_raw(front: &str, text: &str) {
    let address = front.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server may close before it has read everything.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(GIVEN_UP_AFTER, stream.read_to_end(&mut answer)).await;
}

fn assert_nothing_smuggled(world: &World, attack: &str) {
    let requests = world.devops().requests();
    assert!(requests.len() <= 1, "{attack}: {requests:?}");
    for request in &requests {
        assert_eq!(request.route, "wit.workitems.create", "{attack}");
        assert_eq!((request.method.as_str(), request.host.as_str()), ("POST", "dev.azure.com"));
        let framing: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| ["content-length", "transfer-encoding"].contains(&name.as_str()))
            .collect();
        let length = request.body.len().to_string();
        assert_eq!(framing, [&("content-length".to_owned(), length)], "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_any_framing_smuggles_another_one_to_azure_devops() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    for front in world.fronts() {
        let (host, stage) = match front.trim_start_matches("http://").split_once('/') {
            Some((host, stage)) => (host, format!("/{stage}")),
            None => (front.trim_start_matches("http://"), String::new()),
        };
        for (attack, rest) in attacks() {
            world.devops().reset_counts();
            let head = format!(
                "POST {stage}/proxy/{connection}/{TASK} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
                 Content-Type: application/json-patch+json\r\n"
            );
            send_raw(front, &format!("{head}{rest}")).await;
            assert_nothing_smuggled(&world, attack);
            // The next call on the proxy's connection to Azure DevOps gets its own answer.
            let next = world.proxied(&connection, PROJECTS).await.expect(200).json();
            assert_eq!(next["count"], 3, "{attack}: {next}");
        }
    }
}

/// What a front would not let through: headers about framing, and line breaks in values, in the event itself.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_smuggles_a_request_to_azure_devops() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let (path, query) = TASK.split_once('?').unwrap();
    let path = format!("/proxy/{connection}/{path}");
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("connection", "content-length, transfer-encoding, keep-alive"),
        ("te", "trailers, chunked"),
        ("trailer", "content-length"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        (
            "x-a",
            "b\r\nContent-Length: 0\r\n\r\nGET /mycompany/_apis/smuggled HTTP/1.1\r\nHost: dev.azure.com\r\n\r\n",
        ),
        ("x-a", "b\nTransfer-Encoding: chunked"),
        ("x-a\r\ntransfer-encoding", "chunked"),
        ("user-agent", "a\r\nTransfer-Encoding: chunked"),
    ] {
        world.devops().reset_counts();
        let event = json!({
            "rawPath": path, "rawQueryString": query, "isBase64Encoded": false, "body": format!("{DOCUMENT}{SMUGGLED}"),
            "headers": {
                "authorization": format!("Bearer {key}"), "content-type": "application/json-patch+json", name: value,
            },
            "requestContext": {"requestId": "r-1", "stage": "$default", "http": {"method": "POST", "path": path}},
        });
        // An event that is no request is refused.
        let _ = world.stack.invoke("proxy", event.to_string().into_bytes()).await;
        assert_nothing_smuggled(&world, name);
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
}
