//! Packages of npm, at the versions of our lock file, which has their checksums. No script of a package runs.

use std::path::Path;

use serde::Deserialize;

use super::{
    PeerFiles,
    command::{InstallError, Installer},
};

const FILES: [(&str, &str); 6] = [
    ("package.json", include_str!("../files/package.json")),
    ("package-lock.json", include_str!("../files/package-lock.json")),
    ("ws.js", include_str!("../files/ws.js")),
    ("ws-publisher.js", include_str!("../files/ws-publisher.js")),
    ("socket-io.js", include_str!("../files/socket-io.js")),
    ("socket-io-publisher.js", include_str!("../files/socket-io-publisher.js")),
];
/// npm writes it last: what is installed.
const INSTALLED: &str = "node_modules/.package-lock.json";
const NODE: Installer = Installer { program: "node", remedy: "install Node.js 20 or newer" };
const NPM: Installer = Installer { program: "npm", remedy: "install Node.js with npm" };

#[derive(Deserialize)]
struct NodePackage {
    version: String,
}

pub(super) async fn install(folder: &Path, packages: &[&str]) -> Result<(String, PeerFiles), InstallError> {
    let node = NODE.run(folder, &["--version"]).await?;
    let installed_for = folder.join("installed-package-lock.json");
    let [_, (_, lock), ..] = FILES;
    let is_current =
        folder.join(INSTALLED).exists() && std::fs::read_to_string(&installed_for).is_ok_and(|of| of == lock);
    for (name, text) in FILES {
        write(&folder.join(name), text)?;
    }
    if !is_current {
        NPM.run(folder, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).await?;
        write(&installed_for, lock)?;
    }
    let mut versions = vec![];
    for package in packages {
        versions.push(format!("{package} {}", version_of(folder, package)?));
    }
    Ok((format!("{} with Node.js {node}", versions.join(", ")), PeerFiles::NodeFolder(folder.to_owned())))
}

fn version_of(folder: &Path, package: &str) -> Result<String, InstallError> {
    let path = folder.join("node_modules").join(package).join("package.json");
    let unreadable = |source| InstallError::File { path: path.clone(), source };
    let json = std::fs::read_to_string(&path).map_err(unreadable)?;
    let NodePackage { version } = serde_json::from_str(&json).map_err(|error| unreadable(error.into()))?;
    Ok(version)
}

fn write(path: &Path, text: &str) -> Result<(), InstallError> {
    std::fs::write(path, text).map_err(|source| InstallError::File { path: path.to_owned(), source })
}
