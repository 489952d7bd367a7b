//! The programs of Debian that play the other side in tests: a real Prometheus judges what TTA shows to it, and a real
//! Redis keeps what it is given.
//!
//! They are installed where that needs nobody's password, and their services are not left running: tests start their own,
//! at free ports, and the machine is to be as before.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// A package of Debian.
struct Package {
    name: &'static str,
    /// What tests use of it.
    programs: &'static [&'static str],
    /// The port that its service would take.
    port: u16,
}

const PACKAGES: &[Package] = &[
    Package { name: "prometheus", programs: &["prometheus", "promtool"], port: 9090 },
    Package { name: "prometheus-pushgateway", programs: &["prometheus-pushgateway"], port: 9091 },
    Package { name: "redis-server", programs: &["redis-server"], port: 6379 },
];

/// How long apt waits for another apt.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=120";
/// There where systemd runs the services.
const SYSTEMD: &str = "/run/systemd/system";

/// Installs what is not there.
///
/// # Errors
///
/// When something is missing and this is no Debian, or nobody here may install, or a package cannot be had, or a
/// service runs that did not before.
pub(crate) fn prepare() -> Result<()> {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| !package.is_there()).collect();
    let names =
        |packages: &[&Package]| packages.iter().map(|package| package.name).collect::<Vec<_>>().join(" ");
    if missing.is_empty() {
        println!("ready: {}", names(&PACKAGES.iter().collect::<Vec<_>>()));
        return Ok(());
    }
    let wanted = names(&missing);
    let idle: Vec<&Package> = PACKAGES.iter().filter(|package| !package.is_served()).collect();
    install(&missing).with_context(|| {
        format!("{wanted} cannot be installed; on Debian, apt-get install --no-install-recommends {wanted}")
    })?;
    if let Some(package) = missing.iter().find(|package| !package.is_there()) {
        bail!("{} was installed, but {} are not on the path", package.name, package.programs.join(" and "));
    }
    if let Some(package) = idle.iter().find(|package| package.is_served()) {
        let Package { name, port, .. } = package;
        bail!("installing {name} has started its service at port {port}; stop it: systemctl stop {name}");
    }
    Ok(())
}

impl Package {
    fn is_there(&self) -> bool {
        self.programs.iter().all(|program| is_on_path(program))
    }

    fn is_served(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn install(packages: &[&Package]) -> Result<()> {
    if !is_on_path("apt-get") {
        bail!("there is no apt-get here");
    }
    let may = may_install()?;
    let names = packages.iter().map(|package| package.name);
    if !Path::new(SYSTEMD).is_dir() {
        return apt_get(may, names);
    }
    // A masked service is not started by its installation, and the mask is gone with the next boot at the latest.
    process::run(as_root(may, "systemctl").args(["mask", "--runtime", "--quiet"]).args(names.clone()))?;
    let installed = apt_get(may, names.clone());
    process::run(as_root(may, "systemctl").args(["unmask", "--runtime", "--quiet"]).args(names.clone()))?;
    installed?;
    // Nor is it to start with the next boot.
    process::run(as_root(may, "systemctl").args(["disable", "--quiet"]).args(names))
}

fn apt_get<'a>(may: May, names: impl Iterator<Item = &'a str>) -> Result<()> {
    if let Err(error) = process::run(as_root(may, "apt-get").args(["update", "-q", "-o", LOCK_TIMEOUT])) {
        println!("the lists of packages may be old: {error:#}");
    }
    let mut install = as_root(may, "env");
    // In runlevel 1 an init script is not started by its installation, where there is no systemd.
    install.args(["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "install", "-q", "-y"]);
    process::run(install.args(["--no-install-recommends", "-o", LOCK_TIMEOUT]).args(names))
}

/// By what right packages are installed.
#[derive(Clone, Copy)]
enum May {
    Root,
    Sudo,
}

fn may_install() -> Result<May> {
    if process::output(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(May::Root);
    }
    match process::output(Command::new("sudo").args(["-n", "true"])) {
        Ok(_) => Ok(May::Sudo),
        Err(_) => bail!("this user is not root, and sudo asks for a password"),
    }
}

fn as_root(may: May, program: &str) -> Command {
    match may {
        May::Root => Command::new(program),
        May::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", program]);
            command
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_on_path;

    #[test]
    fn programs_are_found_on_the_path() {
        // What runs this test has been found there.
        assert!(is_on_path(if cfg!(windows) { "cargo.exe" } else { "cargo" }));
        assert!(!is_on_path("no-program-has-this-name"));
        assert!(!is_on_path(""), "a folder is no program");
    }
}
