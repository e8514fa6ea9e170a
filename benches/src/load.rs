//! Clients that send one event per request over connections that stay open.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests a second over `connections` connections, each waiting for an answer before its next request.
///
/// # Errors
/// When a connection fails, or an answer is not a success.
pub async fn requests_per_second(
    address: SocketAddr,
    connections: usize,
    lasting: Duration,
) -> io::Result<f64> {
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for client in 0..connections {
        clients.spawn(post_until(address, client, started + lasting));
    }
    let mut requests = 0;
    while let Some(done) = clients.join_next().await {
        requests += done.map_err(io::Error::other)??;
    }
    Ok(f64::from(requests) / started.elapsed().as_secs_f64())
}

async fn post_until(address: SocketAddr, client: usize, end: Instant) -> io::Result<u32> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut requests, mut answer) = (0, Vec::with_capacity(1024));
    while Instant::now() < end {
        stream.write_all(request(client, requests).as_bytes()).await?;
        answer.clear();
        while !is_complete(&answer) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        requests += 1;
    }
    Ok(requests)
}

/// One event whose body has 250 bytes.
fn request(client: usize, number: u32) -> String {
    let head =
        format!("{{\"entity_id\":\"customer-{client}-{}\",\"event_type\":\"order.paid\",", number % 1000);
    let body = format!("{head}\"payload\":{{\"amount\":{number},\"filling\":\"");
    let filling = "x".repeat(250_usize.saturating_sub(body.len() + 3));
    let body = format!("{body}{filling}\"}}}}");
    let length = body.len();
    format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
