//! Centrifugo, built from its Go module. The checksum of the module is pinned here, and the module's own `go.sum` pins
//! everything that it stands on.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    PeerFiles,
    command::{InstallError, Installer},
};

const VERSION: &str = "6.9.1";
const MODULE: &str = "github.com/centrifugal/centrifugo/v6@v6.9.1";
const CHECKSUM: &str = "h1:JyYAxuwBvf5ox+3EW2agQJTxNG5axoRSOdvoA6qPAuo=";
const GO: Installer = Installer { program: "go", remedy: "install Go 1.26 or newer, with which Centrifugo is built" };

/// The answer of `go mod download -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GoModule {
    sum: String,
    dir: PathBuf,
}

pub(super) async fn install(folder: &Path) -> Result<(String, PeerFiles), InstallError> {
    let binary = folder.join(format!("centrifugo-{VERSION}"));
    if !binary.exists() {
        build(folder, &binary).await?;
    }
    Ok((VERSION.to_owned(), PeerFiles::Binary(binary)))
}

async fn build(folder: &Path, binary: &Path) -> Result<(), InstallError> {
    let download = ["mod", "download", "-json", MODULE];
    let output = GO.run(folder, &download).await?;
    let GoModule { sum, dir } = serde_json::from_str(&output)
        .map_err(|_| InstallError::Unexpected { command: format!("go {}", download.join(" ")), output })?;
    if sum != CHECKSUM {
        return Err(InstallError::Checksum { what: MODULE, expected: CHECKSUM, found: sum });
    }
    // Renamed when it is whole, so that a build that is cut off leaves nothing that looks like a binary.
    let partial = folder.join("centrifugo.partial");
    let output = partial.display().to_string();
    GO.run(&dir, &["build", "-mod=readonly", "-trimpath", "-o", &output, "."]).await?;
    std::fs::rename(&partial, binary).map_err(|source| InstallError::File { path: binary.to_owned(), source })
}
