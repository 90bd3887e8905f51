//! Nchan as Debian packages it: a module for Debian's nginx. If it isn't installed, the package is fetched and unpacked
//! into the cache.

use std::path::{Path, PathBuf};

use super::{
    PeerFiles,
    command::{InstallError, Installer},
};

const PACKAGE: &str = "libnginx-mod-nchan";
const MODULE: &str = "usr/lib/nginx/modules/ngx_nchan_module.so";
const NGINX: Installer = Installer { program: "nginx", remedy: "install Debian's package nginx" };
const APT: Installer =
    Installer { program: "apt-get", remedy: "Nchan is taken from Debian, so this needs Debian or Ubuntu" };
const DPKG_QUERY: Installer = Installer { program: "dpkg-query", remedy: APT.remedy };
const DPKG_DEB: Installer = Installer { program: "dpkg-deb", remedy: APT.remedy };

pub(super) async fn install(folder: &Path) -> Result<(String, PeerFiles), InstallError> {
    let nginx = NGINX.run(folder, &["-v"]).await?;
    let nginx = nginx.rsplit('/').next().unwrap_or_default().to_owned();
    let (module, version) = find_or_fetch(folder).await?;
    // Debian's own part of the version comes after the last hyphen.
    let upstream = version.rsplit_once('-').map_or(version.as_str(), |(upstream, _)| upstream);
    let upstream = upstream.rsplit(':').next().unwrap_or(upstream);
    Ok((format!("{} with nginx {nginx}", upstream.trim_end_matches("+dfsg")), PeerFiles::NginxModule(module)))
}

/// The module and the version of its package.
async fn find_or_fetch(folder: &Path) -> Result<(PathBuf, String), InstallError> {
    let of_system = Path::new("/").join(MODULE);
    if of_system.exists() {
        let version = DPKG_QUERY.run(folder, &["--show", "--showformat=${Version}", PACKAGE]).await?;
        return Ok((of_system, version));
    }
    let unpacked = folder.join(MODULE);
    if !unpacked.exists() {
        APT.run(folder, &["download", PACKAGE]).await?;
        DPKG_DEB.run(folder, &["--extract", &package_in(folder)?, "."]).await?;
    }
    let version = DPKG_DEB.run(folder, &["--field", &package_in(folder)?, "Version"]).await?;
    Ok((unpacked, version))
}

/// The name of the newest package file in this folder.
fn package_in(folder: &Path) -> Result<String, InstallError> {
    let unreadable = |source| InstallError::File { path: folder.to_owned(), source };
    let files = std::fs::read_dir(folder).map_err(unreadable)?;
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let packages = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "deb"));
    packages.max().ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))
}
