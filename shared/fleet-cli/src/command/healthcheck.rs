use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use fleet::service::config::{Env, ServiceConfig, load};

use crate::exit::Exit;

/// A probe that takes longer than this counts as failed.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The most of an answer that is read: its status line is at the beginning.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Asks /readyz of a process on this machine.
pub(crate) fn healthcheck(env: &dyn Env) -> Result<(), Exit> {
    let service = load(env, ServiceConfig::read)
        .map_err(Exit::refused)?
        .settings;
    let addr = reachable(service.admin_addr);
    if addr.port() == 0 {
        return Err(Exit::refused(
            "ADMIN_ADDR: port 0 cannot be asked; name the port",
        ));
    }
    let answer = ask(addr).with_context(|| format!("no answer from {addr}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        status => Err(anyhow!("not ready ({}): {body}", status.unwrap_or("no HTTP")).into()),
    }
}

fn ask(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// An address that is listened on everywhere is asked on loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
