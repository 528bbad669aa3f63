//! The user a cluster runs as: Postgres refuses root.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::ClusterError;

/// An unprivileged user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Returns whom to run Postgres as, `None` for the user of this process.
    pub(super) fn to_run_as() -> Result<Option<Self>, ClusterError> {
        if !is_root()? {
            return Ok(None);
        }
        let passwd =
            fs::read_to_string("/etc/passwd").map_err(ClusterError::machine("read /etc/passwd"))?;
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Self::parse(&passwd, name))
            .map(Some)
            .ok_or(ClusterError::NoAccount)
    }

    /// Finds `name` in the text of /etc/passwd, unless it is root in disguise.
    fn parse(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                uid,
                gid,
            })
        })
    }
}

/// Makes a command that runs as `account`, with nothing of our environment, in
/// a directory that every user may enter.
pub(super) fn command(program: &str, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C")
        .env("TZ", "UTC0")
        .current_dir("/");
    if let Some(account) = account {
        // This also gives up the supplementary groups of root.
        command.gid(account.gid).uid(account.uid);
    }
    command
}

/// Tells whether this process is root, by asking `id`: the standard library
/// has no safe call for it.
pub(super) fn is_root() -> Result<bool, ClusterError> {
    let output = command("id", None)
        .arg("-u")
        .output()
        .map_err(ClusterError::machine("run `id -u`"))?;
    if output.status.success() {
        Ok(output.stdout.trim_ascii() == b"0")
    } else {
        Err(ClusterError::machine("run `id -u`")(io::Error::other(
            output.status.to_string(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_passwd_and_is_never_root() {
        let check = |passwd: &str, expected: Option<(u32, u32)>| {
            let found = Account::parse(passwd, "nobody").map(|account| (account.uid, account.gid));
            assert_eq!(found, expected, "{passwd:?}");
        };
        check(
            "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin",
            Some((65534, 65533)),
        );
        check(
            "root:x:0:0::/root:/bin/sh\nnobody:x:99:98:::",
            Some((99, 98)),
        );
        check("nobody2:x:99:98:::", None);
        check("nobody:x:0:0:::", None);
        check("nobody:x:-2:-2:::", None);
        check("nobody", None);
        check("", None);
    }
}
