//! Whom a process speaks to, as the kernel knows it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The state of a socket that listens, as the kernel writes it.
const LISTENS: &str = "0A";

/// Returns the addresses beyond this machine to which a process has a socket at this moment.
///
/// Empty when the process has ended.
pub fn foreign_peers(process: u32) -> BTreeSet<IpAddr> {
    let directory = format!("/proc/{process}");
    let directory = Path::new(&directory);
    let inodes = inodes(directory);
    let tables = ["tcp", "tcp6", "udp", "udp6"];
    tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(directory.join("net").join(table)).ok())
        .flat_map(|table| peers(&table, &inodes))
        .filter(|peer| !peer.is_loopback() && !peer.is_unspecified())
        .collect()
}

/// Returns the ports on which a process listens at this moment.
pub fn listening_ports(process: u32) -> BTreeSet<u16> {
    let directory = format!("/proc/{process}");
    let directory = Path::new(&directory);
    let inodes = inodes(directory);
    let table = std::fs::read_to_string(directory.join("net/tcp")).unwrap_or_default();
    let port = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_ours = inodes.contains(*columns.get(9)?) && *columns.get(3)? == LISTENS;
        let (_address, port) = columns.get(1)?.split_once(':')?;
        is_ours
            .then(|| u16::from_str_radix(port, 16).ok())
            .flatten()
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// The sockets that are open in a process.
fn inodes(directory: &Path) -> BTreeSet<String> {
    let Ok(descriptors) = std::fs::read_dir(directory.join("fd")) else {
        return BTreeSet::new();
    };
    descriptors
        .filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect()
}

/// The other ends of these sockets in a table of the kernel.
fn peers(table: &str, inodes: &BTreeSet<String>) -> Vec<IpAddr> {
    let peer = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_ours = inodes.contains(*columns.get(9)?);
        let (address, _port) = columns.get(2)?.split_once(':')?;
        is_ours.then(|| address_of(address)).flatten()
    };
    table.lines().skip(1).filter_map(peer).collect()
}

/// Reads an address as the kernel writes it: words of four bytes in the machine's order.
fn address_of(text: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = text
        .as_bytes()
        .chunks(8)
        .map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
        })
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(Ipv4Addr::from(*word).into()),
        [_, _, _, _] => {
            let bytes: Vec<u8> = words.concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let check = |text: &str, address: &str| {
            assert_eq!(address_of(text), address.parse().ok(), "{text}");
        };
        check("0100007F", "127.0.0.1");
        check("0A0200C0", "192.0.2.10");
        check("00000000000000000000000001000000", "::1");
        check("0000000000000000FFFF00000100007F", "127.0.0.1");
    }

    #[test]
    fn a_port_that_is_listened_on_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(listening_ports(std::process::id()).contains(&port));
        drop(listener);
        assert!(!listening_ports(std::process::id()).contains(&port));
    }

    #[test]
    fn a_socket_that_leads_away_is_found() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("there is a free port");
        // Nothing is sent: this only says where to.
        if socket.connect("192.0.2.10:9").is_ok() {
            let found = foreign_peers(std::process::id());
            assert!(found.contains(&IpAddr::from([192, 0, 2, 10])), "{found:?}");
        }
    }
}
